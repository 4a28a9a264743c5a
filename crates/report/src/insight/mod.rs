//! What trials say about the parameters of their space, as plain data: which matter, how the value
//! depends on them, and the trials themselves.
//!
//! It is computed by whoever knows the space and its trials (`lab`, from records alone); here it is
//! shown.

mod figures;
mod table;

use record::TuningSpace;

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
    /// Whether equal ratios are equally far apart.
    pub is_log: bool,
    /// Names of the values 0, 1, 2, …; empty for numbers.
    pub choices: Vec<String>,
}

/// A share of the variance over the space, in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Mean over the trees of the forest.
    pub mean: f64,
    /// How much trees differ.
    pub deviation: f64,
}

/// Functional analysis of variance (Hutter, Hoos and Leyton-Brown 2014).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Importance {
    /// Of each parameter alone.
    pub alone: Vec<Share>,
    /// Of each two together, beyond what each has alone.
    pub pairs: Vec<(usize, usize, Share)>,
}

/// The value along one parameter, the others averaged over the space (Friedman 2001).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dependence {
    /// Values of the parameter.
    pub at: Vec<f64>,
    /// What is expected there, in the unit of the value.
    pub mean: Vec<f64>,
    /// Its standard deviation.
    pub deviation: Vec<f64>,
}

/// A trial that gave a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tried {
    /// Such as `gp, search 2, trial 14`.
    pub name: String,
    /// Its parameters, in their order; choices by index, and `None` where one does not matter.
    pub parameters: Vec<Option<f64>>,
    /// What it cost, if that is known.
    pub cost: Option<f64>,
    /// What it gave.
    pub value: f64,
}

/// One function of the parameters, as its trials show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subject {
    /// Told apart from the others by this, such as a network; empty if it is the only one.
    pub name: String,
    /// Trials that gave a value, of which `trials` may be a part.
    pub count: usize,
    /// Trials that the rest rests on.
    pub trials: Vec<Tried>,
    /// Why nothing is said about its parameters: too few trials, no differences.
    pub silence: Option<String>,
    /// Which parameters matter.
    pub importance: Option<Importance>,
    /// For each parameter; empty if not known.
    pub dependence: Vec<Dependence>,
}

/// What is known of one search space: a subject for each function that was searched in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Landscape {
    /// Begins the names of its figures; empty for none.
    pub id: String,
    /// In the titles, in parentheses; empty for none.
    pub name: String,
    /// The space.
    pub parameters: Vec<SearchParameter>,
    /// What trials give.
    pub value: Axis,
    /// The least and the most that a value can be, if there is such a thing.
    pub bounds: Option<[f64; 2]>,
    /// Whether less is better.
    pub is_minimized: bool,
    /// What a trial costs, where that is known.
    pub cost: Option<Axis>,
    /// The functions.
    pub subjects: Vec<Subject>,
}

/// What the searches of RQ1 in one space and on one data set say together: strategies and
/// repetitions see the same function.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchInsight {
    /// Data set.
    pub data: String,
    /// Search space.
    pub space: TuningSpace,
    /// A subject for each network.
    pub landscape: Landscape,
}

impl Subject {
    /// The first trial with the best value.
    fn best(&self, is_minimized: bool) -> Option<&Tried> {
        let better =
            |a: &Tried, b: &Tried| if is_minimized { b.value < a.value } else { b.value > a.value };
        self.trials.iter().reduce(|best, it| if better(best, it) { it } else { best })
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

impl Landscape {
    fn id(&self, of: &str) -> String {
        if self.id.is_empty() { of.to_owned() } else { format!("{}-{of}", self.id) }
    }

    fn titled(&self, title: &str, subject: &str) -> String {
        let names = [self.name.as_str(), subject].into_iter().filter(|it| !it.is_empty());
        let names: Vec<&str> = names.collect();
        if names.is_empty() { title.to_owned() } else { format!("{title} ({})", names.join(", ")) }
    }

    /// The subjects that something can be said about.
    fn told(&self) -> impl Iterator<Item = &Subject> {
        self.subjects.iter().filter(|it| it.importance.is_some() || !it.dependence.is_empty())
    }

    /// What stands behind the figures: trials of each subject.
    fn basis(&self) -> String {
        let each = self.told().map(|it| match it.name.as_str() {
            "" => it.trials_in_words(),
            name => format!("{name}: {}", it.trials_in_words()),
        });
        each.collect::<Vec<_>>().join("; ")
    }

    /// A sentence a subject: what matters most, or why that is not said.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let sentence = |it: &Subject| {
            let name = it.name.as_str();
            let Some(importance) = &it.importance else {
                let of = if name.is_empty() { String::new() } else { format!(" of {name}") };
                let why = it.silence.as_ref()?;
                return Some(format!("Nothing is said about the parameters{of}: {why}."));
            };
            let of = match name {
                "" => it.trials_in_words(),
                name => format!("{name} ({})", it.trials_in_words()),
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
        self.subjects.iter().filter_map(sentence).collect()
    }

    /// Parameters and pairs of them, by falling share.
    #[must_use]
    pub fn ranked(&self, importance: &Importance) -> Vec<(String, Share)> {
        let name = |at: usize| self.parameters.get(at).map_or("?", |it| it.name.as_str());
        let alone = importance.alone.iter().enumerate();
        let alone = alone.map(|(at, share)| (name(at).to_owned(), *share));
        let pairs = importance.pairs.iter();
        let pairs = pairs.map(|(a, b, share)| (format!("{} × {}", name(*a), name(*b)), *share));
        let mut all: Vec<(String, Share)> = alone.chain(pairs).collect();
        all.sort_by(|a, b| b.1.mean.total_cmp(&a.1.mean));
        all
    }
}
