//! Each warning appears on data with its fault and not without it: one design with the same noise, and
//! one fault at a time.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wattlab_report::stats::{Caution, Factor, screen};

/// Number of rows: 2 × 2 cells, 12 settings per cell, 3 repeats of each.
const ROWS: usize = 144;

/// A sound design, to which a test adds a fault.
struct Study {
    noise: Vec<f64>,
    response: Vec<f64>,
    conv: Vec<usize>,
    relu: Vec<usize>,
    setting: Vec<usize>,
    order: Vec<f64>,
}

impl Study {
    /// Settings crossed with both factors, runs in random order, normal noise, and effects of both
    /// factors.
    fn sound(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut share = || random.random_range(f64::EPSILON..1.0);
        // The method of Box and Muller (1958).
        let mut normal = || (-2.0 * share().ln()).sqrt() * (std::f64::consts::TAU * share()).cos();
        let noise: Vec<f64> = (0..ROWS).map(|_| normal()).collect();
        let order = (0..ROWS).map(|_| normal()).collect();
        let of = |each: fn(usize) -> usize| (0..ROWS).map(each).collect::<Vec<usize>>();
        let (conv, relu) = (of(|row| row % 2), of(|row| row / 2 % 2));
        let mut study = Self {
            noise,
            response: Vec::new(),
            conv,
            relu,
            setting: of(|row| row / 4 % 12),
            order,
        };
        study.respond(|_, noise| noise);
        study
    }

    /// Computes the response again from the effects and the noise of each row.
    fn respond(&mut self, noise: impl Fn(usize, f64) -> f64) {
        let row = |row: usize| 8.0 * self.conv[row] as f64 + 2.0 * self.relu[row] as f64;
        self.response =
            (0..ROWS).map(|index| row(index) + noise(index, self.noise[index])).collect();
    }

    fn kinds(&self, factors: &[&str]) -> Vec<&'static str> {
        self.cautions(factors).iter().map(Caution::kind).collect()
    }

    fn cautions(&self, factors: &[&str]) -> Vec<Caution> {
        let factor = |name: &str| {
            let codes = match name {
                "conv" => &self.conv,
                "relu" => &self.relu,
                _ => &self.setting,
            };
            Factor::new(name, codes.iter().map(|code| format!("{code:02}"))).sorted()
        };
        let others: Vec<Factor> = ["conv", "relu", "setting"]
            .into_iter()
            .filter(|name| !factors.contains(name))
            .map(factor)
            .collect();
        let factors: Vec<Factor> = factors.iter().map(|name| factor(name)).collect();
        screen(&self.response, &factors, &others, Some(&self.order)).unwrap()
    }
}

const BOTH: [&str; 2] = ["conv", "relu"];
/// A seed whose noise gives no warning on the sound design.
const QUIET: u64 = 2;

#[test]
fn sound_data_have_no_caution() {
    assert_eq!(Study::sound(QUIET).kinds(&BOTH), Vec::<&str>::new());
}

#[test]
fn repeats_that_are_not_independent() {
    let mut study = Study::sound(QUIET);
    // Most of the noise belongs to the setting, as if each learning rate had an energy of its own.
    let (setting, noise) = (study.setting.clone(), study.noise.clone());
    study.respond(|row, noise_of_row| 0.7 * noise_of_row + 1.4 * noise[setting[row] * 4 + row % 4]);
    let cautions = study.cautions(&BOTH);
    let Caution::Dependent { cluster, icc, rows, effective_rows } = &cautions[0] else {
        panic!("{cautions:?}");
    };
    assert_eq!((cluster.as_deref(), *rows), (Some("setting"), ROWS));
    assert!(*icc > 0.4 && *effective_rows < 100.0, "{icc} {effective_rows}");
    assert!(cautions[0].to_string().contains("144 rows carry as much information as about"));
}

#[test]
fn a_factor_confounded_with_settings() {
    let mut study = Study::sound(QUIET);
    // The settings with ReLU are not those without, as in the study.
    study.setting.iter_mut().zip(&study.relu).for_each(|(setting, relu)| *setting += 12 * relu);
    let cautions = study.cautions(&BOTH);
    let expected = Caution::Confounded { factor: "relu".to_owned(), with: "setting".to_owned() };
    assert_eq!(cautions, [expected]);
}

#[test]
fn associated_factors_are_reported() {
    let mut study = Study::sound(QUIET);
    let relu = study.relu.clone();
    (0..ROWS).filter(|row| row % 3 == 0).for_each(|row| study.conv[row] = relu[row]);
    study.respond(|_, noise| noise);
    assert_eq!(study.kinds(&BOTH), ["correlated"]);
}

#[test]
fn an_effect_size_over_the_levels_of_a_larger_factor_is_reported() {
    let study = Study::sound(QUIET);
    let cautions = study.cautions(&["relu"]);
    let [Caution::Marginal { factor, share, other, larger }] = cautions.as_slice() else {
        panic!("{cautions:?}");
    };
    assert_eq!((factor.as_str(), other.as_str()), ("relu", "conv"));
    assert!(*share < 0.1 && *larger > 0.8, "{share} {larger}");
    assert_eq!(study.kinds(&["conv"]), Vec::<&str>::new(), "the larger one misleads nobody");
}

#[test]
fn drift_with_the_order_of_the_runs() {
    let mut study = Study::sound(QUIET);
    let order = study.order.clone();
    study.respond(|row, noise| noise + order[row]);
    let cautions = study.cautions(&BOTH);
    assert!(matches!(cautions.as_slice(), [Caution::Drift { cells: 4, .. }]), "{cautions:?}");
}

#[test]
fn failed_assumptions_are_reported() {
    let mut study = Study::sound(QUIET);
    study.respond(|_, noise| (0.9 * noise).exp());
    assert_eq!(study.kinds(&BOTH), ["not-normal"]);
    let mut study = Study::sound(QUIET);
    let (conv, relu) = (study.conv.clone(), study.relu.clone());
    study.respond(|row, noise| noise * if conv[row] == relu[row] { 1.0 } else { 1.8 });
    assert!(study.kinds(&BOTH).contains(&"unequal-spread"), "{:?}", study.kinds(&BOTH));
}

/// A test at the 5 % level is wrong once in twenty times; each warning may be, too, but not more often.
#[test]
fn false_alarms_are_once_in_twenty() {
    let studies = 400;
    let mut alarms: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..studies {
        for kind in Study::sound(seed).kinds(&BOTH) {
            *alarms.entry(kind).or_default() += 1;
        }
    }
    println!("false alarms of {studies} sound studies: {alarms:?}");
    for (kind, count) in alarms {
        // The limit is three standard errors above 5 %.
        assert!(count <= 33, "{kind}: {count} of {studies}");
    }
}
