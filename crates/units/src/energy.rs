//! Energies with their uncertainty and their origin.

use std::ops::Add;

use serde::{Deserialize, Serialize};

use crate::{Joules, Seconds, Watts};

/// Whether an energy was measured or estimated.
///
/// The sum of energies with different origins is [`Origin::Mixed`], so that a sum cannot turn an
/// estimate into a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Measured by a sensor.
    Measured,
    /// Estimated by a model from something else, such as CPU time.
    Estimated,
    /// A sum of measured and estimated energies.
    Mixed,
}

impl Origin {
    /// The origin of a sum of two energies.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Mixed }
    }

    /// The name on disk and in tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Estimated => "estimated",
            Self::Mixed => "mixed",
        }
    }
}

/// How readings were turned into joules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// The difference of two readings of an energy counter.
    Counter,
    /// Readings of a power sensor, integrated over time.
    IntegratedPower,
    /// A model; the origin is [`Origin::Estimated`].
    Model,
}

impl Method {
    /// The name on disk and in tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::IntegratedPower => "integrated-power",
            Self::Model => "model",
        }
    }

    /// The origin of energies obtained by this method.
    #[must_use]
    pub fn origin(self) -> Origin {
        match self {
            Self::Counter | Self::IntegratedPower => Origin::Measured,
            Self::Model => Origin::Estimated,
        }
    }
}

/// An amount of energy with its uncertainty and its origin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {
    /// Best estimate, in joules.
    pub joules: Joules,
    /// Half-width of the 95 % confidence interval, in joules.
    #[serde(rename = "uncertainty_j")]
    pub uncertainty: Joules,
    /// Whether it was measured or estimated.
    pub origin: Origin,
}

impl Add for Energy {
    type Output = Self;

    /// Uncertainties add linearly: within one machine they are mostly systematic (the calibration of a
    /// sensor, the coefficients of a model), so they do not average out.
    fn add(self, other: Self) -> Self {
        Self {
            joules: self.joules + other.joules,
            uncertainty: self.uncertainty + other.uncertainty,
            origin: self.origin.and(other.origin),
        }
    }
}

impl Energy {
    /// The sum of energies; `None` without any, because an unknown energy is not 0 J.
    pub fn total(energies: impl IntoIterator<Item = Self>) -> Option<Self> {
        energies.into_iter().reduce(Add::add)
    }
}

/// The part of a machine that an energy covers. Domains can contain each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Domain {
    /// The whole machine, measured at the wall socket or the battery.
    System,
    /// The platform, as Intel's psys counter measures it.
    Psys,
    /// A processor package.
    CpuPackage,
    /// The cores of a package.
    CpuCore,
    /// The uncore of a package, often its integrated GPU.
    CpuUncore,
    /// A die of a package.
    CpuDie,
    /// The part of the processor that this process and its children used.
    CpuProcess,
    /// The memory.
    Dram,
    /// A GPU board.
    Gpu,
    /// Any other part that a plugin measures.
    Other,
}

impl Domain {
    /// The name on disk and in tables.
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

/// The energy of one domain of one device during a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainEnergy {
    /// The part of the machine.
    pub domain: Domain,
    /// The device: `package-0`, the UUID of a GPU, ….
    pub device: String,
    /// The probe that was read.
    pub probe: String,
    /// Whether the energy was measured or estimated.
    pub origin: Origin,
    /// How readings were turned into joules.
    pub method: Method,
    /// Energy during the span.
    pub joules: Joules,
    /// Mean power during the span; `None` if the span has no duration.
    #[serde(rename = "mean_w")]
    pub mean_power: Option<Watts>,
    /// Highest power between two samples; `None` with fewer than two samples.
    #[serde(rename = "peak_w")]
    pub peak_power: Option<Watts>,
    /// Half-width of the 95 % confidence interval.
    #[serde(rename = "uncertainty_j")]
    pub uncertainty: Joules,
    /// Number of readings in the span, including those at its two ends.
    pub samples: u64,
    /// Time within the span that no readings cover.
    #[serde(rename = "gap_s")]
    pub gap: Seconds,
    /// Whether the total contains this domain; false if another domain in the list contains it.
    pub in_total: bool,
}

impl DomainEnergy {
    /// The energy with its uncertainty and origin.
    #[must_use]
    pub fn energy(&self) -> Energy {
        Energy { joules: self.joules, uncertainty: self.uncertainty, origin: self.origin }
    }
}

/// The energy of a span, a named interval of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanEnergy {
    /// Name of the span, a path such as `fit`, `fit/epoch-3`, `evaluate` or `plan`.
    pub name: String,
    /// Start of the span, since the start of the run.
    #[serde(rename = "start_s")]
    pub start: Seconds,
    /// Duration of the span.
    #[serde(rename = "duration_s")]
    pub duration: Seconds,
    /// Energy of the domains that do not overlap; `None` if nothing was measured or estimated.
    pub energy: Option<Energy>,
}

/// The energy of a run: its main span with all domains, its other spans as totals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergyReport {
    /// Name of the main span, which the run is about: `fit`, `serve` or `infer`.
    pub span: String,
    /// Energy of the main span over the domains that do not overlap; `None` if nothing was measured or
    /// estimated.
    pub total: Option<Energy>,
    /// Energy of the main span by domain.
    pub domains: Vec<DomainEnergy>,
    /// All spans of the run with the main span, in the order of their starts.
    pub spans: Vec<SpanEnergy>,
}

impl EnergyReport {
    /// The span with that name; `None` if there is none.
    #[must_use]
    pub fn span_named(&self, name: &str) -> Option<&SpanEnergy> {
        self.spans.iter().find(|span| span.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn energy(joules: f64, origin: Origin) -> Energy {
        Energy { joules: Joules(joules), uncertainty: Joules(joules / 10.0), origin }
    }

    #[test]
    fn a_sum_that_contains_an_estimate_is_not_measured() {
        let measured = energy(10.0, Origin::Measured);
        let estimated = energy(20.0, Origin::Estimated);
        assert_eq!((measured + measured).origin, Origin::Measured);
        assert_eq!((measured + estimated).origin, Origin::Mixed);
        assert_eq!((measured + estimated + estimated).origin, Origin::Mixed);
        assert_eq!(Energy::total([measured, estimated]).unwrap().joules, Joules(30.0));
    }

    #[test]
    fn the_sum_of_no_energies_is_none() {
        assert_eq!(Energy::total([]), None);
    }
}
