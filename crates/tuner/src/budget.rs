//! When a study ends.

use serde::Deserialize;
use units::limits;

use crate::{
    error::{TunerError, check},
    study::OpenStudy,
};

/// What a study may spend. The study ends when any part of it is used up. Failed and stopped trials
/// count, and so does the search itself.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Trials, each counted once however often a pruner resumes it. Trials that were evaluated
    /// elsewhere do not count.
    trials: Option<u32>,
    /// Energy in joules.
    joules: Option<f64>,
    /// Time in seconds.
    seconds: Option<f64>,
    /// Grams of CO2 equivalent, at `grams_per_kwh`.
    grams: Option<f64>,
    /// Carbon intensity of the electricity.
    grams_per_kwh: Option<f64>,
    /// Ends the study when the next trial is expected to improve the objective by less than this per
    /// kilojoule.
    least_gain_per_kj: Option<f64>,
    /// Ends the study when a completed trial's first metric is as good as this.
    target: Option<f64>,
    /// Ends the study after this many trials with a value in a row that were not better than the best
    /// before them.
    patience: Option<u32>,
}

const JOULES_PER_KWH: f64 = 3.6e6;

impl Budget {
    pub(crate) fn check(&self) -> Result<(), TunerError> {
        let ends = self.trials.is_some()
            || [self.joules, self.seconds, self.grams].iter().any(Option::is_some);
        check(ends, || {
            "`budget` has no end; give `trials`, `joules`, `seconds` or `grams`".to_owned()
        })?;
        if let Some(trials) = self.trials {
            limits::TRIALS.check(trials).map_err(|error| error.of_key("budget.trials"))?;
        }
        if let Some(patience) = self.patience {
            limits::TRIALS.check(patience).map_err(|error| error.of_key("budget.patience"))?;
        }
        if let Some(target) = self.target {
            limits::FINITE.check(target).map_err(|error| error.of_key("budget.target"))?;
        }
        for (key, value) in [
            ("joules", self.joules),
            ("seconds", self.seconds),
            ("grams", self.grams),
            ("grams_per_kwh", self.grams_per_kwh),
            ("least_gain_per_kj", self.least_gain_per_kj),
        ] {
            let Some(value) = value else { continue };
            check(value > 0.0 && value.is_finite(), || {
                format!("`budget.{key}` is {value}, expected a finite number above 0")
            })?;
        }
        let has_seconds_alone = self.seconds.is_some() && self.joules().is_none();
        check(self.least_gain_per_kj.is_none() || !has_seconds_alone, || {
            "`budget.least_gain_per_kj` needs a budget of energy, and this one has `seconds`; give \
             `joules`"
                .to_owned()
        })?;
        check(self.grams.is_none() || self.grams_per_kwh.is_some(), || {
            "`budget.grams` needs `grams_per_kwh`, the carbon intensity of the electricity"
                .to_owned()
        })
    }

    /// The joules that may be spent, given as such or as grams; `None` if neither is limited.
    #[must_use]
    pub fn joules(&self) -> Option<f64> {
        let grams = self.grams.zip(self.grams_per_kwh);
        let grams = grams.map(|(grams, per_kwh)| grams / per_kwh * JOULES_PER_KWH);
        match (self.joules, grams) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The seconds that may be spent; `None` if they are not limited, or joules are limited too.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        self.seconds.filter(|_| self.joules().is_none())
    }

    /// The seconds that are left of a budget of seconds; `None` if they are not limited.
    #[must_use]
    pub fn seconds_left(&self, study: &OpenStudy) -> Option<f64> {
        let spent = study.spent_by_trials().plus(study.spent_by_search());
        self.seconds.map(|most| (most - spent.seconds).clamp(0.0, limits::DURATION_S.max()))
    }

    /// Why the next trial is not worth its joules; `None` if it is, or that is not known.
    ///
    /// # Errors
    ///
    /// If the sampler has no more trials.
    pub fn not_worth_it(&self, study: &OpenStudy) -> Result<Option<String>, TunerError> {
        let Some(least) = self.least_gain_per_kj else { return Ok(None) };
        let gain = study.gain_per_kj()?.filter(|gain| *gain < least);
        Ok(gain.map(|gain| {
            format!("the expected gain of the next trial is {gain:.3e} per kJ, less than {least}")
        }))
    }

    /// Why no further trial is started, in words; `None` if one may be. Paused trials still go on
    /// where a pruner lets them.
    #[must_use]
    pub fn no_more_trials(&self, study: &OpenStudy) -> Option<String> {
        let (most, started) = (self.trials?, study.started());
        (started >= most && study.would_start())
            .then(|| format!("the budget's trials are used up: {started} of {most}"))
    }

    /// Why the results end the study, in words; `None` if they do not.
    #[must_use]
    pub fn good_enough(&self, study: &OpenStudy) -> Option<String> {
        let better = |a: f64, b: f64| if study.minimizes() { a < b } else { a > b };
        let progress = study.progress();
        let values = || progress.iter().filter_map(|point| Some((point.number, point.value?)));
        if let Some(target) = self.target
            && let Some((trial, value)) = values().find(|(_, value)| !better(target, *value))
        {
            return Some(format!("trial {trial} gave {value}, which reaches the target {target}"));
        }
        let patience = self.patience? as usize;
        let (mut best, mut since) = (None, 0);
        for (_, value) in values() {
            if best.is_none_or(|best| better(value, best)) {
                (best, since) = (Some(value), 0);
            } else {
                since += 1;
            }
        }
        (since >= patience)
            .then(|| format!("the last {since} trials with a value were not better than the best"))
    }

    /// Which part of the budget is used up, in words; `None` if none is.
    #[must_use]
    pub fn used_up(&self, study: &OpenStudy) -> Option<String> {
        let spent = study.spent_by_trials().plus(study.spent_by_search());
        let joules = spent.joules.unwrap_or(0.0);
        let grams = joules / JOULES_PER_KWH * self.grams_per_kwh.unwrap_or(0.0);
        let parts = [
            ("joules", joules, self.joules),
            ("seconds", spent.seconds, self.seconds),
            ("grams", grams, self.grams),
        ];
        let used = parts.into_iter().find(|(_, used, most)| most.is_some_and(|most| *used >= most));
        used.map(|(name, used, most)| {
            let most = most.unwrap_or_default();
            format!("the budget's {name} are used up: {used:.6} of {most}")
        })
    }
}
