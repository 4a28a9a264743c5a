//! Learning curves: the number of epochs until the best completed trial is within 1 % of the optimum.

use std::fmt::Write as _;

use wattlab_hpo::{
    Gp, Parameter, Pruner, Random, Rungs, Sampler, Scale, Segment, Space, Study, Tpe,
};

use crate::{functions::gauss, parallel, quartiles};

const MOST: u32 = 27;
const NOISE: f64 = 0.005;
const EPOCHS: u64 = 64 * 27;

/// A family of curves.
#[derive(Clone, Copy)]
struct Family {
    name: &'static str,
    /// The best learning rate as a negative logarithm; the time constant of learning at 1e-3, and how
    /// it changes with the rate, in decades.
    shape: (f64, f64, f64),
    rise: Rise,
    noise: f64,
    target: &'static str,
}

/// How accuracy rises.
#[derive(Clone, Copy, PartialEq)]
enum Rise {
    /// Exponentially, as in the baselines of the other optimizers.
    Exponential,
    /// After a plateau, which is longer the lower the rate.
    Late,
    /// And falls again if learning is fast, so that the first become the last.
    Overfits,
}

/// The first two are those of the other optimizers' baselines.
const FAMILIES: [Family; 5] = [
    Family {
        name: "benign",
        shape: (2.6, 2.5, -0.35),
        rise: Rise::Exponential,
        noise: NOISE,
        target: "median ≤ 230",
    },
    Family {
        name: "cross",
        shape: (3.4, 3.0, -0.8),
        rise: Rise::Exponential,
        noise: NOISE,
        target: "19 of 20 within 380",
    },
    Family {
        name: "noisy",
        shape: (2.6, 2.5, -0.35),
        rise: Rise::Exponential,
        noise: 4.0 * NOISE,
        target: "",
    },
    Family { name: "late", shape: (3.0, 4.0, -0.7), rise: Rise::Late, noise: NOISE, target: "" },
    Family {
        name: "inverted",
        shape: (3.4, 5.0, -0.8),
        rise: Rise::Overfits,
        noise: NOISE,
        target: "",
    },
];

impl Family {
    /// Accuracy after some epochs. The parameters are learning rate, β1 and β2.
    fn accuracy(&self, x: &[f64], epochs: u32) -> f64 {
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        let (center, slow, fall) = self.shape;
        let (u, beta1, beta2) = (x[0].log10(), x[1], x[2]);
        let whole = 0.80
            * sigmoid(-12.0 * (u + 1.9 - beta1))
            * (1.0 - 0.05 * (u + center).powi(2)).max(0.0)
            * (1.0 - 0.06 * ((beta1 - 0.88) / 0.9).powi(2))
            * (1.0 - 0.04 * ((beta2 - 0.97) / 0.2).powi(2))
            * sigmoid(400.0 * (0.992 - beta1));
        let time = slow * 10_f64.powf(fall * (u + 3.0));
        let epochs = f64::from(epochs);
        let share = match self.rise {
            Rise::Exponential => 1.0 - (-epochs / time).exp(),
            Rise::Late => sigmoid(4.0 * (epochs / time).ln()),
            Rise::Overfits => {
                let past = (epochs / (4.0 * time)).max(1.0).ln();
                (1.0 - (-epochs / time).exp()) * (1.0 - 0.2 * past).max(0.3)
            }
        };
        0.1 + whole * share
    }

    /// The best accuracy, by coordinate search.
    fn optimum(&self) -> f64 {
        let mut point = [-3.0, 0.88, 0.97];
        let at =
            |place: &[f64; 3]| self.accuracy(&[10_f64.powf(place[0]), place[1], place[2]], MOST);
        let (mut best, mut step) = (at(&point), 0.2);
        while step > 1e-8 {
            let before = best;
            for axis in 0..3 {
                for sign in [-1.0, 1.0] {
                    let mut moved = point;
                    moved[axis] += sign * step;
                    if at(&moved) > best {
                        (best, point) = (at(&moved), moved);
                    }
                }
            }
            if best <= before {
                step *= 0.5;
            }
        }
        best
    }
}

/// Epochs until the best trial is within 1 % of the optimum; infinite if never.
fn run(family: Family, sampler: &'static dyn Sampler, pruner: Pruner, seed: u64) -> f64 {
    let space = Space::new(vec![
        Parameter::new("learning_rate", 1e-5, 1e-1, Scale::Log),
        Parameter::new("beta1", 0.1, 1.0, Scale::Linear),
        Parameter::new("beta2", 0.8, 1.0, Scale::Linear),
    ]);
    let space = space.expect("a valid box");
    let rungs = Rungs { least: 3, most: MOST, factor: 3 };
    let optimum = family.optimum();
    let mut study = Study::new(space, sampler, seed).with_pruner(pruner, rungs);
    while study.steps() < EPOCHS {
        let Segment { number, parameters, from, until } = study.ask().expect("no grid");
        for epoch in from + 1..=until {
            let index = u64::from(number) * 1000 + u64::from(epoch);
            let value = family.accuracy(&parameters, epoch) + family.noise * gauss(seed, index);
            study.report(number, epoch, &[value]).expect("asked just now");
        }
        let best = study.best().map(|trial| family.accuracy(&trial.parameters, MOST));
        if best.is_some_and(|accuracy| accuracy >= 0.99 * optimum) {
            return study.steps() as f64;
        }
    }
    f64::INFINITY
}

const STRATEGIES: [(&str, &dyn Sampler, Pruner); 8] = [
    ("**GP + posterior**", &Gp, Pruner::Posterior),
    ("**GP + Hyperband**", &Gp, Pruner::Hyperband),
    ("**GP + ASHA**", &Gp, Pruner::Asha),
    ("GP + median", &Gp, Pruner::Median),
    ("GP + none", &Gp, Pruner::Never),
    ("TPE + ASHA", &Tpe, Pruner::Asha),
    ("random + Hyperband", &Random, Pruner::Hyperband),
    ("random + halving", &Random, Pruner::Halving),
];

/// Medians, quartiles and seeds within 380 epochs of the peers (Optuna 5.0.0).
const PEERS: &str = include_str!("curves.tsv");

pub(crate) fn report(seeds: u64, from: u64, chosen: &[String]) -> String {
    let mut text = format!(
        "\n## Learning curves\n\nEpochs until the best completed trial is within 1 % of the optimum, with at \
         most {MOST} epochs per trial and {EPOCHS} in all: quartiles over {seeds} seeds, and how many \
         seeds get there within 380 epochs and at all. On `cross` early ranks mislead, on `late` curves \
         rise after a plateau, on `inverted` the first become the last, and `noisy` is `benign` with \
         four times the noise.\n\n| curves | \
         strategy | seeds | first quartile | median | third quartile | within 380 | at all | target |\n\
         |---|---|---|---|---|---|---|---|---|\n"
    );
    // If no family (or no strategy) is chosen, all of them run.
    let chosen = |all: &[&str], one: &str| {
        let is = |text: &str| chosen.iter().any(|name| text.contains(name.as_str()));
        is(one) || !all.iter().any(|name| is(name))
    };
    let families = FAMILIES.map(|family| family.name);
    let strategies = STRATEGIES.map(|strategy| strategy.0);
    for family in FAMILIES.iter().filter(|family| chosen(&families, family.name)) {
        for (name, sampler, pruner) in
            STRATEGIES.into_iter().filter(|strategy| chosen(&strategies, strategy.0))
        {
            let epochs = parallel(seeds, |seed| run(*family, sampler, pruner, from + seed));
            let [low, median, high] = quartiles(epochs.iter().copied());
            let within = |most: f64| epochs.iter().filter(|epochs| **epochs <= most).count();
            let (early, all) = (within(380.0), within(f64::MAX));
            let met = match family.name {
                "benign" => median <= 230.0,
                _ => early as u64 * 20 >= seeds * 19,
            };
            let target = match name.strip_prefix("**") {
                Some(_) if !family.target.is_empty() => {
                    format!("{} {}", family.target, if met { "✓" } else { "✗" })
                }
                _ => String::new(),
            };
            let line = format!(
                "| {} | {name} | {seeds} | {low:.0} | {median:.0} | {high:.0} | {early} | {all} | {target} |",
                family.name
            )
            .replace("inf", "never").replace("NaN", "never");
            eprintln!("{line}");
            _ = writeln!(text, "{line}");
        }
        for peer in PEERS.lines().filter(|line| line.starts_with(family.name)) {
            _ = writeln!(text, "| {} | |", peer.replace('\t', " | "));
        }
    }
    text
}
