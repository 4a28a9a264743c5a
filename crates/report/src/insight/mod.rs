//! What trials say about the parameters of a search space: which matter, how the value depends on them,
//! and the trials themselves.
//!
//! `lab` computes it from records; this module shows it.

mod figures;
mod table;

use record::TuningSpace;
use units::{Dependence, Importance, Share};

use crate::plot::Axis;

/// A parameter of a search space.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchParameter {
    /// Its name.
    pub name: String,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Whether the search is uniform in the logarithm.
    pub is_log: bool,
    /// Names of the values 0, 1, 2, … of a categorical parameter; empty for numbers.
    pub choices: Vec<String>,
}

/// A trial that gave a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrialPoint {
    /// Such as `gp, search 2, trial 14`.
    pub name: String,
    /// Its parameters in the order of the space; choices are indices, inactive parameters `None`.
    pub parameters: Vec<Option<f64>>,
    /// What it cost; `None` if that is not known.
    pub cost: Option<f64>,
    /// Its value.
    pub value: f64,
}

/// One function of the parameters, such as the accuracy of one network, as its trials show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Function {
    /// Its name, such as a network; empty if it is the only function.
    pub name: String,
    /// Number of trials that gave a value; `trials` may hold fewer.
    pub count: usize,
    /// The trials from which importance and dependence were computed.
    pub trials: Vec<TrialPoint>,
    /// Why importance and dependence are missing, such as too few trials; `None` if they are not.
    pub silence: Option<String>,
    /// Which parameters matter; `None` if unknown.
    pub importance: Option<Importance>,
    /// The dependence on each parameter; empty if unknown.
    pub dependence: Vec<Dependence>,
}

/// What is known about one search space and the functions that were searched in it.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchInsight {
    /// Prefix of the names of its figures; empty for none.
    pub id: String,
    /// Appended to titles in parentheses; empty for none.
    pub name: String,
    /// The parameters of the space.
    pub parameters: Vec<SearchParameter>,
    /// The value of a trial.
    pub value: Axis,
    /// The smallest and the largest possible value; `None` if there are none.
    pub bounds: Option<[f64; 2]>,
    /// Whether smaller values are better.
    pub is_minimized: bool,
    /// The cost of a trial; `None` if costs are not known.
    pub cost: Option<Axis>,
    /// The functions.
    pub functions: Vec<Function>,
}

/// What the searches of RQ1 in one space and on one data set say together. All strategies and
/// repetitions see the same functions.
#[derive(Clone, Debug, PartialEq)]
pub struct TuningInsight {
    /// Data set.
    pub data: String,
    /// Search space.
    pub space: TuningSpace,
    /// What they say; it has a function for each network.
    pub insight: SearchInsight,
}

impl Function {
    /// The first trial with the best value.
    fn best(&self, is_minimized: bool) -> Option<&TrialPoint> {
        let better = |a: &TrialPoint, b: &TrialPoint| {
            if is_minimized { b.value < a.value } else { b.value > a.value }
        };
        self.trials.iter().reduce(|best, trial| if better(best, trial) { trial } else { best })
    }

    /// `64 trials`, or `128 of 512 trials`.
    fn trials_in_words(&self) -> String {
        if self.trials.len() < self.count {
            format!("{} of {} trials", self.trials.len(), self.count)
        } else {
            format!("{} trials", self.count)
        }
    }
}

impl SearchInsight {
    fn id(&self, of: &str) -> String {
        if self.id.is_empty() { of.to_owned() } else { format!("{}-{of}", self.id) }
    }

    fn titled(&self, title: &str, function: &str) -> String {
        let names = [self.name.as_str(), function].into_iter().filter(|name| !name.is_empty());
        let names: Vec<&str> = names.collect();
        if names.is_empty() { title.to_owned() } else { format!("{title} ({})", names.join(", ")) }
    }

    /// The functions with a known importance or dependence.
    fn told(&self) -> impl Iterator<Item = &Function> {
        self.functions
            .iter()
            .filter(|function| function.importance.is_some() || !function.dependence.is_empty())
    }

    /// The number of trials behind the figures, function by function.
    fn basis(&self) -> String {
        let each = self.told().map(|function| match function.name.as_str() {
            "" => function.trials_in_words(),
            name => format!("{name}: {}", function.trials_in_words()),
        });
        each.collect::<Vec<_>>().join("; ")
    }

    /// A sentence per function: which parameter matters most, or why that is unknown.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let sentence = |function: &Function| {
            let name = function.name.as_str();
            let Some(importance) = &function.importance else {
                let of = if name.is_empty() { String::new() } else { format!(" of {name}") };
                let why = function.silence.as_ref()?;
                return Some(format!("The importance of the parameters{of} is unknown: {why}."));
            };
            let of = match name {
                "" => function.trials_in_words(),
                name => format!("{name} ({})", function.trials_in_words()),
            };
            let ranked = self.ranked(importance);
            let (first, share) = ranked.first()?;
            let second = ranked.get(1).map_or_else(String::new, |(name, share)| {
                format!(", then {name} with {:.0} %", 100.0 * share.mean)
            });
            Some(format!(
                "{of}: {first} explains {:.0} % of the variance of the {} over the space{second}.",
                100.0 * share.mean,
                self.value.title
            ))
        };
        self.functions.iter().filter_map(sentence).collect()
    }

    /// Parameters and pairs of parameters in descending order of their shares.
    #[must_use]
    pub fn ranked(&self, importance: &Importance) -> Vec<(String, Share)> {
        let name =
            |at: usize| self.parameters.get(at).map_or("?", |parameter| parameter.name.as_str());
        let alone = importance.alone.iter().enumerate();
        let alone = alone.map(|(at, share)| (name(at).to_owned(), *share));
        let pairs = importance.pairs.iter();
        let pairs = pairs.map(|(a, b, share)| (format!("{} × {}", name(*a), name(*b)), *share));
        let mut all: Vec<(String, Share)> = alone.chain(pairs).collect();
        all.sort_by(|a, b| b.1.mean.total_cmp(&a.1.mean));
        all
    }
}
