//! The Software Carbon Intensity of the Green Software Foundation (ISO/IEC 21031:2024), with the
//! functional units and boundaries of its specification *SCI for AI*.
//!
//! The score is `(E × I + M) / R`: energy times the carbon intensity of the grid at that place, plus
//! embodied emissions of the hardware, divided by the number of functional units. The score needs `M`.
//! Where the user gives none, only the operational part is reported, and it is not called a score.

use std::fmt::Write as _;

use meter::carbon::Carbon;
use record::DomainEnergy;
use serde_json::{Value, json};
use units::limits::{FUNCTIONAL_UNITS, NAME_BYTES, OutOfRange};

use super::{OTHER_MACHINES, included, parts_left_out};

/// Whose score it is: *SCI for AI*, section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persona {
    /// Who uses a model; the boundary is the stage Runtime Operations.
    Consumer,
    /// Who makes a model; the boundary has the stages Data Engineering, Model Training, System
    /// Integration and End of Life.
    Provider,
}

impl Persona {
    fn word(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Provider => "provider",
        }
    }

    /// What the boundary includes and one measured command usually does not.
    fn stages_left_out(self) -> &'static str {
        match self {
            Self::Consumer => {
                "everything else of the stage Runtime Operations: interfaces, orchestration, \
                 monitoring, data and storage, and the users' devices, unless the measured command \
                 runs them"
            }
            Self::Provider => {
                "all else of the stages Data Engineering, Model Training (other runs, selection, \
                 evaluation), System Integration and End of Life, unless the measured command does it"
            }
        }
    }
}

/// The functional units of *SCI for AI*, section 8.
const UNITS: &[(&str, Persona, &str)] = &[
    ("token", Persona::Consumer, "large language models"),
    ("second", Persona::Consumer, "generation of video"),
    ("image", Persona::Consumer, "generation of images"),
    ("execution", Persona::Consumer, "agents"),
    ("page", Persona::Consumer, "recognition and analysis of text"),
    ("inference", Persona::Consumer, "classical machine learning"),
    ("parameter", Persona::Provider, "any model"),
    ("training-token", Persona::Provider, "any model"),
    ("flop", Persona::Provider, "any model"),
];

/// A number of functional units: `inference=1000`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FunctionalUnits {
    pub(crate) unit: String,
    pub(crate) count: f64,
}

/// Why a text is no number of functional units.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FunctionalUnitsError {
    #[error("expected UNIT=COUNT such as `inference=1000`, found `{0}`")]
    Form(String),
    #[error(transparent)]
    Count(#[from] OutOfRange),
}

impl FunctionalUnits {
    /// Parses `UNIT=COUNT`. A unit that is not of *SCI for AI* is allowed; the score is then one of
    /// SCI only.
    ///
    /// # Errors
    ///
    /// If there is no unit, or the count is not within its limit.
    pub(crate) fn parse(text: &str) -> Result<Self, FunctionalUnitsError> {
        let form = || FunctionalUnitsError::Form(text.to_owned());
        let (unit, count) = text.split_once('=').ok_or_else(form)?;
        let unit = unit.trim();
        if unit.is_empty() || unit.chars().any(char::is_control) {
            return Err(form());
        }
        NAME_BYTES.check(unit.len())?;
        Ok(Self { unit: unit.to_owned(), count: FUNCTIONAL_UNITS.parse(count)? })
    }

    /// Whose unit it is; `None` if *SCI for AI* has no such unit.
    pub(crate) fn persona(&self) -> Option<Persona> {
        UNITS.iter().find(|(unit, ..)| *unit == self.unit).map(|(_, persona, _)| *persona)
    }
}

/// A score, or its operational part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sci {
    units: FunctionalUnits,
    carbon: Carbon,
    energy_kwh: f64,
    /// Embodied emissions that belong to this measurement, in grams; `None` if nobody gave them.
    embodied_g: Option<f64>,
    included: Vec<String>,
    left_out: Vec<String>,
}

impl Sci {
    /// The score of an amount of carbon, which `domains` emitted. `embodied_g`: the part of the
    /// hardware's embodied emissions that belongs to this measurement.
    pub(crate) fn of(
        units: &FunctionalUnits,
        carbon: &Carbon,
        embodied_g: Option<f64>,
        domains: &[DomainEnergy],
    ) -> Self {
        let mut left_out = Vec::new();
        if embodied_g.is_none() {
            left_out.push(
                "embodied emissions (M): without them this is the operational part of a score, \
                 not a score; give them with `--embodied GRAMS`"
                    .to_owned(),
            );
        }
        let stages = units.persona().map(Persona::stages_left_out).map(str::to_owned);
        left_out.extend(stages);
        left_out.extend(parts_left_out(domains));
        left_out.push(OTHER_MACHINES.to_owned());
        if carbon.pue <= 1.0 {
            left_out.push("cooling and power distribution of a data center (`--pue`)".to_owned());
        }
        Self {
            units: units.clone(),
            carbon: carbon.clone(),
            energy_kwh: domains
                .iter()
                .filter(|energy| energy.in_total)
                .map(|energy| energy.joules.0 / JOULES_PER_KWH)
                .sum(),
            embodied_g,
            included: included(domains),
            left_out,
        }
    }

    /// `E × I / R`, in grams for each unit.
    pub(crate) fn operational(&self) -> f64 {
        self.carbon.grams / self.units.count
    }

    /// Half of the 95 % interval of [`Sci::operational`], and of the score.
    pub(crate) fn uncertainty(&self) -> f64 {
        self.carbon.uncertainty / self.units.count
    }

    /// `(E × I + M) / R`; `None` without `M`.
    pub(crate) fn score(&self) -> Option<f64> {
        Some((self.carbon.grams + self.embodied_g?) / self.units.count)
    }

    /// For documents.
    pub(crate) fn json(&self) -> Value {
        json!({
            "standard": self.standard(),
            "unit": self.units.unit,
            "count": self.units.count,
            "persona": self.units.persona().map(Persona::word),
            "score_g_per_unit": self.score(),
            "operational_g_per_unit": self.operational(),
            "uncertainty_g_per_unit": self.uncertainty(),
            "origin": self.carbon.origin,
            "energy_kwh": self.energy_kwh,
            "pue": self.carbon.pue,
            "intensity_g_per_kwh": self.carbon.intensity.grams_per_kwh,
            "intensity_scope": self.carbon.intensity.scope,
            "operational_g": self.carbon.grams,
            "embodied_g": self.embodied_g,
            "included": self.included,
            "left_out": self.left_out,
        })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let (unit, origin) = (&self.units.unit, self.carbon.origin.word());
        let mut text = match self.score() {
            Some(score) => format!(
                "  SCI: {} g CO2e ± {} per {unit} ({origin} energy)\n",
                short(score),
                short(self.uncertainty())
            ),
            None => format!(
                "  SCI: no score without embodied emissions; operational part: {} g CO2e ± {} per \
                 {unit} ({origin} energy)\n",
                short(self.operational()),
                short(self.uncertainty())
            ),
        };
        let _ = writeln!(text, "    left out: {}", self.left_out.join("; "));
        text
    }

    fn standard(&self) -> &'static str {
        match self.units.persona() {
            Some(_) => "SCI for AI (Green Software Foundation), ISO/IEC 21031:2024",
            None => "SCI, ISO/IEC 21031:2024 (SCI for AI does not define this unit)",
        }
    }
}

/// Four digits, with an exponent where that is shorter.
fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) {
        let digits = if value == 0.0 { 0 } else { 3 - value.abs().log10().floor() as i32 };
        format!("{value:.*}", usize::try_from(digits).unwrap_or(0))
    } else {
        format!("{value:.3e}")
    }
}

const JOULES_PER_KWH: f64 = 3.6e6;

#[cfg(test)]
mod tests {
    use meter::carbon::Intensity;
    use record::{Domain, Energy, Joules, Method, Origin};

    use super::*;
    use crate::disclosure::examples::energy;

    fn carbon(kwh: f64, grams_per_kwh: f64) -> Carbon {
        let energy = Energy {
            joules: Joules(kwh * JOULES_PER_KWH),
            uncertainty: Joules(kwh * JOULES_PER_KWH / 100.0),
            origin: Origin::Measured,
        };
        let intensity = Intensity {
            grams_per_kwh,
            uncertainty: None,
            scope: "a test".to_owned(),
            source: "a test".to_owned(),
        };
        intensity.weigh(&energy, 1.0).unwrap()
    }

    /// Sizes as in the examples of the specification: 6,500 kg for 50 billion tokens are 0.13 g per
    /// thousand tokens, 3,200 kg for 40 million inferences are 0.08 g each.
    #[test]
    fn a_score_is_carbon_per_functional_unit() {
        let package = [energy(Domain::CpuPackage, Method::Counter, 1.0)];
        for (unit, count, operational_kg, embodied_kg, expected_g) in [
            ("token", 50e9, 5_000.0, 1_500.0, 0.13e-3),
            ("inference", 40e6, 3_200.0, 0.0, 0.08),
            ("parameter", 2.5e9, 75_000.0, 0.0, 0.03),
            ("flop", 5e22, 180_000.0, 20_000.0, 4e-15),
        ] {
            let units = FunctionalUnits { unit: unit.to_owned(), count };
            let carbon = carbon(operational_kg * 1e3 / 400.0, 400.0);
            let sci = Sci::of(&units, &carbon, Some(embodied_kg * 1e3), &package);
            assert!((sci.score().unwrap() / expected_g - 1.0).abs() < 1e-9, "{unit}");
        }
    }

    #[test]
    fn without_embodied_emissions_there_is_no_score() {
        let units = FunctionalUnits::parse("inference=1000").unwrap();
        let package = [energy(Domain::CpuPackage, Method::Counter, 1.0)];
        let sci = Sci::of(&units, &carbon(1.0, 250.0), None, &package);
        let json = sci.json();
        assert_eq!((sci.score(), json["score_g_per_unit"].is_null()), (None, true));
        let per_unit = json["operational_g_per_unit"].as_f64().unwrap();
        assert!((per_unit - 0.25).abs() < 1e-12, "{per_unit}");
        assert_eq!(
            (json["persona"].as_str(), (sci.uncertainty() * 1e6).round()),
            (Some("consumer"), 2500.0)
        );
        let text = sci.text();
        assert!(text.contains("no score") && text.contains("0.2500 g CO2e ± 0.002500"), "{text}");
        assert!(json["left_out"][0].as_str().unwrap().contains("--embodied"), "{json}");
    }

    #[test]
    fn units_are_named_and_counted() {
        let persona = |text: &str| FunctionalUnits::parse(text).unwrap().persona();
        assert_eq!(persona("token=5e9"), Some(Persona::Consumer));
        assert_eq!(persona("training-token=5e9"), Some(Persona::Provider));
        assert_eq!(persona("request=7"), None);
        for bad in ["", "token", "=3", "token=0", "token=-1", "token=nan", "token=inf", "a\nb=1"] {
            assert!(FunctionalUnits::parse(bad).is_err(), "{bad}");
        }
    }
}
