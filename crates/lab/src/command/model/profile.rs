//! `wattlab model profile`: measures the time and energy of each layer.

use std::{
    iter::Sum,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use meter::{Idle, Meter};
use models::{
    Training,
    profile::{LayerKind, LayerWork, Pass, Variant},
    vision::{VisionNetwork, network_info},
};
use record::{Energy, Joules, Origin};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use units::limits;

use super::net::{ADAM, Kind, Named, Subject, room};
use crate::{Failure, Interrupt, device::cpu_only, memory, output, progress, sensing::Sensing};

/// Arguments of `wattlab model profile`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// Side of a vision network's images in pixels [default: that for which the network was made, 224
    /// for those of `wattlab model list`].
    #[arg(long, value_name = "PIXELS", value_parser = limits::IMAGE_SIDE.parser::<usize>())]
    image_side: Option<usize>,
    /// Number of measurements of each pass, at least 2.
    #[arg(long, default_value_t = 5, value_parser = limits::ROUNDS.parser::<usize>())]
    rounds: usize,
    /// Shortest duration of a measurement in seconds, in which the pass is repeated. It is doubled, up to
    /// 3.2 s, if a sensor's uncertainty is more than 5 % of the energy.
    #[arg(
        long,
        value_name = "S",
        default_value_t = 0.1,
        value_parser = limits::POSITIVE_MEASUREMENT_S.parser()
    )]
    seconds: f64,
    #[command(flatten)]
    sensing: Sensing,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// A mean with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, Serialize)]
struct Estimate {
    mean: f64,
    ci95: [f64; 2],
}

impl Estimate {
    /// Half the width of the interval.
    fn half(&self) -> f64 {
        (self.ci95[1] - self.ci95[0]) / 2.0
    }
}

impl Sum<Self> for Estimate {
    /// Half-widths add linearly, as those of energies do, because the errors of layers are not independent: the
    /// same sensor and the same other processes affect all of them.
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self { mean: 0.0, ci95: [0.0; 2] }, |a, b| Self {
            mean: a.mean + b.mean,
            ci95: [a.ci95[0] + b.ci95[0], a.ci95[1] + b.ci95[1]],
        })
    }
}

/// Costs of one pass of one layer.
#[derive(Debug, Serialize)]
struct Row {
    layer: String,
    kind: &'static str,
    pass: &'static str,
    /// Whether it is the difference between a fused pass with and without the layer.
    by_difference: bool,
    time_s: Estimate,
    flops: f64,
    bytes: f64,
    /// Operations per byte; `None` for a pass that reads and writes no memory.
    intensity: Option<f64>,
    /// Energy above idle; `None` if it cannot be measured or estimated.
    joules: Option<Estimate>,
    /// Share of the energy of all passes, or of their time if there is no energy.
    share: f64,
}

/// Total costs of all layers of a kind.
#[derive(Debug, Serialize)]
struct KindTotal {
    kind: &'static str,
    time_s: Estimate,
    flops: f64,
    joules: Option<Estimate>,
    share: f64,
}

/// The result of the command.
#[derive(Debug, Serialize)]
struct Profile {
    schema: &'static str,
    network: String,
    batch: usize,
    threads: usize,
    idle_w: Option<f64>,
    energy_origin: Option<Origin>,
    layers: Vec<Row>,
    by_kind: Vec<KindTotal>,
    /// Sum of the layers' times.
    sum_s: f64,
    /// Time of a whole forward pass, or of a whole training step with loss and optimizer.
    whole_s: f64,
}

/// Runs `wattlab model profile`.
///
/// # Errors
///
/// If a size or a setting does not fit the network.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    check(args).map_err(Failure::BadInput)?;
    let (named, batch, device) = args.subject.start()?;
    if device.name() != "cpu" {
        return Err(Failure::bad_input(cpu_only("a profile of layers", &device)));
    }
    let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let mut bench = Bench {
        idle: meter.idle(Duration::from_secs(1)),
        meter,
        interrupt,
        args,
        rows: Vec::new(),
        origin: None,
    };
    let (network, whole_s) = match named {
        Named::Study(kind) => (kind.word().to_owned(), study(kind, args, batch, &mut bench)?),
        Named::Vision(arch) => (arch.to_owned(), vision(arch, args, batch, &mut bench)?),
    };
    let profile = bench.profile(network, batch, whole_s);
    if args.json {
        return output::print_json(&profile);
    }
    for line in table(&profile) {
        output::print(&line);
    }
    Ok(())
}

fn check(args: &Args) -> anyhow::Result<()> {
    if args.rounds < 2 {
        return Err(anyhow!(
            "--rounds is {}, expected at least 2 for a confidence interval",
            args.rounds
        ));
    }
    Ok(())
}

/// Profiles a training step; returns the time of a whole step in seconds.
fn study(kind: Kind, args: &Args, batch: usize, bench: &mut Bench<'_>) -> Result<f64, Failure> {
    let (images, labels) = args.subject.images(batch)?;
    let mut training = Training::on_one_batch(args.subject.network(kind)?, &ADAM, &images, &labels)
        .map_err(Failure::bad_input)?;
    match training.profile(&mut |work, run| bench.measure(work, run)) {
        Err(models::TrainError::Stopped) => return Err(Failure::Interrupted),
        other => other.map_err(Failure::run_time)?,
    }
    let mut steps = Vec::new();
    for _ in 0..args.rounds + 1 {
        let start = Instant::now();
        training.fit(1, &mut |_| ControlFlow::Continue(())).map_err(Failure::run_time)?;
        steps.push(start.elapsed().as_secs_f64());
    }
    Ok(median(steps))
}

/// Profiles a forward pass; returns the time of a whole pass in seconds.
fn vision(arch: &str, args: &Args, batch: usize, bench: &mut Bench<'_>) -> Result<f64, Failure> {
    let info = network_info(arch).map_err(Failure::bad_input)?;
    let side = args.image_side.unwrap_or(info.usual_side);
    info.check_size(side, side).map_err(Failure::bad_input)?;
    room(batch, info.channels, side, memory::INFERENCE)?;
    let network = VisionNetwork::open(arch, None, None, 1).map_err(Failure::bad_input)?;
    let images = info.random_images(batch, side, 1).map_err(Failure::of_network)?;
    let all = network.profile(&images, &mut |work, run| bench.measure(work, run));
    if !all.map_err(Failure::of_network)? {
        return Err(Failure::Interrupted);
    }
    let mut times = Vec::new();
    for _ in 0..args.rounds + 1 {
        let start = Instant::now();
        network.forward(&images).map_err(Failure::of_network)?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(median(times))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Measures passes.
struct Bench<'a> {
    meter: Meter,
    idle: Option<Idle>,
    interrupt: Interrupt,
    args: &'a Args,
    rows: Vec<Row>,
    origin: Option<Origin>,
}

/// Time and energy of one repetition of a pass.
struct Round {
    seconds: f64,
    energy: Option<Energy>,
}

impl Bench<'_> {
    /// Measures one pass of a layer.
    fn measure(&mut self, work: &LayerWork, run: &mut dyn FnMut(Variant)) -> ControlFlow<()> {
        // Warm up caches and branch predictors.
        run(Variant::Whole);
        let mut seconds = self.args.seconds;
        let mut rounds: Vec<Round> = Vec::new();
        while rounds.len() < self.args.rounds {
            if self.interrupt.is_set() {
                return ControlFlow::Break(());
            }
            let whole = self.round(seconds, &mut || run(Variant::Whole));
            // A sensor with a coarse resolution needs more time.
            let coarse = whole.energy.is_some_and(|Energy { joules, uncertainty, origin }| {
                origin == Origin::Measured && uncertainty.0 > 0.05 * joules.0.abs()
            });
            if rounds.is_empty() && coarse && seconds < 1.6 {
                seconds *= 2.0;
                continue;
            }
            rounds.push(if work.by_difference {
                whole.less(&self.round(seconds, &mut || run(Variant::Without)))
            } else {
                whole
            });
        }
        let times: Vec<f64> = rounds.iter().map(|round| round.seconds).collect();
        let energies: Option<Vec<Energy>> = rounds.iter().map(|round| round.energy).collect();
        if let Some(energies) = &energies {
            let origins = energies.iter().map(|energy| energy.origin).chain(self.origin);
            self.origin = origins.reduce(Origin::and);
        }
        self.rows.push(Row {
            layer: work.layer.clone(),
            kind: work.kind.word(),
            pass: work.pass.word(),
            by_difference: work.by_difference,
            time_s: estimate(&times, 0.0),
            flops: work.flops,
            bytes: work.bytes,
            intensity: work.intensity(),
            joules: energies.map(|energies| joules(&energies)),
            share: 0.0,
        });
        progress::line(&format!("{} {}", work.layer, work.pass.word()));
        ControlFlow::Continue(())
    }

    /// Repeats a pass for at least `seconds` seconds within one span.
    fn round(&self, seconds: f64, run: &mut dyn FnMut()) -> Round {
        let span = self.meter.span("layer");
        let start = Instant::now();
        let mut times = 0.0;
        while times == 0.0 || start.elapsed().as_secs_f64() < seconds {
            run();
            times += 1.0;
        }
        let took = start.elapsed().as_secs_f64();
        let report = span.end();
        let energy = match &self.idle {
            Some(idle) => idle.above(&report),
            None => report.total,
        };
        let each = |energy: Energy| Energy {
            joules: energy.joules * (1.0 / times),
            uncertainty: energy.uncertainty * (1.0 / times),
            ..energy
        };
        Round { seconds: took / times, energy: energy.map(each) }
    }

    /// Computes shares and totals.
    fn profile(self, network: String, batch: usize, whole_s: f64) -> Profile {
        let Self { mut rows, idle, origin, .. } = self;
        let joules: Option<f64> = rows.iter().map(|row| Some(row.joules?.mean)).sum();
        let sum_s: f64 = rows.iter().map(|row| row.time_s.mean).sum();
        for row in &mut rows {
            row.share = match (row.joules, joules) {
                (Some(own), Some(all)) if all > 0.0 => own.mean / all,
                _ => row.time_s.mean / sum_s,
            };
        }
        let kinds = [
            LayerKind::Convolution,
            LayerKind::Linear,
            LayerKind::Norm,
            LayerKind::Activation,
            LayerKind::Pooling,
            LayerKind::Attention,
            LayerKind::Other,
        ];
        let by_kind = kinds.iter().map(|kind| kind.word()).filter_map(|kind| {
            let rows: Vec<&Row> = rows.iter().filter(|row| row.kind == kind).collect();
            (!rows.is_empty()).then(|| KindTotal {
                kind,
                time_s: rows.iter().map(|row| row.time_s).sum(),
                flops: rows.iter().map(|row| row.flops).sum(),
                joules: rows.iter().map(|row| row.joules).sum(),
                share: rows.iter().map(|row| row.share).sum(),
            })
        });
        Profile {
            schema: "wattlab.profile/1",
            network,
            batch,
            threads: rayon::current_num_threads(),
            idle_w: idle.map(|idle| idle.mean.0),
            energy_origin: origin,
            by_kind: by_kind.collect(),
            layers: rows,
            sum_s,
            whole_s,
        }
    }
}

impl Round {
    /// The difference of two rounds.
    fn less(self, other: &Self) -> Self {
        let energy = self.energy.zip(other.energy).map(|(a, b)| Energy {
            joules: Joules(a.joules.0 - b.joules.0),
            // Both come from the same sensor or model, so systematic errors cancel in proportion.
            uncertainty: Joules((a.uncertainty.0 - b.uncertainty.0).abs()),
            origin: a.origin.and(b.origin),
        });
        Self { seconds: self.seconds - other.seconds, energy }
    }
}

/// The mean of rounds with Student's interval, widened by the uncertainty that all rounds share.
fn estimate(values: &[f64], shared: f64) -> Estimate {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let quantile = StudentsT::new(0.0, 1.0, n - 1.0)
        .map_or(f64::INFINITY, |distribution| distribution.inverse_cdf(0.975));
    let half = (quantile * (variance / n).sqrt()).hypot(shared);
    Estimate { mean, ci95: [mean - half, mean + half] }
}

fn joules(rounds: &[Energy]) -> Estimate {
    let values: Vec<f64> = rounds.iter().map(|energy| energy.joules.0).collect();
    let uncertainties = rounds.iter().map(|energy| energy.uncertainty.0);
    let shared = uncertainties.sum::<f64>() / rounds.len() as f64;
    estimate(&values, shared)
}

fn table(profile: &Profile) -> Vec<String> {
    let Profile { network, batch, threads, layers, .. } = profile;
    let width = layers.iter().map(|row| row.layer.chars().count()).max().unwrap_or(0).max(5);
    let origin = profile.energy_origin.map_or("no energy", Origin::word);
    let mut lines = vec![
        format!("{network}, batch {batch}, {threads} threads; energy above idle, {origin}"),
        format!(
            "{:<width$} {:<8} {:>19} {:>9} {:>9} {:>9} {:>7} {:>19} {:>7}",
            "layer", "pass", "ms", "GFLOP", "MB", "FLOP/B", "GFLOP/s", "mJ", "share"
        ),
    ];
    for row in layers {
        let ms = format!("{:.3} ± {:.3}", 1e3 * row.time_s.mean, 1e3 * row.time_s.half());
        let joules = row.joules.map_or_else(
            || "none".to_owned(),
            |joules| format!("{:.2} ± {:.2}", 1e3 * joules.mean, 1e3 * joules.half()),
        );
        let intensity = row.intensity.map_or_else(String::new, |value| format!("{value:.1}"));
        let rate = if row.by_difference || row.flops == 0.0 {
            String::new()
        } else {
            format!("{:.0}", row.flops / row.time_s.mean / 1e9)
        };
        lines.push(format!(
            "{:<width$} {:<8} {ms:>19} {:>9.4} {:>9.2} {intensity:>9} {rate:>7} {joules:>19} {:>5.1} %",
            row.layer,
            row.pass,
            row.flops / 1e9,
            row.bytes / 1e6,
            100.0 * row.share
        ));
    }
    for total in &profile.by_kind {
        let joules = total.joules.map_or_else(
            || "none".to_owned(),
            |joules| format!("{:.2} ± {:.2} mJ", 1e3 * joules.mean, 1e3 * joules.half()),
        );
        let ms = format!("{:.3} ± {:.3} ms", 1e3 * total.time_s.mean, 1e3 * total.time_s.half());
        lines.push(format!(
            "all {:<12} {ms:>22} {:>10.4} GFLOP {joules:>24} {:>5.1} %",
            total.kind,
            total.flops / 1e9,
            100.0 * total.share
        ));
    }
    let passes = if layers.iter().any(|row| row.pass == Pass::Backward.word()) {
        "a whole training step with loss and optimizer takes"
    } else {
        "a whole forward pass, a few images at a time, takes"
    };
    lines.push(format!(
        "the layers one by one take {:.3} ms, {passes} {:.3} ms",
        1e3 * profile.sum_s,
        1e3 * profile.whole_s
    ));
    lines
}
