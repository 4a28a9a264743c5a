//! Fits a model of a processor to energies that a sensor measured.

use units::{Joules, Seconds, Watts};

use super::Estimator;

/// A measured stretch of work: CPU time of the whole machine, length, and energy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnergyObservation {
    /// CPU time of all processes.
    pub cpu: Seconds,
    /// Length.
    pub duration: Seconds,
    /// Energy that the sensor measured.
    pub joules: Joules,
}

/// A fitted model and the machine's idle power.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedEstimator {
    /// The power of a busy core above idle.
    pub estimator: Estimator,
    /// The idle power.
    pub idle: Watts,
}

/// The 97.5 % quantile of Student's t distribution by the Cornish–Fisher expansion about the normal
/// quantile (Abramowitz and Stegun, 26.7.5). Exact for 1 and 2 degrees of freedom, within 0.5 % for
/// more.
fn quantile(freedom: usize) -> f64 {
    const NORMAL: f64 = 1.959_963_984_540_054;
    let n = freedom as f64;
    let z = NORMAL;
    match freedom {
        0 => f64::INFINITY,
        1 => 12.706_204_736,
        2 => 4.302_652_730,
        _ => {
            z + (z.powi(3) + z) / (4.0 * n)
                + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n.powi(2))
                + (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z)
                    / (384.0 * n.powi(3))
                + (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5)
                    - 1920.0 * z.powi(3)
                    - 945.0 * z)
                    / (92_160.0 * n.powi(4))
        }
    }
}

impl Estimator {
    /// Fits energy = idle power × duration + power per busy core × CPU time by least squares. `None`
    /// for fewer than four observations, or if their loads do not differ.
    ///
    /// The relative uncertainty is half of a 95 % interval of the power per core (Student's t). It
    /// holds for work of the same kind, because another mix of instructions draws another power.
    #[must_use]
    pub fn fit(seen: &[EnergyObservation]) -> Option<FittedEstimator> {
        if seen.len() < 4 {
            return None;
        }
        let sum = |term: &dyn Fn(&EnergyObservation) -> f64| seen.iter().map(term).sum::<f64>();
        let (tt, tc) =
            (sum(&|seen| seen.duration.0.powi(2)), sum(&|seen| seen.duration.0 * seen.cpu.0));
        let cc = sum(&|seen| seen.cpu.0.powi(2));
        let (te, ce) =
            (sum(&|seen| seen.duration.0 * seen.joules.0), sum(&|seen| seen.cpu.0 * seen.joules.0));
        let determinant = tt * cc - tc * tc;
        // Observations of equal load cannot separate idle power from power per core.
        if determinant.is_nan() || determinant <= 1e-6 * tt * cc {
            return None;
        }
        let idle = (te * cc - ce * tc) / determinant;
        let core = (ce * tt - te * tc) / determinant;
        let rest =
            sum(&|seen| (seen.joules.0 - idle * seen.duration.0 - core * seen.cpu.0).powi(2));
        let error = (rest / (seen.len() - 2) as f64 * tt / determinant).sqrt();
        (core > 0.0).then(|| FittedEstimator {
            estimator: Self {
                watts_per_core: Watts(core),
                relative_uncertainty: quantile(seen.len() - 2) * error / core,
                described: format!("fitted to {} measured stretches of work", seen.len()),
                children: false,
            },
            idle: Watts(idle),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_coefficients_of_exact_data_are_found(idle in 1.0_f64..200.0, core in 1.0_f64..30.0) {
            let seen: Vec<EnergyObservation> = (0..8)
                .map(|step| {
                    let (cpu, duration) = (f64::from(step) * 0.7, 1.0 + f64::from(step % 3));
                    let joules = Joules(idle * duration + core * cpu);
                    EnergyObservation { cpu: Seconds(cpu), duration: Seconds(duration), joules }
                })
                .collect();
            let found = Estimator::fit(&seen).unwrap();
            prop_assert!((found.idle.0 - idle).abs() < 1e-6 * idle);
            prop_assert!((found.estimator.watts_per_core.0 - core).abs() < 1e-6 * core);
            prop_assert!(found.estimator.relative_uncertainty < 1e-3);
        }
    }

    #[test]
    fn quantiles_agree_with_r() {
        // R: qt(0.975, c(2, 3, 5, 10, 30)).
        for (freedom, expected) in
            [(2, 4.3027), (3, 3.1824), (5, 2.5706), (10, 2.2281), (30, 2.0423)]
        {
            assert!((quantile(freedom) / expected - 1.0).abs() < 5e-3, "{freedom}");
        }
    }

    #[test]
    fn observations_of_equal_load_give_no_model() {
        let one = |seconds: f64| EnergyObservation {
            cpu: Seconds(seconds),
            duration: Seconds(seconds),
            joules: Joules(5.0 * seconds),
        };
        assert_eq!(Estimator::fit(&[one(1.0), one(2.0), one(3.0), one(4.0)]), None);
        assert_eq!(Estimator::fit(&[]), None);
    }
}
