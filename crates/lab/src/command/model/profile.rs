//! `wattlab model profile`: what each layer costs, in time and joules.

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
    vision::{VisionNetwork, random_images},
};
use record::{Energy, Joules, Origin};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::net::{ADAM, Kind, Named, Subject};
use crate::{Failure, Interrupt, device::cpu_only, output, progress, sensing::Sensing};

/// Arguments of `wattlab model profile`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// Side of a vision network's images.
    #[arg(long, value_name = "PIXELS", default_value_t = 224)]
    image_side: usize,
    /// Measurements of each pass.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Least duration of a measurement: a pass is repeated in it. Doubled, up to 3.2 s, while a
    /// sensor cannot tell the pass's energy to 5 %.
    #[arg(long, value_name = "S", default_value_t = 0.1)]
    seconds: f64,
    #[command(flatten)]
    sensing: Sensing,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// A mean and its 95 % interval.
#[derive(Clone, Copy, Debug, Serialize)]
struct Estimate {
    mean: f64,
    ci95: [f64; 2],
}

impl Estimate {
    fn half(&self) -> f64 {
        (self.ci95[1] - self.ci95[0]) / 2.0
    }
}

impl Sum<Self> for Estimate {
    /// Half-widths add linearly, as those of energies do: what makes one layer slow or dear, a
    /// neighbor or a sensor, makes the next one so.
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self { mean: 0.0, ci95: [0.0; 2] }, |a, b| Self {
            mean: a.mean + b.mean,
            ci95: [a.ci95[0] + b.ci95[0], a.ci95[1] + b.ci95[1]],
        })
    }
}

/// One pass of one layer.
#[derive(Debug, Serialize)]
struct Row {
    layer: String,
    kind: &'static str,
    pass: &'static str,
    /// Whether it is the difference of a fused pass with and without the layer.
    by_difference: bool,
    time_s: Estimate,
    flops: f64,
    bytes: f64,
    /// Operations a byte; none where nothing goes through memory.
    intensity: Option<f64>,
    /// Beyond the idle power; none where no energy can be told.
    joules: Option<Estimate>,
    /// Of all passes' joules, or of their time where there are none.
    share: f64,
}

/// All layers of a kind.
#[derive(Debug, Serialize)]
struct OfKind {
    kind: &'static str,
    time_s: Estimate,
    flops: f64,
    joules: Option<Estimate>,
    share: f64,
}

#[derive(Debug, Serialize)]
struct Profile {
    schema: &'static str,
    network: String,
    batch: usize,
    threads: usize,
    idle_w: Option<f64>,
    energy_origin: Option<Origin>,
    layers: Vec<Row>,
    by_kind: Vec<OfKind>,
    /// Of all layers, one by one.
    sum_s: f64,
    /// Of a whole forward pass, or of a whole training step with loss and optimizer.
    whole_s: f64,
}

/// Runs it.
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
        return Err(anyhow!("--rounds is {}, an interval needs at least 2", args.rounds));
    }
    if !(args.seconds > 0.0 && args.seconds <= 60.0) {
        return Err(anyhow!("--seconds is {}, expected more than 0 and at most 60", args.seconds));
    }
    Ok(())
}

/// The seconds of a whole step.
fn study(kind: Kind, args: &Args, batch: usize, bench: &mut Bench<'_>) -> Result<f64, Failure> {
    let (images, labels) = args.subject.images(batch);
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

/// The seconds of a whole forward pass.
fn vision(arch: &str, args: &Args, batch: usize, bench: &mut Bench<'_>) -> Result<f64, Failure> {
    let network = VisionNetwork::random(arch, 1000, 1).map_err(Failure::bad_input)?;
    let side = args.image_side;
    network.architecture().check_size(side, side).map_err(Failure::bad_input)?;
    let images = random_images(batch, side, 1).map_err(Failure::run_time)?;
    let all = network.profile(&images, &mut |work, run| bench.measure(work, run));
    if !all.map_err(Failure::run_time)? {
        return Err(Failure::Interrupted);
    }
    let mut times = Vec::new();
    for _ in 0..args.rounds + 1 {
        let start = Instant::now();
        network.forward(&images).map_err(Failure::run_time)?;
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

/// Seconds and joules of one repetition.
struct Round {
    seconds: f64,
    energy: Option<Energy>,
}

impl Bench<'_> {
    fn measure(&mut self, work: &LayerWork, run: &mut dyn FnMut(Variant)) -> ControlFlow<()> {
        // What the caches and the branch predictors learn belongs to no round.
        run(Variant::Whole);
        let mut seconds = self.args.seconds;
        let mut rounds: Vec<Round> = Vec::new();
        while rounds.len() < self.args.rounds {
            if self.interrupt.is_set() {
                return ControlFlow::Break(());
            }
            let whole = self.round(seconds, &mut || run(Variant::Whole));
            // A sensor that counts in large steps needs longer.
            let coarse = whole.energy.is_some_and(|it| {
                it.origin == Origin::Measured && it.uncertainty.0 > 0.05 * it.joules.0.abs()
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
        let times: Vec<f64> = rounds.iter().map(|it| it.seconds).collect();
        let energies: Option<Vec<Energy>> = rounds.iter().map(|it| it.energy).collect();
        if let Some(energies) = &energies {
            let origins = energies.iter().map(|it| it.origin).chain(self.origin);
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
            joules: energies.map(|it| joules(&it)),
            share: 0.0,
        });
        progress::line(&format!("{} {}", work.layer, work.pass.word()));
        ControlFlow::Continue(())
    }

    /// Repeats a pass for so many seconds under one span.
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
        let each = |it: Energy| Energy {
            joules: it.joules * (1.0 / times),
            uncertainty: it.uncertainty * (1.0 / times),
            ..it
        };
        Round { seconds: took / times, energy: energy.map(each) }
    }

    fn profile(self, network: String, batch: usize, whole_s: f64) -> Profile {
        let Self { mut rows, idle, origin, .. } = self;
        let joules: Option<f64> = rows.iter().map(|it| Some(it.joules?.mean)).sum();
        let sum_s: f64 = rows.iter().map(|it| it.time_s.mean).sum();
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
        let by_kind = kinds.iter().map(|it| it.word()).filter_map(|kind| {
            let of: Vec<&Row> = rows.iter().filter(|it| it.kind == kind).collect();
            (!of.is_empty()).then(|| OfKind {
                kind,
                time_s: of.iter().map(|it| it.time_s).sum(),
                flops: of.iter().map(|it| it.flops).sum(),
                joules: of.iter().map(|it| it.joules).sum(),
                share: of.iter().map(|it| it.share).sum(),
            })
        });
        Profile {
            schema: "wattlab.profile/1",
            network,
            batch,
            threads: rayon::current_num_threads(),
            idle_w: idle.map(|it| it.mean.0),
            energy_origin: origin,
            by_kind: by_kind.collect(),
            layers: rows,
            sum_s,
            whole_s,
        }
    }
}

impl Round {
    fn less(self, other: &Self) -> Self {
        let energy = self.energy.zip(other.energy).map(|(a, b)| Energy {
            joules: Joules(a.joules.0 - b.joules.0),
            // The same sensor or model on both sides: what is systematic cancels in proportion.
            uncertainty: Joules((a.uncertainty.0 - b.uncertainty.0).abs()),
            origin: a.origin.and(b.origin),
        });
        Self { seconds: self.seconds - other.seconds, energy }
    }
}

/// The mean of rounds; its interval is Student's, widened by what all rounds share.
fn estimate(values: &[f64], shared: f64) -> Estimate {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let quantile =
        StudentsT::new(0.0, 1.0, n - 1.0).map_or(f64::INFINITY, |it| it.inverse_cdf(0.975));
    let half = (quantile * (variance / n).sqrt()).hypot(shared);
    Estimate { mean, ci95: [mean - half, mean + half] }
}

fn joules(rounds: &[Energy]) -> Estimate {
    let values: Vec<f64> = rounds.iter().map(|it| it.joules.0).collect();
    let shared = rounds.iter().map(|it| it.uncertainty.0).sum::<f64>() / rounds.len() as f64;
    estimate(&values, shared)
}

fn table(profile: &Profile) -> Vec<String> {
    let Profile { network, batch, threads, layers, .. } = profile;
    let width = layers.iter().map(|it| it.layer.chars().count()).max().unwrap_or(0).max(5);
    let origin = profile.energy_origin.map_or("no energy", Origin::word);
    let mut lines = vec![
        format!("{network}, batch {batch}, {threads} threads; joules beyond idle, {origin}"),
        format!(
            "{:<width$} {:<8} {:>19} {:>9} {:>9} {:>9} {:>7} {:>19} {:>7}",
            "layer", "pass", "ms", "GFLOP", "MB", "FLOP/B", "GFLOP/s", "mJ", "share"
        ),
    ];
    for it in layers {
        let ms = format!("{:.3} ± {:.3}", 1e3 * it.time_s.mean, 1e3 * it.time_s.half());
        let joules = it.joules.map_or_else(
            || "none".to_owned(),
            |it| format!("{:.2} ± {:.2}", 1e3 * it.mean, 1e3 * it.half()),
        );
        let intensity = it.intensity.map_or_else(String::new, |it| format!("{it:.1}"));
        let rate = if it.by_difference || it.flops == 0.0 {
            String::new()
        } else {
            format!("{:.0}", it.flops / it.time_s.mean / 1e9)
        };
        lines.push(format!(
            "{:<width$} {:<8} {ms:>19} {:>9.4} {:>9.2} {intensity:>9} {rate:>7} {joules:>19} {:>5.1} %",
            it.layer,
            it.pass,
            it.flops / 1e9,
            it.bytes / 1e6,
            100.0 * it.share
        ));
    }
    for it in &profile.by_kind {
        let joules = it.joules.map_or_else(
            || "none".to_owned(),
            |it| format!("{:.2} ± {:.2} mJ", 1e3 * it.mean, 1e3 * it.half()),
        );
        let ms = format!("{:.3} ± {:.3} ms", 1e3 * it.time_s.mean, 1e3 * it.time_s.half());
        lines.push(format!(
            "all {:<12} {ms:>22} {:>10.4} GFLOP {joules:>24} {:>5.1} %",
            it.kind,
            it.flops / 1e9,
            100.0 * it.share
        ));
    }
    let passes = if layers.iter().any(|it| it.pass == Pass::Backward.word()) {
        "a whole step, with loss and optimizer,"
    } else {
        "a whole forward pass, some images at a time,"
    };
    lines.push(format!(
        "the layers one by one take {:.3} ms, {passes} {:.3} ms",
        1e3 * profile.sum_s,
        1e3 * profile.whole_s
    ));
    lines
}
