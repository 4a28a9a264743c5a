//! An energy never travels without its origin.

use std::ops::Add;

use serde::{Deserialize, Serialize};

use crate::{Joules, Seconds, Watts};

/// Where a joule comes from.
///
/// Adding energies of different origins gives [`Origin::Mixed`]: an estimate never passes for a
/// measurement by way of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Read from a sensor of the hardware.
    Measured,
    /// Computed by a model from something else that was observed, such as CPU time.
    Estimated,
    /// A sum with both kinds in it.
    Mixed,
}

impl Origin {
    /// The origin of a sum of two energies.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Mixed }
    }

    /// The word used in tables, plots and `results.json`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Estimated => "estimated",
            Self::Mixed => "mixed",
        }
    }
}

/// How a probe's readings became joules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Difference of an energy counter of the hardware.
    Counter,
    /// Power readings of the hardware, integrated over time.
    IntegratedPower,
    /// A model of the hardware; always [`Origin::Estimated`].
    Model,
}

impl Method {
    /// The word used on disk and in tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::IntegratedPower => "integrated-power",
            Self::Model => "model",
        }
    }

    /// The origin that follows from the method.
    #[must_use]
    pub fn origin(self) -> Origin {
        match self {
            Self::Counter | Self::IntegratedPower => Origin::Measured,
            Self::Model => Origin::Estimated,
        }
    }
}

/// An amount of energy with its 95 % uncertainty and its origin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {
    /// Best estimate, in joules.
    pub joules: Joules,
    /// Half-width of the 95 % interval, in joules.
    #[serde(rename = "uncertainty_j")]
    pub uncertainty: Joules,
    /// Measured, estimated, or both.
    pub origin: Origin,
}

impl Add for Energy {
    type Output = Self;

    /// Uncertainties add linearly: within a machine they are mostly systematic (one sensor's
    /// calibration, one model's coefficients), so they do not average out.
    fn add(self, other: Self) -> Self {
        Self {
            joules: self.joules + other.joules,
            uncertainty: self.uncertainty + other.uncertainty,
            origin: self.origin.and(other.origin),
        }
    }
}

impl Energy {
    /// Sums energies; `None` if there are none (absent is not zero).
    pub fn total(energies: impl IntoIterator<Item = Self>) -> Option<Self> {
        energies.into_iter().reduce(Add::add)
    }
}

/// The physical part that an energy covers. Domains nest; see `meter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// The whole machine, at the wall or the battery.
    System,
    /// The platform as Intel's psys counter sees it.
    Psys,
    /// A processor package.
    CpuPackage,
    /// The cores of a package.
    CpuCore,
    /// The uncore of a package (often an integrated GPU).
    CpuUncore,
    /// A die of a package.
    CpuDie,
    /// The share of the processor that this process (and its children) used.
    CpuProcess,
    /// Memory.
    Dram,
    /// A GPU board.
    Gpu,
    /// Anything a plugin names that the list above lacks.
    Other,
}

impl Domain {
    /// The word used on disk and in tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Psys => "psys",
            Self::CpuPackage => "cpu-package",
            Self::CpuCore => "cpu-core",
            Self::CpuUncore => "cpu-uncore",
            Self::CpuDie => "cpu-die",
            Self::CpuProcess => "cpu-process",
            Self::Dram => "dram",
            Self::Gpu => "gpu",
            Self::Other => "other",
        }
    }
}

/// The energy of one domain of one device over a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainEnergy {
    /// What is covered.
    pub domain: Domain,
    /// Which one: `package-0`, a GPU's UUID, ….
    pub device: String,
    /// The probe that read it.
    pub probe: String,
    /// Measured or estimated.
    pub origin: Origin,
    /// How readings became joules.
    pub method: Method,
    /// Energy over the span.
    pub joules: Joules,
    /// Mean power over the span; `None` for a span of no duration.
    #[serde(rename = "mean_w")]
    pub mean_power: Option<Watts>,
    /// Highest power between two samples; `None` with fewer than two.
    #[serde(rename = "peak_w")]
    pub peak_power: Option<Watts>,
    /// Half-width of the 95 % interval.
    #[serde(rename = "uncertainty_j")]
    pub uncertainty: Joules,
    /// Readings inside the span, its two ends included.
    pub samples: u64,
    /// Time within the span that no reading covers.
    #[serde(rename = "gap_s")]
    pub gap: Seconds,
    /// Whether this domain is part of the total; false for a part of another listed domain.
    pub in_total: bool,
}

impl DomainEnergy {
    /// The amount with its origin.
    #[must_use]
    pub fn energy(&self) -> Energy {
        Energy { joules: self.joules, uncertainty: self.uncertainty, origin: self.origin }
    }
}

/// A named stretch of work and what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanEnergy {
    /// Path of the span: `fit`, `fit/epoch-3`, `evaluate`, `plan`, ….
    pub name: String,
    /// Start, since the start of the run.
    #[serde(rename = "start_s")]
    pub start: Seconds,
    /// Length.
    #[serde(rename = "duration_s")]
    pub duration: Seconds,
    /// Energy over a disjoint cover of domains; `None` where nothing could be read or modelled.
    pub energy: Option<Energy>,
}

/// The energy of a run: its main span in full, its other spans in brief.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergyReport {
    /// The span that answers the question: `fit`, `serve` or `infer`.
    pub span: String,
    /// Energy of that span over a disjoint cover of domains; `None` where nothing was read.
    pub total: Option<Energy>,
    /// The same span, domain by domain.
    pub domains: Vec<DomainEnergy>,
    /// Every span of the run, the main one included, in order of their start.
    pub spans: Vec<SpanEnergy>,
}

impl EnergyReport {
    /// The span of that name.
    #[must_use]
    pub fn span_named(&self, name: &str) -> Option<&SpanEnergy> {
        self.spans.iter().find(|it| it.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn energy(joules: f64, origin: Origin) -> Energy {
        Energy { joules: Joules(joules), uncertainty: Joules(joules / 10.0), origin }
    }

    #[test]
    fn a_sum_with_an_estimate_in_it_is_not_measured() {
        let measured = energy(10.0, Origin::Measured);
        let estimated = energy(20.0, Origin::Estimated);
        assert_eq!((measured + measured).origin, Origin::Measured);
        assert_eq!((measured + estimated).origin, Origin::Mixed);
        assert_eq!((measured + estimated + estimated).origin, Origin::Mixed);
        assert_eq!(Energy::total([measured, estimated]).unwrap().joules, Joules(30.0));
    }

    #[test]
    fn nothing_sums_to_absent_and_not_to_zero() {
        assert_eq!(Energy::total([]), None);
    }
}
