//! The functions on which optimizers are compared. All are minimized.

use std::f64::consts::{E, PI};

/// A function on a box.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) value: fn(&[f64]) -> f64,
    /// Bounds, and whether the scale is logarithmic.
    pub(crate) space: Vec<(f64, f64, bool)>,
    /// The minimum of the function.
    pub(crate) minimum: f64,
    /// Standard deviation of the observations.
    pub(crate) noise: f64,
}

impl Function {
    fn new(
        name: &'static str,
        value: fn(&[f64]) -> f64,
        (low, high): (f64, f64),
        dimensions: usize,
        minimum: f64,
    ) -> Self {
        Self { name, value, space: vec![(low, high, false); dimensions], minimum, noise: 0.0 }
    }

    /// The value that trial `index` of a study observes at a point, and the true value.
    pub(crate) fn observe(&self, point: &[f64], seed: u64, index: u64) -> (f64, f64) {
        let truth = (self.value)(point);
        (if self.noise > 0.0 { truth + self.noise * gauss(seed, index) } else { truth }, truth)
    }
}

/// The seven functions of the other optimizers' baselines.
pub(crate) fn baselines() -> Vec<Function> {
    let mut branin = Function::new("branin2", branin, (-5.0, 10.0), 2, 0.397_887_357_729_738_16);
    branin.space[1] = (0.0, 15.0, false);
    let mut adam = Function::new("adamcliff3", |x| -adam_cliff(x), (0.1, 1.0), 3, adam_minimum());
    (adam.space[0], adam.space[2], adam.noise) = ((1e-5, 1e-1, true), (0.8, 1.0, false), 0.01);
    vec![
        branin,
        Function::new("hartmann6", hartmann6, (0.0, 1.0), 6, -3.322_368_011_415_515),
        Function::new("ackley5", ackley, (-32.768, 32.768), 5, 0.0),
        Function::new("levy4", levy, (-10.0, 10.0), 4, 0.0),
        Function::new("rosenbrock4", rosenbrock, (-5.0, 10.0), 4, 0.0),
        Function::new("styblinski4", styblinski, (-5.0, 5.0), 4, -39.166_165_703_771_42 * 4.0),
        adam,
    ]
}

/// More functions, so that the sampler's settings do not fit the first list alone.
pub(crate) fn others() -> Vec<Function> {
    vec![
        Function::new("griewank5", griewank, (-60.0, 60.0), 5, 0.0),
        Function::new("michalewicz5", michalewicz, (0.0, PI), 5, -4.687_658_179),
        Function::new("dixonprice4", dixon_price, (-10.0, 10.0), 4, 0.0),
        Function::new("hartmann3", hartmann3, (0.0, 1.0), 3, -3.862_782_147_820_756),
        Function::new("rastrigin3", rastrigin, (-5.12, 5.12), 3, 0.0),
    ]
}

/// A sphere whose minimum is not in the middle of its box.
pub(crate) fn sphere() -> Function {
    let squares = |x: &[f64]| x.iter().map(|value| value * value).sum();
    Function::new("sphere5", squares, (-1.0, 1.5), 5, 0.0)
}

fn branin(x: &[f64]) -> f64 {
    let (b, c, t) = (5.1 / (4.0 * PI * PI), 5.0 / PI, 1.0 / (8.0 * PI));
    (x[1] - b * x[0] * x[0] + c * x[0] - 6.0).powi(2) + 10.0 * (1.0 - t) * x[0].cos() + 10.0
}

const HEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];

fn hartmann<const D: usize>(x: &[f64], widths: &[[f64; D]; 4], centers: &[[f64; D]; 4]) -> f64 {
    let hills = HEIGHTS.iter().zip(widths).zip(centers).map(|((height, widths), centers)| {
        let squared: f64 = (0..D).map(|k| widths[k] * (x[k] - 1e-4 * centers[k]).powi(2)).sum();
        height * (-squared).exp()
    });
    -hills.sum::<f64>()
}

fn hartmann6(x: &[f64]) -> f64 {
    const WIDTHS: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const CENTERS: [[f64; 6]; 4] = [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ];
    hartmann(x, &WIDTHS, &CENTERS)
}

fn hartmann3(x: &[f64]) -> f64 {
    const WIDTHS: [[f64; 3]; 4] =
        [[3.0, 10.0, 30.0], [0.1, 10.0, 35.0], [3.0, 10.0, 30.0], [0.1, 10.0, 35.0]];
    const CENTERS: [[f64; 3]; 4] = [
        [3689.0, 1170.0, 2673.0],
        [4699.0, 4387.0, 7470.0],
        [1091.0, 8732.0, 5547.0],
        [381.0, 5743.0, 8828.0],
    ];
    hartmann(x, &WIDTHS, &CENTERS)
}

fn ackley(x: &[f64]) -> f64 {
    let d = x.len() as f64;
    let squares: f64 = x.iter().map(|value| value * value).sum();
    let waves: f64 = x.iter().map(|value| (2.0 * PI * value).cos()).sum();
    -20.0 * (-0.2 * (squares / d).sqrt()).exp() - (waves / d).exp() + 20.0 + E
}

fn levy(x: &[f64]) -> f64 {
    let w: Vec<f64> = x.iter().map(|value| 1.0 + (value - 1.0) / 4.0).collect();
    let (last, rest) = w.split_last().expect("a point has coordinates");
    (PI * w[0]).sin().powi(2)
        + rest
            .iter()
            .map(|w| (w - 1.0).powi(2) * (1.0 + 10.0 * (PI * w + 1.0).sin().powi(2)))
            .sum::<f64>()
        + (last - 1.0).powi(2) * (1.0 + (2.0 * PI * last).sin().powi(2))
}

fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2)
        .map(|pair| 100.0 * (pair[1] - pair[0] * pair[0]).powi(2) + (1.0 - pair[0]).powi(2))
        .sum()
}

fn styblinski(x: &[f64]) -> f64 {
    0.5 * x.iter().map(|value| value.powi(4) - 16.0 * value * value + 5.0 * value).sum::<f64>()
}

fn griewank(x: &[f64]) -> f64 {
    let squares: f64 = x.iter().map(|value| value * value / 4000.0).sum();
    let waves: f64 = (1..).zip(x).map(|(i, value)| (value / f64::from(i).sqrt()).cos()).product();
    1.0 + squares - waves
}

fn michalewicz(x: &[f64]) -> f64 {
    -(1..)
        .zip(x)
        .map(|(i, value)| value.sin() * (f64::from(i) * value * value / PI).sin().powi(20))
        .sum::<f64>()
}

fn dixon_price(x: &[f64]) -> f64 {
    let steps = (2..).zip(x.windows(2));
    (x[0] - 1.0).powi(2)
        + steps
            .map(|(i, pair)| f64::from(i) * (2.0 * pair[1] * pair[1] - pair[0]).powi(2))
            .sum::<f64>()
}

fn rastrigin(x: &[f64]) -> f64 {
    x.iter().map(|value| value * value - 10.0 * (2.0 * PI * value).cos() + 10.0).sum()
}

/// A model of the accuracy of a training with Adam. The parameters are learning rate, β1 and β2.
fn adam_cliff(x: &[f64]) -> f64 {
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let (u, beta1, beta2) = (x[0].log10(), x[1], x[2]);
    let rise = sigmoid(3.0 * (u + 4.3));
    let cliff = sigmoid(-12.0 * (u + 1.9 - beta1));
    let quality = (1.0 - 0.05 * (u + 2.8).powi(2)).max(0.0);
    let momentum = 1.0 - 0.06 * ((beta1 - 0.88) / 0.9).powi(2);
    let scale = 1.0 - 0.04 * ((beta2 - 0.97) / 0.2).powi(2);
    let collapse = sigmoid(400.0 * (0.992 - beta1));
    0.1 + 0.80 * rise * cliff * quality * momentum * scale * collapse
}

/// The minimum, by coordinate search, since there is no formula.
fn adam_minimum() -> f64 {
    let mut point = [10_f64.powf(-2.8), 0.88, 0.97];
    let mut best = adam_cliff(&point);
    let mut step = 0.2;
    while step > 1e-9 {
        let before = best;
        for axis in 0..3 {
            for sign in [-1.0, 1.0] {
                let mut moved = point;
                if axis == 0 {
                    moved[0] *= 10_f64.powf(sign * step);
                } else {
                    moved[axis] = (moved[axis] + sign * step).clamp([0.0, 0.1, 0.8][axis], 1.0);
                }
                let value = adam_cliff(&moved);
                if value > best {
                    (best, point) = (value, moved);
                }
            }
        }
        if best <= before {
            step *= 0.5;
        }
    }
    -best
}

/// A standard normal number for (seed, index), by Box-Muller on two words, as in the baselines.
pub(crate) fn gauss(seed: u64, index: u64) -> f64 {
    let unit = |word: u64| ((split_mix(word) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let word = seed.wrapping_mul(1_000_003).wrapping_add(index).wrapping_mul(2);
    (-2.0 * unit(word).ln()).sqrt() * (2.0 * PI * unit(word.wrapping_add(1))).cos()
}

fn split_mix(word: u64) -> u64 {
    let z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Checks the functions against values of the baselines' Python code.
pub(crate) fn verify() {
    let close = |found: f64, expected: f64| {
        assert!(
            (found - expected).abs() < 1e-6 * expected.abs().max(1.0),
            "{found}, not {expected}"
        );
    };
    let all = baselines();
    close((all[0].value)(&[1.3, 7.1]), 21.275_139_758_075_17);
    close((all[1].value)(&[0.2, 0.15, 0.47, 0.27, 0.31, 0.65]), -3.319_442_898_289_208);
    close((all[2].value)(&[3.0, -7.5, 1.25, 20.1, -0.3]), 18.741_770_681_244_788);
    close((all[3].value)(&[3.3, -2.0, 7.1, 0.4]), 15.123_757_588_294_364);
    close((all[4].value)(&[1.5, -2.0, 3.25, 0.7]), 11_603.703_125);
    close((all[5].value)(&[-2.9, 2.7, 0.3, -4.0]), -74.129_85);
    close((all[6].value)(&[0.003, 0.8, 0.95]), -0.892_398_496_054_094);
    close(all[6].minimum, -0.893_570_688_478_554_8);
    close(gauss(3, 5), -0.293_812_386_432_833_4);
}
