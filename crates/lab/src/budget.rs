//! A study's budget: how much time or energy its runs may use, and when it looks at its verdicts.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::output;

/// How much the runs of a study may use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StudyBudget {
    /// Time of the runs, in seconds.
    Seconds(f64),
    /// Energy of the runs' main spans, in joules, measured or estimated.
    Joules(f64),
}

/// The text is no budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a budget, expected a number above 0 and a unit of time (s, min, h, d) or of energy (J, kJ, \
     MJ, Wh, kWh), such as `5min` or `20kJ`"
)]
pub struct InvalidBudget {
    text: String,
}

/// The units with their size in seconds or joules.
const TIMES: [(&str, f64); 4] = [("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86_400.0)];
const ENERGIES: [(&str, f64); 5] =
    [("J", 1.0), ("kJ", 1e3), ("MJ", 1e6), ("Wh", 3600.0), ("kWh", 3.6e6)];
/// More than the longest study: about thirty years, or a petajoule.
const MOST: f64 = 1e15;

impl FromStr for StudyBudget {
    type Err = InvalidBudget;

    fn from_str(text: &str) -> Result<Self, InvalidBudget> {
        let invalid = || InvalidBudget { text: text.chars().take(40).collect() };
        let text = text.trim();
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(invalid)?;
        let (number, unit) = text.split_at(unit_at);
        let number: f64 = number.trim().parse().map_err(|_| invalid())?;
        let of = |units: &[(&str, f64)]| {
            let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
            Some(number * size).filter(|value| *value > 0.0 && *value < MOST)
        };
        let time = of(&TIMES).map(Self::Seconds);
        time.or_else(|| of(&ENERGIES).map(Self::Joules)).ok_or_else(invalid)
    }
}

impl TryFrom<String> for StudyBudget {
    type Error = InvalidBudget;

    fn try_from(text: String) -> Result<Self, InvalidBudget> {
        text.parse()
    }
}

impl From<StudyBudget> for String {
    fn from(budget: StudyBudget) -> Self {
        match budget {
            StudyBudget::Seconds(seconds) => format!("{seconds}s"),
            StudyBudget::Joules(joules) => format!("{joules}J"),
        }
    }
}

impl fmt::Display for StudyBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => f.write_str(&output::human(
                Duration::try_from_secs_f64(*seconds).unwrap_or_default(),
            )),
            Self::Joules(joules) => f.write_str(&output::joules(*joules)),
        }
    }
}

/// The numbers of repetitions after which an experiment with this many repetitions at most looks at its verdicts: at
/// most four, each about one and a half times the one before it, and none below `fewest`.
pub(crate) fn looks(repetitions: u32, fewest: u32) -> Vec<u32> {
    let mut looks = vec![repetitions];
    while let Some(first) = looks.first().copied()
        && looks.len() < 4
    {
        let before = first * 2 / 3;
        if before < fewest || before == first {
            break;
        }
        looks.insert(0, before);
    }
    looks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_times_or_energies() {
        let of = |text: &str| text.parse::<StudyBudget>();
        assert_eq!(of("5min"), Ok(StudyBudget::Seconds(300.0)));
        assert_eq!(of("1.5 h"), Ok(StudyBudget::Seconds(5400.0)));
        assert_eq!(of("20kJ"), Ok(StudyBudget::Joules(20_000.0)));
        assert_eq!(of("1Wh"), Ok(StudyBudget::Joules(3600.0)));
        for bad in
            ["", "5", "min", "-1h", "0s", "nanmin", "inf h", "1e300h", "5 minutes", "5m", "1e3"]
        {
            assert!(of(bad).is_err(), "{bad}");
        }
        let round: StudyBudget = String::from(StudyBudget::Seconds(90.0)).parse().unwrap();
        assert_eq!(round, StudyBudget::Seconds(90.0));
    }

    #[test]
    fn looks_grow_by_a_half_and_end_with_all_repetitions() {
        assert_eq!(looks(18, 3), [5, 8, 12, 18]);
        assert_eq!(looks(12, 3), [3, 5, 8, 12]);
        assert_eq!(looks(5, 3), [3, 5]);
        assert_eq!(looks(3, 3), [3]);
        assert_eq!(looks(1, 3), [1]);
        assert_eq!(looks(100, 2), [29, 44, 66, 100]);
    }
}
