//! What a study may spend.

use anyhow::ensure;
use serde::Deserialize;

use crate::command::tune::open::Open;

/// The study ends when any of these is used up; failed and stopped trials and the search count.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    /// Trials, or legs of training in a study with a pruner.
    trials: Option<u32>,
    joules: Option<f64>,
    seconds: Option<f64>,
    /// Of CO2 equivalent, at `grams_per_kwh`.
    grams: Option<f64>,
    grams_per_kwh: Option<f64>,
    /// Of the objective: the study ends when the next trial is expected to gain less for a kilojoule.
    least_gain_per_kj: Option<f64>,
}

const JOULES_PER_KWH: f64 = 3.6e6;

impl Budget {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let any = self.trials.is_some()
            || [self.joules, self.seconds, self.grams].iter().any(Option::is_some);
        ensure!(any, "`budget` has no end; give `trials`, `joules`, `seconds` or `grams`");
        ensure!(self.trials != Some(0), "`budget.trials` is 0; give at least 1");
        let all = [
            ("joules", self.joules),
            ("seconds", self.seconds),
            ("grams", self.grams),
            ("grams_per_kwh", self.grams_per_kwh),
            ("least_gain_per_kj", self.least_gain_per_kj),
        ];
        for (name, value) in all {
            ensure!(
                value.is_none_or(|it| it > 0.0 && it.is_finite()),
                "`budget.{name}` is {}; give a number above 0",
                value.unwrap_or_default()
            );
        }
        ensure!(
            self.least_gain_per_kj.is_none() || self.seconds.is_none() || self.joules().is_some(),
            "`budget.least_gain_per_kj` is a matter of joules, and the budget one of seconds; \
             give `joules`"
        );
        ensure!(
            self.grams.is_none() || self.grams_per_kwh.is_some(),
            "`budget.grams` needs `grams_per_kwh`, what the grid emits for a kilowatt-hour"
        );
        Ok(())
    }

    /// The most joules, by themselves or as grams.
    pub(super) fn joules(&self) -> Option<f64> {
        let grams = self.grams.zip(self.grams_per_kwh);
        let grams = grams.map(|(grams, per_kwh)| grams / per_kwh * JOULES_PER_KWH);
        match (self.joules, grams) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The most seconds, if nothing limits joules.
    pub(super) fn seconds(&self) -> Option<f64> {
        self.seconds.filter(|_| self.joules().is_none())
    }

    /// Why the next trial is not worth its joules, in words.
    pub(super) fn not_worth_it(&self, open: &Open) -> anyhow::Result<Option<String>> {
        let Some(least) = self.least_gain_per_kj else { return Ok(None) };
        let gain = open.gain_per_kj()?.filter(|it| *it < least);
        Ok(gain.map(|gain| {
            format!(
                "the next trial is expected to gain {gain:.3e} for a kilojoule, less than {least}"
            )
        }))
    }

    /// Which part is used up, in words.
    pub(super) fn used_up(&self, open: &Open) -> Option<String> {
        let spent = open.spent_by_trials().plus(open.spent_by_search());
        let joules = spent.joules.unwrap_or(0.0);
        let grams = joules / JOULES_PER_KWH * self.grams_per_kwh.unwrap_or(0.0);
        let parts = [
            ("trials", f64::from(open.told()), self.trials.map(f64::from)),
            ("joules", joules, self.joules),
            ("seconds", spent.seconds, self.seconds),
            ("grams", grams, self.grams),
        ];
        let used = parts.into_iter().find(|(_, used, most)| most.is_some_and(|it| *used >= it));
        used.map(|(name, used, most)| {
            let most = most.unwrap_or_default();
            if name == "trials" {
                return format!("the budget's trials are used up: {used} of {most}");
            }
            format!("the budget's {name} are used up: {used:.6} of {most}")
        })
    }
}
