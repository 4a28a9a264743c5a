//! What a claim is: the statement of a study, and the rule by which our records test it.

use record::{ClaimId, Evidence, Experiment, Finding, Origin, Verdict};

use super::verdict::Margin;
use super::{
    Factorial, NetworkMean, Rows, factorials_at,
    looks::{ERROR_RATE, Looked, LooksSoFar},
    network_means,
};
use crate::document::Unit;

/// A claim of a study, what the study published, and how it is tested.
#[derive(Debug)]
#[non_exhaustive]
pub struct Claim {
    /// Its id in `results.json`; never changes.
    pub id: ClaimId,
    /// The research question that it answers; decides in which section of the report it is shown.
    pub question: Question,
    /// The claim in a sentence.
    pub statement: &'static str,
    /// Where the published figures are from.
    pub source: &'static str,
    /// The rule by which the verdict follows from the evidence, in a sentence or two.
    pub criterion: &'static str,
    /// The effect that the verdict rests on.
    pub effect: Effect,
    /// The figures that are published or measured, in the order shown.
    pub figures: &'static [ClaimFigure],
    /// Tests the claim.
    pub(super) test: fn(&Observations<'_>) -> Answer,
}

/// A research question of the studies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Question {
    /// RQ1: search strategies for hyper-parameters.
    Tuning,
    /// RQ2: the energy of layers in training.
    Layers,
    /// RQ3: the energy and accuracy of smaller networks.
    Complexity,
    /// RQ4: batching of inference requests.
    Batching,
    /// RQ5: vision networks over the years.
    Timeline,
    /// What the engine costs that computes trainings.
    Engines,
}

/// What an effect is, and its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Effect {
    /// In words, without the unit.
    pub name: &'static str,
    /// Unit of the size and of its interval.
    pub unit: Unit,
}

/// A figure of a claim: its name in `results.json`, and how a document shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClaimFigure {
    /// Field name in `results.json`; never changes.
    pub key: &'static str,
    /// Name for readers, without the unit.
    pub label: &'static str,
    /// Unit of the published and of the measured value.
    pub unit: Unit,
    /// As published; `None` if only we measure it.
    pub published: Option<f64>,
}

impl ClaimFigure {
    /// A figure that the study published.
    pub(super) const fn published(
        key: &'static str,
        label: &'static str,
        unit: Unit,
        value: f64,
    ) -> Self {
        Self { key, label, unit, published: Some(value) }
    }

    /// A figure that only we measure.
    pub(super) const fn ours(key: &'static str, label: &'static str, unit: Unit) -> Self {
        Self { key, label, unit, published: None }
    }
}

/// What the tests of claims look at.
#[derive(Debug)]
pub(super) struct Observations<'a> {
    /// All rows.
    pub(super) rows: &'a Rows,
    /// The layer factorial of each data set.
    pub(super) factorials: Vec<Factorial<'a>>,
    /// The vision networks by year.
    pub(super) networks: Vec<NetworkMean>,
    looked: Option<&'a Looked>,
}

impl<'a> Observations<'a> {
    /// Looks at rows; `looked` has those up to the last look of a study that looks several times.
    pub(super) fn of(rows: &'a Rows, looked: Option<&'a Looked>) -> Self {
        let rows = looked.map_or(rows, |looked| &looked.rows);
        let mut this = Self { rows, factorials: Vec::new(), networks: Vec::new(), looked };
        this.factorials = factorials_at(&rows.layers, this.error_rate(Experiment::Layers));
        this.networks = network_means(&rows.infers);
        this
    }

    /// The error rate of the intervals that verdicts on an experiment rest on: 0.05 for 95 %.
    pub(super) fn error_rate(&self, experiment: Experiment) -> f64 {
        self.looks(experiment).map_or(ERROR_RATE, LooksSoFar::error_rate)
    }

    /// The looks of an experiment; `None` if it looks once.
    pub(super) fn looks(&self, experiment: Experiment) -> Option<&LooksSoFar> {
        self.looked?.at(experiment)
    }
}

impl Question {
    /// The experiment that answers it.
    pub(super) fn experiment(self) -> Experiment {
        match self {
            Self::Tuning => Experiment::Tuning,
            Self::Layers | Self::Complexity => Experiment::Layers,
            Self::Batching => Experiment::Batching,
            Self::Timeline => Experiment::Timeline,
            Self::Engines => Experiment::Engines,
        }
    }
}

/// What the records say about a claim.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Measured values by the keys of the claim's figures.
    pub(super) measured: Vec<(&'static str, Option<f64>)>,
    pub(super) verdict: Verdict,
    /// Why, in a sentence with the numbers.
    pub(super) reason: String,
    pub(super) test: Test,
    /// Origin of the joules behind it; `None` if there are none.
    pub(super) origin: Option<Origin>,
    /// Data sets and sizes, in words.
    pub(super) data: String,
    pub(super) caveats: Vec<String>,
    /// How far each part of the verdict is from its limit, where repetitions can change that.
    pub(super) margins: Vec<Margin>,
}

/// A statistical test and the size of the effect.
#[derive(Clone, Debug, Default)]
pub(super) struct Test {
    /// Name of the test.
    pub(super) name: &'static str,
    pub(super) statistic: Option<f64>,
    pub(super) p: Option<f64>,
    /// Size of the effect, in the unit of the claim's effect.
    pub(super) effect: Option<f64>,
    /// 95 % interval of the effect.
    pub(super) ci95: Option<[f64; 2]>,
    /// Observations behind it.
    pub(super) n: usize,
}

impl Answer {
    /// Too few data for a test: inconclusive, and why.
    pub(super) fn too_little(n: usize, why: impl Into<String>) -> Self {
        Self {
            measured: Vec::new(),
            verdict: Verdict::Inconclusive,
            reason: why.into(),
            test: Test { name: "none: too little data", n, ..Test::default() },
            origin: None,
            data: "none".to_owned(),
            caveats: Vec::new(),
            margins: Vec::new(),
        }
    }
}

impl Claim {
    /// The claim's figure of this key.
    #[must_use]
    pub fn figure(&self, key: &str) -> Option<&'static ClaimFigure> {
        self.figures.iter().find(|figure| figure.key == key)
    }

    /// Tests the claim on observations.
    pub(super) fn finding(&self, observations: &Observations<'_>) -> Finding {
        let mut answer = (self.test)(observations);
        if let Some(looks) = observations.looks(self.question.experiment()) {
            answer.caveats.push(looks.in_words());
        }
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let measured = answer.measured.into_iter().map(|(key, value)| {
            debug_assert!(self.figure(key).is_some(), "{}: `{key}` is not declared", self.id);
            (key.to_owned(), finite(value))
        });
        let published = self
            .figures
            .iter()
            .filter_map(|figure| Some((figure.key.to_owned(), figure.published?)));
        let Test { name, statistic, p, effect, ci95, n } = answer.test;
        Finding {
            id: self.id.clone(),
            statement: self.statement.to_owned(),
            criterion: self.criterion.to_owned(),
            published: published.collect(),
            measured: measured.collect(),
            verdict: answer.verdict,
            reason: answer.reason,
            // JSON has no NaN, and a reader of `results.json` expects numbers.
            evidence: Evidence {
                test: name.to_owned(),
                statistic: finite(statistic),
                p: finite(p),
                effect: finite(effect),
                effect_name: self.effect.full_name(),
                ci95: ci95.filter(|ends| ends.iter().all(|end| end.is_finite())),
                n,
            },
            energy_origin: answer.origin,
            data: answer.data,
            caveats: answer.caveats,
        }
    }
}

impl Effect {
    /// Name and unit, as in `results.json`: `energy saved (share)`.
    fn full_name(&self) -> String {
        match self.unit.name() {
            "" => self.name.to_owned(),
            unit => format!("{} ({unit})", self.name),
        }
    }
}
