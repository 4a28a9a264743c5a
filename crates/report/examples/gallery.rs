//! Every kind of figure and table with invented data: `cargo run --example gallery -- FOLDER`.
//!
//! For looking at the design. Not one number in it was measured.

use std::{collections::BTreeMap, env, path::Path, process::ExitCode};

use record::{ClaimId, Evidence, Finding, Origin, Verdict};
use wattlab_report::{
    AssessedClaim, Axis, Banner, CategoryPlot, Cell, Column, Document, Figure, Formats, Line,
    LinePlot, LinePoint, Mark, Plot, Point, PointPlot, PointSeries, Reference, Section, Shape,
    ShortAnswer, StripGroup, StripPlot, Table, assessed, write,
};

#[expect(clippy::print_stderr, reason = "an example that says why it failed")]
fn main() -> ExitCode {
    let Some(folder) = env::args().nth(1) else {
        eprintln!("expected a folder to write to");
        return ExitCode::from(2);
    };
    match write(&gallery(), Path::new(&folder), &Formats::all()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A fixed sequence that looks random, in [-0.5, 0.5).
fn noise(index: usize) -> f64 {
    (index as f64 * 12.9898).sin().mul_add(43_758.545_3, 0.0).rem_euclid(1.0) - 0.5
}

fn gallery() -> Document {
    Document {
        answers: vec![ShortAnswer {
            heading: "Batching".to_owned(),
            text: "Serve in batches of 16: 0.34× the joules per request.".to_owned(),
            section: "rq4".to_owned(),
            origin: Some(Origin::Estimated),
        }],
        title: "What does an accuracy point cost in joules?".into(),
        lead: vec![
            "Gallery data: every number on this page is invented to show the design, and none was \
             measured."
                .into(),
            "Two studies of the energy of deep learning, reproduced end to end: how to search \
             hyper-parameters, what layers cost, how to batch requests, and a decade of networks."
                .into(),
        ],
        banner: Some(Banner {
            headline: "Every joule in this report is estimated".into(),
            text: "No energy sensor could be read on this machine, so energy is processor time \
                   times a model of power. Compare such joules within this report only."
                .into(),
        }),
        findings: findings(),
        facts: [
            ("Data", "gallery data, invented"),
            ("Profile", "quick: 2 repetitions"),
            ("Machine", "2 cores of an imaginary processor, 24 GiB"),
            ("Sensors", "none; model `cpu-time`"),
            ("Runs", "1,312"),
            ("Energy", "48.1 kJ (est.)"),
            ("Duration", "23 min 8 s"),
            ("Revision", "0123abc"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        sections: vec![tuning(), layers(), batching(), timeline()],
    }
}

fn findings() -> Vec<AssessedClaim> {
    let finding = |id,
                   statement: &str,
                   verdict,
                   published: &[(&str, f64)],
                   ours: &[f64],
                   effect: &str,
                   ci| {
        assessed(Finding {
            id,
            statement: statement.into(),
            criterion:
                "Supported if the whole 95 % interval lies above zero, contradicted if it lies \
                    below, otherwise inconclusive."
                    .into(),
            published: published.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            measured: published
                .iter()
                .zip(ours)
                .map(|((name, _), value)| ((*name).to_owned(), Some(*value)))
                .collect::<BTreeMap<_, _>>(),
            verdict,
            reason: "Gallery data: over 8 repetitions the interval lies where the verdict says."
                .into(),
            evidence: Evidence {
                test: "Paired bootstrap over seeds, 10,000 resamples".into(),
                statistic: Some(4.31),
                p: Some(0.0004),
                effect: ci,
                effect_name: effect.into(),
                ci95: ci.map(|size: f64| [size - 0.2 * size.abs(), size + 0.3 * size.abs()]),
                n: 1_536,
            },
            energy_origin: Some(Origin::Estimated),
            data: "invented, 8 repetitions of 64 trials".into(),
            caveats: vec![
                "Two repetitions give wide intervals; `--profile paper` has eight.".into(),
            ],
        })
    };
    use Verdict::{Contradicted, Inconclusive, Supported};
    vec![
        finding(
            ClaimId::new("rq1-bayesian-dominates"),
            "Bayesian optimization dominates random and grid search: it finds better configurations and wastes fewer joules on bad ones.",
            Inconclusive,
            &[
                ("best_accuracy_bayesian", 0.847),
                ("best_accuracy_random", 0.829),
                ("best_accuracy_grid", 0.805),
                ("mean_trial_accuracy_bayesian", 0.71),
                ("mean_trial_accuracy_random", 0.31),
                ("mean_trial_accuracy_grid", 0.35),
            ],
            &[0.851, 0.849, 0.797, 0.69, 0.33, 0.36],
            "joules to the best accuracy of random search, bayesian over random, minus 1 (share)",
            Some(-0.12),
        ),
        finding(
            ClaimId::new("rq2-conv-dominates"),
            "Of convolutional layers, linear layers and ReLU, convolutional layers cost by far the most training energy.",
            Supported,
            &[("eta_sq_conv", 0.9898), ("eta_sq_linear", 0.0055), ("eta_sq_relu", 0.0017)],
            &[0.9612, 0.0191, 0.0024],
            "partial η² of conv layers less that of linear layers",
            Some(0.62),
        ),
        finding(
            ClaimId::new("rq3-halved-by-smaller-network"),
            "The energy of training can be halved by a smaller network.",
            Supported,
            &[("saving_share_fashion_mnist", 0.488), ("accuracy_cost_points_fashion_mnist", 0.74)],
            &[0.613, 1.02],
            "share of the training energy that fewer convolution blocks save (share)",
            Some(0.61),
        ),
        finding(
            ClaimId::new("rq4-batching-matters"),
            "Batching has a significant effect on the energy and the response time of inference.",
            Contradicted,
            &[("pilot_energy_greedy_over_fixed_16", 0.891)],
            &[1.004],
            "joules per request, dearest over cheapest policy, minus 1 (share)",
            Some(0.021),
        ),
        finding(
            ClaimId::new("rq5-energy-rises"),
            "The energy of inference of vision networks rises steadily over the years, more steeply than their accuracy.",
            Inconclusive,
            &[],
            &[],
            "growth of joules per image a year (share)",
            None,
        ),
    ]
}

fn figure(id: &str, title: &str, caption: &str, plot: Plot) -> Figure {
    Figure {
        id: id.into(),
        title: title.into(),
        caption: format!("{caption} Gallery data, invented."),
        alt: format!("{title}. Invented data that only shows the design."),
        plot,
    }
}

fn tuning() -> Section {
    let search = |name: &str, reach: f64, speed: f64, offset: usize| Line {
        name: name.into(),
        shape: Shape::Step,
        points: (1..=64)
            .scan(0.0_f64, |best, trial| {
                let now =
                    reach - 0.5 * (-(trial as f64) / speed).exp() + 0.01 * noise(trial + offset);
                *best = best.max(now);
                let half = 0.09 / (trial as f64).sqrt();
                Some(LinePoint {
                    x: trial as f64,
                    y: 100.0 * *best,
                    band: Some([100.0 * (*best - half), 100.0 * (*best + half)]),
                })
            })
            .collect(),
    };
    let lines = vec![
        search("Bayesian", 0.847, 4.0, 0),
        search("random", 0.829, 11.0, 100),
        search("grid", 0.805, 14.0, 200),
        search("TPE", 0.843, 6.0, 300),
    ];
    let reach = |values: [f64; 4]| -> Vec<Option<Mark>> {
        values
            .iter()
            .map(|value| {
                value
                    .is_finite()
                    .then_some(Mark { value: *value, interval: Some([value * 0.82, value * 1.25]) })
            })
            .collect()
    };
    let mut table = Table::new(
        "rq1-strategies",
        "Searches by strategy: mean over repetitions with 95 % bootstrap intervals (gallery data).",
        [
            Column::text("strategy"),
            Column::text("network"),
            Column::number("best accuracy", "%"),
            Column::energy("energy of 64 trials", "J"),
            Column::number("repetitions", ""),
            Column::number("p against random", ""),
        ],
    );
    for (index, (strategy, network)) in [
        ("bayesian", "DensePolyNN"),
        ("random", "DensePolyNN"),
        ("grid", "DensePolyNN"),
        ("bayesian", "SimpleCNN"),
        ("random", "SimpleCNN"),
        ("grid <b>", "Simple|CNN"),
    ]
    .into_iter()
    .enumerate()
    {
        let best = 84.7 - index as f64 * 0.93;
        let joules = 12_800.0 + 9_100.0 * index as f64;
        table.push([
            Cell::text(strategy),
            Cell::text(network),
            Cell::interval(best, Some([best - 0.8, best + 0.9]), 3),
            Cell::energy(
                joules,
                Some([joules * 0.9, joules * 1.1]),
                3,
                if index == 5 { Origin::Measured } else { Origin::Estimated },
            ),
            Cell::Integer(8),
            if strategy == "random" {
                Cell::Missing
            } else {
                Cell::PValue(0.0004 * 9_f64.powi(index as i32))
            },
        ]);
    }
    Section {
        id: "rq1".into(),
        heading: "RQ1: How to search hyper-parameters".into(),
        question: "Which strategy reaches a good accuracy for the fewest joules?".into(),
        claims: vec![ClaimId::new("rq1-bayesian-dominates")],
        paragraphs: vec![
            "Each strategy may train 64 networks. The figure shows the best validation accuracy so far, averaged over repetitions; the band is the 95 % bootstrap interval over seeds.".into(),
        ],
        figures: vec![
            figure("rq1-best-so-far", "Best accuracy so far by trial", "Mean of 8 repetitions with 95 % bootstrap bands.", Plot::Lines(LinePlot {
                x: Axis::new("trial", ""),
                y: Axis::new("best validation accuracy so far", "%"),
                lines,
                references: vec![Reference { value: 82.9, label: "random after 64 trials, as published".into() }],
            })),
            figure("rq1-joules-to-accuracy", "Energy until an accuracy is reached, by strategy and network", "Dots are medians, whiskers 95 % intervals; grid never reached it on the widest network.", Plot::Dots(CategoryPlot {
                value: Axis::energy("energy until 80 % accuracy", "J", Origin::Estimated).log(),
                categories: ["SimpleCNN", "DensePolyNN", "DenseLinearNN", "DenseLinearNN, 5 parameters"].map(String::from).to_vec(),
                series: vec![
                    ("Bayesian".into(), reach([5_200.0, 910.0, 700.0, 1_600.0])),
                    ("random".into(), reach([11_700.0, 2_300.0, 1_100.0, 1_900.0])),
                    ("grid".into(), reach([23_000.0, 3_100.0, 2_000.0, f64::NAN])),
                ],
                references: Vec::new(),
            })),
        ],
        tables: vec![table],
        caveats: vec![
            "β2 was never applied in the study's own code; the three-parameter space was in effect learning rate and β1.".into(),
            "Selection uses a validation split; the study selected on the test set.".into(),
        ],
    }
}

fn layers() -> Section {
    let cells: Vec<(u32, u32, bool)> = [(1, 3), (1, 7), (4, 3), (4, 7)]
        .into_iter()
        .flat_map(|(conv, linear)| [(conv, linear, false), (conv, linear, true)])
        .collect();
    let joules = |(conv, linear, relu): (u32, u32, bool)| {
        560.0 + 272.0 * f64::from(conv) + 13.0 * f64::from(linear) + if relu { 30.0 } else { 0.0 }
    };
    let name = |(conv, linear, relu): (u32, u32, bool)| {
        format!("{conv} conv, {linear} linear{}", if relu { ", ReLU" } else { "" })
    };
    let mut anova = Table::new(
        "rq2-anova",
        "Type III analysis of variance of training energy (gallery data).",
        [
            Column::text("term"),
            Column::number("df", ""),
            Column::number("F", ""),
            Column::number("p", ""),
            Column::number("partial η²", ""),
        ],
    );
    for (term, f, p, eta) in [
        ("conv", 3.9e7, 0.0, 0.990),
        ("linear", 21_842.0, 1e-300, 0.0062),
        ("ReLU", 6_853.0, 2e-9, 0.0021),
        ("conv:linear", 1.31, 0.2529, 1.1e-5),
    ] {
        anova.push([
            Cell::text(term),
            Cell::Integer(1),
            Cell::number(f, 3),
            Cell::PValue(p),
            Cell::number(eta, 3),
        ]);
    }
    Section {
        id: "rq2-rq3".into(),
        heading: "RQ2 and RQ3: What layers cost".into(),
        question: "Which layers cost energy, and what does a smaller network lose?".into(),
        claims: vec![ClaimId::new("rq2-conv-dominates"), ClaimId::new("rq3-halved-by-smaller-network")],
        paragraphs: vec!["A full factorial of convolution blocks, linear layers and ReLU, in complete blocks of seed and setting.".into()],
        figures: vec![
            figure("rq2-strip", "Training energy of every network of the factorial", "A dot is a training; the box spans the quartiles, the line is the median; 96 trainings a row.", Plot::Strip(StripPlot {
                value: Axis::energy("energy of a training", "J", Origin::Estimated),
                groups: cells.iter().enumerate().map(|(row, cell)| StripGroup {
                    name: name(*cell),
                    values: (0..96).map(|index| joules(*cell) * (1.0 + 0.05 * (noise(index + 97 * row) + noise(index * 3 + row)))).chain([f64::NAN]).collect(),
                }).collect(),
                references: vec![Reference { value: 857.0, label: "1 conv layer, as published".into() }],
            })),
            figure("rq3-change", "What changing one factor saves and costs", "Bars are shares with 95 % intervals.", Plot::Bars(CategoryPlot {
                value: Axis::new("change against the larger network", "%"),
                categories: vec!["4 → 1 conv layers".into(), "7 → 3 linear layers".into(), "without ReLU".into()],
                series: vec![
                    ("energy saved".into(), [48.8, 4.7, 2.7].map(|value| Some(Mark { value, interval: Some([value - 1.9, value + 1.4]) })).to_vec()),
                    ("accuracy lost, in points".into(), [0.74, -0.47, -0.17].map(|value| Some(Mark { value, interval: Some([value - 0.6, value + 0.6]) })).to_vec()),
                ],
                references: Vec::new(),
            })),
        ],
        tables: vec![anova],
        caveats: vec!["ReLU is confounded with the settings in the published data.".into()],
    }
}

fn batching() -> Section {
    let networks = ["AlexNet", "DenseNet-121", "ShuffleNetV2 x0.5", "ViT-B/16", "ConvNeXt-Base"];
    let series = [
        ("fixed 16", 1.0),
        ("fixed 32", 0.93),
        ("fixed 64", 0.89),
        ("fixed 128", 0.9),
        ("greedy", 0.97),
    ];
    let marks = |factor: f64, spread: usize| -> Vec<Option<Mark>> {
        [0.31, 1.42, 0.12, 4.9, 5.6]
            .iter()
            .enumerate()
            .map(|(index, joules)| {
                let value = joules * (1.0 - (1.0 - factor) * (1.0 + noise(index + spread)));
                Some(Mark { value, interval: Some([value * 0.96, value * 1.05]) })
            })
            .collect()
    };
    let response = |name: &str, service: f64| Line {
        name: name.into(),
        shape: Shape::Straight,
        points: [16.0, 32.0, 64.0, 128.0]
            .map(|batch: f64| {
                let y = batch / 32.0 + batch * service;
                LinePoint { x: batch, y, band: Some([y * 0.9, y * 1.12]) }
            })
            .to_vec(),
    };
    Section {
        id: "rq4".into(),
        heading: "RQ4: Batching at inference".into(),
        question:
            "Does batching change energy and response time, and does it depend on the network?"
                .into(),
        claims: vec![ClaimId::new("rq4-batching-matters")],
        paragraphs: vec![
            "Requests arrive at 16/s; the server takes a fixed batch or greedily what waits."
                .into(),
        ],
        figures: vec![
            figure(
                "rq4-energy",
                "Energy of a request by network and batching policy",
                "Means with 95 % intervals over repetitions.",
                Plot::Dots(CategoryPlot {
                    value: Axis::energy("energy of a request", "J/request", Origin::Mixed).log(),
                    categories: networks.map(String::from).to_vec(),
                    series: series
                        .iter()
                        .enumerate()
                        .map(|(index, (name, factor))| {
                            ((*name).to_owned(), marks(*factor, 31 * index))
                        })
                        .collect(),
                    references: Vec::new(),
                }),
            ),
            figure(
                "rq4-response",
                "Mean response time by batch size",
                "Bands are 95 % intervals.",
                Plot::Lines(LinePlot {
                    x: Axis::new("batch size", "requests").log().naming([16.0, 32.0, 64.0, 128.0]),
                    y: Axis::new("mean response time", "s").from_zero(),
                    lines: vec![
                        response("ConvNeXt-Base", 0.06),
                        response("ViT-B/16", 0.055),
                        response("DenseNet-121", 0.02),
                        response("AlexNet", 0.004),
                        response("ShuffleNetV2", 0.002),
                    ],
                    references: Vec::new(),
                }),
            ),
        ],
        ..Section::default()
    }
}

fn timeline() -> Section {
    let networks = [
        ("AlexNet", 2012.0, 0.31, 56.5),
        ("VGG-11", 2014.0, 2.9, 69.0),
        ("VGG-16", 2014.0, 5.4, 71.6),
        ("GoogLeNet", 2014.0, 0.72, 69.8),
        ("ResNet-50", 2015.0, 1.5, 76.1),
        ("ResNet-18", 2015.0, 0.66, 69.8),
        ("SqueezeNet 1.0", 2016.0, 0.33, 58.1),
        ("DenseNet-121", 2016.0, 1.42, 74.4),
        ("ResNeXt-50", 2016.0, 1.7, 77.6),
        ("MobileNetV2", 2018.0, 0.21, 71.9),
        ("ShuffleNetV2 x0.5", 2018.0, 0.12, 60.6),
        ("EfficientNet-B0", 2019.0, 0.35, 77.7),
        ("ViT-B/16", 2020.0, 4.9, 81.1),
        ("RegNetY-16GF", 2020.0, 5.1, 80.4),
        ("Swin-T", 2021.0, 2.1, 81.5),
        ("ConvNeXt-Base", 2022.0, 5.6, 84.1),
    ];
    let points = |pick: fn(f64, f64, f64) -> (f64, f64, f64)| PointSeries {
        faded: false,
        name: "networks".into(),
        points: networks
            .iter()
            .map(|(name, year, joules, top1)| {
                let (x, y, spread) = pick(*year, *joules, *top1);
                Point {
                    x,
                    y,
                    x_interval: None,
                    y_interval: (spread > 0.0).then_some([y / spread, y * spread]),
                    label: (*name).into(),
                }
            })
            .collect(),
    };
    let trend = Line {
        name: "trend: +14 % a year".into(),
        shape: Shape::Straight,
        points: (2012..=2022)
            .map(|year| {
                let along = f64::from(year - 2017);
                let y = 1.2 * 1.14_f64.powf(along);
                let spread = 1.0 + 0.25 + 0.012 * along * along;
                LinePoint { x: f64::from(year), y, band: Some([y / spread, y * spread]) }
            })
            .collect(),
    };
    Section {
        id: "rq5".into(),
        heading: "RQ5: A decade of vision networks".into(),
        question: "Does the energy of inference rise faster than accuracy?".into(),
        claims: vec![ClaimId::new("rq5-energy-rises")],
        paragraphs: vec![
            "Energy of inference here, ImageNet accuracy as torchvision publishes it.".into(),
        ],
        figures: vec![
            figure(
                "rq5-energy-by-year",
                "Energy of an image by year of the network",
                "Points are means with 95 % intervals, the line a log-linear fit with its band.",
                Plot::Points(PointPlot {
                    x: Axis::new("year", ""),
                    y: Axis::energy("energy of an image", "J", Origin::Measured).log(),
                    series: vec![points(|year, joules, _| (year, joules, 1.12))],
                    trends: vec![trend],
                }),
            ),
            figure(
                "rq5-accuracy-by-energy",
                "Accuracy against energy",
                "Up and to the left is better.",
                Plot::Points(PointPlot {
                    x: Axis::energy("energy of an image", "J", Origin::Measured).log(),
                    y: Axis::new("ImageNet top-1 accuracy", "%"),
                    series: vec![points(|_, joules, top1| (joules, top1, 0.0))],
                    trends: Vec::new(),
                }),
            ),
        ],
        ..Section::default()
    }
}
