//! What makes energies of repeated runs doubtful: drift and outliers.

use record::{Warning, WarningKind};
use report::stats;

/// The fewest runs that can show a drift.
const RUNS_FOR_DRIFT: usize = 10;
/// A warning of drift needs a rank correlation with at most this p-value, and of at least this size.
const DRIFT_P: f64 = 0.005;
const DRIFT_CORRELATION: f64 = 0.5;
/// The fewest runs that can show an outlier.
const RUNS_FOR_OUTLIERS: usize = 6;
/// An outlier is this many robust standard deviations away from the median.
const OUTLIER: f64 = 5.0;
/// The standard deviation of normal values divided by their median absolute deviation, and by their mean
/// absolute deviation (Iglewicz, Hoaglin: *How to detect and handle outliers*, 1993).
const OF_MEDIAN: f64 = 1.4826;
const OF_MEAN: f64 = 1.2533;

/// The doubts about the energies of a command, in the order in which it ran.
pub(in super::super) fn doubts(name: &str, joules: &[f64]) -> Vec<Warning> {
    drift(name, joules).into_iter().chain(outliers(name, joules)).collect()
}

/// Energies that rise or fall from run to run.
fn drift(name: &str, joules: &[f64]) -> Option<Warning> {
    if joules.len() < RUNS_FOR_DRIFT {
        return None;
    }
    let order: Vec<f64> = (0..joules.len()).map(|at| at as f64).collect();
    let found = stats::spearman(&order, joules).ok()?;
    if found.p > DRIFT_P || found.rho.abs() < DRIFT_CORRELATION {
        return None;
    }
    let third = joules.len() / 3;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let change = mean(&joules[joules.len() - third..]) / mean(&joules[..third]) - 1.0;
    let way = if found.rho > 0.0 { "rose" } else { "fell" };
    let text = format!(
        "{name}: the energy {way} from run to run, by {:.1} % from the first third to the last (rank \
         correlation {:.2}); let the machine warm up (`--warmup`) or rest (`--rest`)",
        change.abs() * 100.0,
        found.rho
    );
    Some(Warning::new(WarningKind::Drift, text))
}

/// Energies far from the others.
fn outliers(name: &str, joules: &[f64]) -> Option<Warning> {
    let far = far(joules);
    let first = far.first()?;
    let text = if far == [0] {
        format!(
            "{name}: the first run used {:.3} J, far from the others; start with warm caches \
             (`--warmup 1`) or reset them before each run (`--prepare`)",
            joules[0]
        )
    } else {
        format!(
            "{name}: {} of {} runs used far more or less energy than the others (run {}: {:.3} J); \
             other programs may have disturbed them",
            far.len(),
            joules.len(),
            first + 1,
            joules[*first]
        )
    };
    Some(Warning::new(WarningKind::Outlier, text))
}

/// The positions of outliers.
fn far(values: &[f64]) -> Vec<usize> {
    let (true, Ok(center)) = (values.len() >= RUNS_FOR_OUTLIERS, stats::median(values)) else {
        return Vec::new();
    };
    let distances: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
    let scale = match stats::median(&distances) {
        Ok(median) if median > 0.0 => OF_MEDIAN * median,
        // More than half of the values are equal.
        _ => OF_MEAN * distances.iter().sum::<f64>() / distances.len() as f64,
    };
    // A scale of 0 means that no value differs.
    let is_far = |at: &usize| distances[*at] > OUTLIER * scale;
    (0..values.len()).filter(is_far).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(joules: &[f64]) -> Vec<WarningKind> {
        doubts("A", joules).iter().map(|warning| warning.kind).collect()
    }

    /// 30 energies around 20 J that neither drift nor stand out.
    fn usual() -> Vec<f64> {
        (0..30).map(|at| 20.0 + 0.1 * f64::from(at * 7 % 11 - 5)).collect()
    }

    #[test]
    fn usual_energies_leave_no_doubt() {
        assert_eq!(kinds(&usual()), []);
        assert_eq!(kinds(&[20.0; 30]), []);
        assert_eq!(kinds(&[]), []);
    }

    #[test]
    fn a_drift_is_told() {
        let rising: Vec<f64> =
            usual().iter().enumerate().map(|(at, joules)| joules + 0.05 * at as f64).collect();
        assert_eq!(kinds(&rising), [WarningKind::Drift]);
        assert!(doubts("A", &rising)[0].text.contains("rose"));
        let falling: Vec<f64> = rising.iter().rev().copied().collect();
        assert!(doubts("A", &falling)[0].text.contains("fell"));
    }

    #[test]
    fn outliers_are_told() {
        let mut energies = usual();
        energies[0] = 40.0;
        assert!(doubts("A", &energies)[0].text.contains("the first run used 40.000 J"));
        energies[0] = 20.0;
        energies[17] = 40.0;
        assert!(doubts("A", &energies)[0].text.contains("run 18: 40.000 J"));
        // A counter with coarse steps shows most runs as equal.
        let mut equal = vec![20.0; 30];
        equal[4] = 25.0;
        assert_eq!(kinds(&equal), [WarningKind::Outlier]);
    }
}
