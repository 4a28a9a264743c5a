//! `wattlab model cascade`: accuracy and joules of a small network that asks a large one.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use inference_sim::{
    CascadeAnswer, CascadePoint, CascadeRule, cascade, cascade_thresholds, cheapest_cascade,
};
use meter::Meter;
use models::LabeledImages;
use record::Origin;
use report::{Axis, Figure, Line, LinePlot, LinePoint, Plot, Reference, Shape};
use serde::Serialize;
use serde_json::json;
use units::limits;

use super::{Evaluation, EvaluationFlags, Measured, Opened, Weights};
use crate::{
    Failure, Interrupt,
    confidence::{most_likely, softmax},
    output, progress,
};

/// Arguments of `wattlab model cascade`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The small and the large network: torchvision's names, or files.
    #[arg(long, value_name = "SMALL,LARGE", value_delimiter = ',', required = true, num_args = 1)]
    arch: Vec<String>,
    /// Their weights, in the same order; not for ONNX files, which have their own.
    #[arg(long, value_name = "FILE,FILE", value_delimiter = ',', num_args = 1)]
    weights: Vec<PathBuf>,
    #[command(flatten)]
    flags: EvaluationFlags,
    /// Also choose a cascade whose accuracy is higher than the large network's by this share.
    #[arg(long, value_name = "SHARE", default_value_t = 0.004, value_parser = limits::SHARE.parser())]
    gain: f64,
    /// Draw accuracy against the cost of an image as an SVG file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Probabilities of the small network that are in memory at once: 200 megabytes.
const MOST_VALUES: usize = 50_000_000;
/// Points of a curve in the document and in the figure.
const POINTS: usize = 100;

/// Runs `wattlab model cascade`.
///
/// # Errors
///
/// If the networks, their weights, the data or a flag do not fit each other, or the device fails.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let [small, large] = &args.arch[..] else {
        return Err(Failure::BadInput(anyhow!(
            "--arch names {} networks: expected two, the small one and the large one, as SMALL,LARGE",
            args.arch.len()
        )));
    };
    if !matches!(args.weights.len(), 0 | 2) {
        return Err(Failure::BadInput(anyhow!(
            "--weights names {} files: expected two, in the order of --arch",
            args.weights.len()
        )));
    }
    let opened = args.flags.open()?;
    let Opened { device, found, split, images } = &opened;
    if images.len() < 4 {
        return Err(Failure::BadInput(anyhow!(
            "--data has {} images: expected at least 4, because a half chooses the threshold",
            images.len()
        )));
    }
    if images.len().saturating_mul(found.classes.len()) > MOST_VALUES {
        return Err(Failure::BadInput(anyhow!(
            "--data has {} images of {} classes, whose probabilities do not fit into memory; use fewer \
             by --limit",
            images.len(),
            found.classes.len()
        )));
    }
    let meter = args.flags.meter(device)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let evaluate = |arch: &str, place: usize, seen: &mut dyn FnMut(&[f32], u32)| {
        let weights = Weights::of_file(args.weights.get(place).cloned());
        let evaluation = args.flags.evaluation(arch, &weights, &opened)?;
        progress::line(&format!("cascade: {arch} on {} images", images.len()));
        measured(&evaluation, images, &meter, &interrupt, seen)
    };
    let mut probabilities: Vec<f32> = Vec::new();
    let mut answers: Vec<CascadeAnswer> = Vec::new();
    let first = evaluate(small, 0, &mut |logits, label| {
        let row = softmax(logits);
        let (class, confidence) = most_likely(&row);
        let small = class == label as usize;
        answers.push(CascadeAnswer {
            confidence: f64::from(confidence),
            small,
            large: false,
            mean: false,
        });
        probabilities.extend(row);
    })?;
    let mut rows = probabilities.chunks_exact(found.classes.len().max(1)).zip(&mut answers);
    let second = evaluate(large, 1, &mut |logits, label| {
        let Some((small, answer)) = rows.next() else { return };
        let mut row = softmax(logits);
        answer.large = most_likely(&row).0 == label as usize;
        row.iter_mut().zip(small).for_each(|(value, small)| *value += small);
        answer.mean = most_likely(&row).0 == label as usize;
    })?;
    drop(rows);
    let result = Cascade::new(args, [first, second], &answers);
    if let Some(path) = &args.svg {
        output::write_whole(path, report::svg(&result.figure()).as_bytes())
            .with_context(|| {
                format!("failed to write `{}`; choose another by --svg", path.display())
            })
            .map_err(Failure::BadInput)?;
        output::line(&format!("figure: {}", path.display()));
    }
    if args.json {
        return output::print_json(&json!({
            "schema": "wattlab.cascade/1",
            "data": found.name,
            "split": split,
            "images": answers.len(),
            "chosen_on": answers.len().div_ceil(2),
            "measured_on": answers.len() / 2,
            "cost_unit": result.unit,
            "energy_origin": result.origin,
            "networks": result.networks,
            "choices": result.choices,
            "frontier": result.curves.concat(),
            "threads": rayon::current_num_threads(),
            "device": device.name(),
        }));
    }
    result.table(answers.len() / 2).iter().for_each(|line| output::print(line));
    Ok(())
}

/// What a network takes for an image: joules, with their origin, if they are known, and seconds.
struct PerImage {
    joules: Option<(f64, Origin)>,
    seconds: f64,
}

fn measured(
    evaluation: &Evaluation<'_>,
    images: &LabeledImages,
    meter: &Meter,
    interrupt: &Interrupt,
    seen: &mut dyn FnMut(&[f32], u32),
) -> Result<PerImage, Failure> {
    let Measured { inference, warnings, .. } =
        evaluation.measure(images, meter, interrupt, seen)?;
    for warning in &warnings {
        output::line(&format!("warning: {warning}"));
    }
    let images = images.len() as f64;
    let energy = inference.energy();
    Ok(PerImage {
        joules: energy.map(|energy| (energy.joules.0 / images, energy.origin)),
        seconds: inference.seconds / images,
    })
}

/// One of the two networks alone, on the images that did not choose.
#[derive(Debug, Serialize)]
struct Alone {
    network: String,
    accuracy: f64,
    cost: f64,
}

/// A cascade whose threshold was chosen on one half of the images, on the other.
#[derive(Debug, Serialize)]
struct Choice {
    goal: String,
    /// `None` if no threshold reached the goal.
    #[serde(flatten)]
    point: Option<CascadePoint>,
    /// Cost saved against the large network, as a share.
    saved: Option<f64>,
    /// Accuracy above the large network's, with its 95 % interval (normal, paired by image).
    gain: Option<f64>,
    gain_ci95: Option<[f64; 2]>,
}

struct Cascade {
    unit: &'static str,
    origin: Option<Origin>,
    networks: Vec<Alone>,
    choices: Vec<Choice>,
    /// For each rule, by rising cost, on the images that did not choose.
    curves: [Vec<CascadePoint>; 2],
}

impl Cascade {
    fn new(args: &Args, networks: [PerImage; 2], answers: &[CascadeAnswer]) -> Self {
        let [small, large] = networks;
        let (unit, origin, costs) = match (small.joules, large.joules) {
            (Some((small, a)), Some((large, b))) => ("J", Some(a.and(b)), [small, large]),
            _ => ("s", None, [small.seconds, large.seconds]),
        };
        // Neighbors in a file may be alike, so the halves are every other image.
        let half = |odd| answers.iter().skip(odd).step_by(2).copied().collect::<Vec<_>>();
        let (chosen_on, held_out) = (half(0), half(1));
        let share = |right: fn(&CascadeAnswer) -> bool, of: &[CascadeAnswer]| {
            of.iter().filter(|answer| right(answer)).count() as f64 / of.len() as f64
        };
        let target = share(|answer| answer.large, &chosen_on);
        let choice = |goal: String, accuracy: f64| {
            let chosen = cheapest_cascade(&chosen_on, costs, accuracy);
            let point =
                chosen.map(|chosen| cascade(&held_out, costs, chosen.rule, chosen.threshold));
            let gain = point.map(|point| gain(&held_out, &point));
            Choice {
                goal,
                saved: point.map(|point| 1.0 - point.cost / costs[1]),
                gain: gain.map(|gain| gain.0),
                gain_ci95: gain.map(|gain| gain.1),
                point,
            }
        };
        let curve = |rule| thinned(cascade_thresholds(&held_out, costs, rule));
        let alone = |place: usize, right: fn(&CascadeAnswer) -> bool| Alone {
            network: args.arch[place].clone(),
            accuracy: share(right, &held_out),
            cost: costs[place],
        };
        Self {
            unit,
            origin,
            networks: vec![alone(0, |answer| answer.small), alone(1, |answer| answer.large)],
            choices: vec![
                choice("as accurate as the large network".to_owned(), target),
                choice(format!("{:+.2} points", 100.0 * args.gain), target + args.gain),
            ],
            curves: [curve(CascadeRule::Large), curve(CascadeRule::Mean)],
        }
    }

    fn table(&self, images: usize) -> Vec<String> {
        let origin = self.origin.map_or("", Origin::word);
        let cost = |value: f64| format!("{:>10.3} m{} {origin}", 1e3 * value, self.unit);
        let mut lines = vec![format!(
            "on {images} images; the thresholds were chosen on the others. Cost of an image:"
        )];
        for network in &self.networks {
            lines.push(format!(
                "{:<34} {:>6.2} %  {}",
                network.network,
                100.0 * network.accuracy,
                cost(network.cost)
            ));
        }
        for choice in &self.choices {
            let (Some(point), Some(saved), Some(gain), Some([low, high])) =
                (choice.point, choice.saved, choice.gain, choice.gain_ci95)
            else {
                lines.push(format!("cascade, {}: no threshold reached that", choice.goal));
                continue;
            };
            let rule = match point.rule {
                CascadeRule::Mean => "both answer",
                _ => "the large one answers",
            };
            lines.push(format!(
                "cascade, {:<25} {:>6.2} %  {}",
                choice.goal,
                100.0 * point.accuracy,
                cost(point.cost)
            ));
            lines.push(format!(
                "    below {:.4}, {rule}: {:.1} % of the images; {:.1} % less than the large network, {:+.2} \
                 points [{:+.2}, {:+.2}]",
                point.threshold,
                100.0 * point.escalated,
                100.0 * saved,
                100.0 * gain,
                100.0 * low,
                100.0 * high
            ));
        }
        lines
    }

    fn figure(&self) -> Figure {
        let x = match self.origin {
            Some(origin) => Axis::energy("Energy of an image", "mJ", origin),
            None => Axis::new("Time of an image", "ms"),
        };
        let line = |name: &str, points: &[CascadePoint]| Line {
            name: name.to_owned(),
            shape: Shape::Straight,
            points: points
                .iter()
                .map(|point| LinePoint {
                    x: 1e3 * point.cost,
                    y: 100.0 * point.accuracy,
                    band: None,
                })
                .collect(),
        };
        let origin = self.origin.map_or_else(String::new, |origin| format!(" {}", origin.word()));
        let references = self.networks.iter().map(|network| Reference {
            value: 100.0 * network.accuracy,
            label: format!(
                "{} alone, {:.2} m{}{origin}",
                network.network,
                1e3 * network.cost,
                self.unit
            ),
        });
        Figure {
            id: "cascade".to_owned(),
            title: "Accuracy of a cascade against its cost".to_owned(),
            caption: "Each point of a line is a threshold of the small network's confidence, on the images that did \
                      not choose one. From left to right, the large network is asked more often."
                .to_owned(),
            alt: "Two lines that rise steeply from the small network's accuracy and then stay level."
                .to_owned(),
            plot: Plot::Lines(LinePlot {
                x: x.from_zero(),
                y: Axis::new("Right answers", "%"),
                lines: vec![
                    line("the large network answers", &self.curves[0]),
                    line("both answer", &self.curves[1]),
                ],
                references: references.collect(),
            }),
        }
    }
}

/// Accuracy above the large network's on the same images, with the 95 % interval of the mean of the paired
/// differences.
fn gain(answers: &[CascadeAnswer], point: &CascadePoint) -> (f64, [f64; 2]) {
    let difference = |answer: &CascadeAnswer| {
        f64::from(i8::from(answer.is_right(point.rule, point.threshold)) - i8::from(answer.large))
    };
    let n = answers.len() as f64;
    let mean = answers.iter().map(difference).sum::<f64>() / n;
    let squares: f64 = answers.iter().map(|answer| (difference(answer) - mean).powi(2)).sum();
    let half = 1.959_964 * (squares / (n - 1.0) / n).sqrt();
    (mean, [mean - half, mean + half])
}

/// At most [`POINTS`] of the points, the first and the last included.
fn thinned(points: Vec<CascadePoint>) -> Vec<CascadePoint> {
    let step = points.len().div_ceil(POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points.into_iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
    kept.map(|(_, point)| point).collect()
}
