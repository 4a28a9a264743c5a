//! What makes a comparison doubtful, or ended it before it was precise.

use record::{Origin, Warning, WarningKind};

use super::{Comparison, End, HOPELESS, doubts};
use crate::command::measure::{
    gathered::gathered,
    repeat::{Session, Stop},
};

impl Comparison {
    /// The warnings of the runs, of the comparison, and of its end.
    pub(super) fn warnings(&self, session: &Session<'_>, stop: Option<&Stop>) -> Vec<Warning> {
        let runs = self.runs.iter().flatten();
        let mut warnings = gathered(runs.map(|run| run.report.warnings.as_slice()));
        for (name, runs) in ["A", "B"].into_iter().zip(&self.runs) {
            let totals = runs.iter().map(|run| run.report.total.map(|total| total.joules.0));
            let totals: Option<Vec<f64>> = totals.collect();
            warnings.extend(doubts(name, &totals.unwrap_or_default()));
        }
        let mut totals = self.summaries.iter().filter_map(|summary| summary.total);
        if totals.any(|total| total.origin != Origin::Measured) {
            let text = "the ratio is one of estimates, not of measured energies: a model sees CPU time, \
                        and not what the instructions do";
            warnings.push(Warning::new(WarningKind::EstimatedEnergy, text));
        }
        warnings.extend(self.end_warning());
        warnings.extend(session.warnings());
        warnings.extend(stop.and_then(Stop::warning));
        warnings
    }

    /// That the comparison did not end as it should.
    fn end_warning(&self) -> Option<Warning> {
        let (kind, text) = match self.end {
            End::Runs | End::Time => {
                let limit = if self.end == End::Runs { "--max-runs" } else { "--max-time" };
                let text = format!(
                    "stopped by `{limit}` after {} rounds, before the interval of the ratio was at \
                     most {:.2} % wide",
                    self.first.len(),
                    self.limits.precision * 100.0
                );
                (WarningKind::Imprecise, text)
            }
            End::NoEnergy => {
                let text = format!(
                    "stopped after {HOPELESS} rounds in a row without a ratio: the energy of a command \
                     is absent or 0 J; it may be too short for the sensor"
                );
                (WarningKind::NoEnergy, text)
            }
            End::Precise => {
                let [low, high] = self.energy?.ci95?;
                let text = "every round had the same ratio, so the sensor's resolution hides how much \
                            runs vary";
                (low == high).then_some((WarningKind::BelowResolution, text.to_owned()))?
            }
            End::Early => return None,
        };
        Some(Warning::new(kind, text))
    }
}
