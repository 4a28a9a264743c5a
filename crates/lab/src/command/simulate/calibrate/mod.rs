//! `wattlab simulate calibrate`: measures the batches of a network, a command or a server, and describes its queue.

mod cascade;
mod steps;

use std::{
    ffi::OsString,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::ArgGroup;
use inference_sim::{
    BatchMeasurement, BatchSequence, Calibration, Clock, LinearFit, PaceSample, RealClock,
    SimulationConfig, SlownessConfig, fit_recovery, fit_slowness, limits, size_rows,
};
use meter::{Estimator, Meter};
use models::vision::{NetworkInfo, architectures, is_file, network_info};
use record::{Origin, Seconds, Watts};

use super::{
    answerer::{Answerer, Command, HttpFlags},
    batches::{Batches, Found, idle},
    network::{self, DeviceFlags, Network},
    photographs::Photographs,
};
use crate::{
    Failure, Interrupt, config::unknown_key, host_load::HostLoad, output,
    plain_text::without_control, progress, sensing::Sensing,
};

/// Arguments of `wattlab simulate calibrate`.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("server").required(true).args(["arch", "url", "command", "steps"]))]
pub(super) struct Args {
    /// torchvision's name of the network, or the path of a network's file (`FILE.toml`, `FILE.onnx`).
    #[arg(long, value_name = "NAME|FILE")]
    arch: Option<String>,
    #[command(flatten)]
    http: HttpFlags,
    #[command(flatten)]
    cascade: cascade::Flags,
    /// Fit the laws of the steps of a generative model to this CSV file of measured steps: the columns `tokens` and
    /// `seconds`, and optionally `sequences`, `context`, `pairs` and `joules`. Nothing is measured.
    #[arg(long, value_name = "FILE")]
    steps: Option<PathBuf>,
    /// Power of the server between the steps, in watts; for `--steps` with joules.
    #[arg(long, value_name = "WATTS", requires = "steps", value_parser = limits::POWER_W.parser())]
    idle: Option<f64>,
    /// Measure this command, which must keep running. It reads a number from each line of its standard input,
    /// answers that many requests as one batch, and then prints the number as a line.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
    /// The longest time that a command or a server may take for a batch, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60.0,
        value_parser = limits::POSITIVE_WAIT_S.parser()
    )]
    timeout: f64,
    #[command(flatten)]
    plan: Plan,
    /// Write the description to this file; by default NAME.toml, NAME-queue.toml for a network's file, server.toml
    /// for a command or a server, and steps.toml for measured steps.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sensing: Sensing,
    /// Print the description as one JSON document.
    #[arg(long)]
    json: bool,
}

/// The batches to measure, and how.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Plan {
    /// Batch sizes to measure.
    #[arg(
        long,
        value_name = "SIZES",
        value_delimiter = ',',
        default_value = "1,2,3,4,5,6,8,12,16,24,32",
        value_parser = limits::BATCH.parser::<usize>()
    )]
    batches: Vec<usize>,
    /// Side of the square images [default: that for which the network was made, 224 for those of
    /// `wattlab model list`].
    #[arg(long, value_name = "PIXELS", value_parser = limits::IMAGE_SIDE.parser::<usize>())]
    pub(super) side: Option<usize>,
    #[command(flatten)]
    pub(super) images: Photographs,
    #[command(flatten)]
    pub(super) place: DeviceFlags,
    /// Number of measurements of each size.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = limits::REPETITIONS.parser::<u32>())]
    pub(super) repetitions: u32,
    /// Minimum busy time of a measurement, in seconds; small batches are repeated.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0.3,
        value_parser = limits::MEASUREMENT_S.parser()
    )]
    seconds: f64,
    /// Also measure batches that begin after a pause of these lengths in seconds, because they take
    /// longer than batches that follow one another at once; 0 for none.
    #[arg(
        long,
        value_name = "SECONDS",
        value_delimiter = ',',
        default_value = "0.002,0.01,0.06",
        value_parser = limits::PAUSE_S.parser()
    )]
    pauses: Vec<f64>,
}

/// Runs the command.
///
/// # Errors
///
/// If the network is unknown or a size is not valid, or if measuring or writing fails.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(file) = &args.steps {
        let out = args.out.clone().unwrap_or_else(|| PathBuf::from("steps.toml"));
        return steps::run(file, args.idle, &out, args.json);
    }
    let default = || args.arch.as_deref().map_or_else(|| PathBuf::from("server.toml"), described);
    let out = args.out.clone().unwrap_or_else(default);
    let config = match &args.arch {
        Some(arch) => calibrate_network(arch, args)?,
        None => calibrate_server(args)?,
    };
    write(&config, &out)?;
    progress::line(&format!("wrote `{}`", out.display()));
    if args.json {
        return output::print_json(&config);
    }
    for line in table(&config) {
        output::print(&line);
    }
    Ok(())
}

fn calibrate_network(arch: &str, args: &Args) -> Result<SimulationConfig, Failure> {
    args.plan.check(arch).map_err(Failure::BadInput)?;
    if let Some(large) = args.cascade.arch() {
        args.plan.check(large).map_err(Failure::BadInput)?;
    }
    let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let mut network = Network::new(arch, args.plan.side, &args.plan.images, &args.plan.place)?;
    network.check_seen(&meter)?;
    let measured = args.plan.measure(arch, &mut network, &meter, &interrupt)?;
    let subject = Described::of(arch, &network, &args.plan);
    let config = args.plan.describe_with_pace(subject, &measured)?;
    args.cascade.add(&args.plan, &meter, &interrupt, config)
}

/// Measures a command or a server of somebody else.
fn calibrate_server(args: &Args) -> Result<SimulationConfig, Failure> {
    args.plan.check_sizes().map_err(Failure::BadInput)?;
    if args.plan.is_of_network() {
        return Err(Failure::BadInput(anyhow!(
            "--side, --images, --threads and --device are about a network of this program, expected --arch; a command \
             or a server decides them itself"
        )));
    }
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let builder = args.sensing.builder()?;
    let patience = Duration::from_secs_f64(args.timeout);
    let server = |name: &str| Described { server: Some(name.to_owned()), ..Described::default() };
    match &args.http.url {
        Some(url) => {
            let mut http = args.http.server(url, args.plan.largest(), patience)?;
            // An estimate would be of this process, which only waits.
            let meter = builder.estimator(None).start().map_err(Failure::bad_input)?;
            if !http.has_joules() {
                progress::line(&format!(
                    "note: `{}` is not on this machine, so the description has no joules",
                    http.text()
                ));
            } else if meter.probe_uses().is_empty() {
                progress::line(
                    "note: no sensor measures this machine, so the description has no joules; to estimate them, \
                     let `wattlab` start the server (`-- CMD`)",
                );
            }
            let measured = args.plan.measure(url, &mut http, &meter, &interrupt)?;
            args.plan.describe_with_pace(server(&http.text()), &measured)
        }
        None => {
            // The CPU time of a command includes that of the processes it starts.
            let model = Estimator::for_this_processor().with_children();
            let meter = builder.estimator(model).start().map_err(Failure::bad_input)?;
            let mut command = Command::start(&args.command, patience, &interrupt)?;
            let name = command.text().to_owned();
            let measured = args.plan.measure(&name, &mut command, &meter, &interrupt)?;
            args.plan.describe_with_pace(server(&name), &measured)
        }
    }
}

/// What is measured, as a description names it.
#[derive(Clone, Debug, Default)]
pub(super) struct Described {
    network: Option<String>,
    server: Option<String>,
    image_side: Option<usize>,
    images: Option<PathBuf>,
    cache_images: bool,
    threads: Option<NonZeroUsize>,
    device: Option<String>,
    device_model: Option<String>,
}

impl Described {
    /// A network of this program.
    pub(super) fn of(arch: &str, network: &Network, plan: &Plan) -> Self {
        let (device, images) = (network.device(), &plan.images);
        Self {
            // Absolute paths, so that the description is valid in any folder.
            network: Some(absolute(arch)),
            server: None,
            image_side: Some(network.side()),
            images: images
                .folder
                .as_ref()
                .map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.clone())),
            cache_images: images.cached,
            threads: NonZeroUsize::new(rayon::current_num_threads()),
            device: device.model_name().map(|_| device.name().to_owned()),
            device_model: device.model_name().map(str::to_owned),
        }
    }
}

/// The name of a network without the folder and the ending of its file.
pub(super) fn short(arch: &str) -> &str {
    match is_file(arch) {
        true => Path::new(arch).file_stem().and_then(|name| name.to_str()).unwrap_or(arch),
        false => arch,
    }
}

/// The default path of a description. It differs from the path of the network's own file.
fn described(arch: &str) -> PathBuf {
    let queue = if is_file(arch) { "-queue" } else { "" };
    PathBuf::from(format!("{}{queue}.toml", short(arch)))
}

/// The absolute path of a network's file, or the network's name.
fn absolute(arch: &str) -> String {
    let path = if is_file(arch) { Path::new(arch).canonicalize().ok() } else { None };
    path.and_then(|path| path.to_str().map(str::to_owned)).unwrap_or_else(|| arch.to_owned())
}

/// The images that a network of the catalog or of a file accepts.
fn known(arch: &str) -> anyhow::Result<NetworkInfo> {
    if is_file(arch) {
        return network_info(arch).context("--arch");
    }
    let names = || architectures().iter().map(|architecture| architecture.name);
    if let Some(known) = architectures().iter().find(|architecture| architecture.name == arch) {
        return Ok(known.info());
    }
    let near = unknown_key::nearest(arch, names());
    let near = near.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    let names = names().collect::<Vec<_>>().join(", ");
    Err(anyhow!("`--arch` is `{arch}`: expected one of {names}{near}"))
}

/// Writes a description with a comment at its beginning.
pub(super) fn write(config: &SimulationConfig, out: &Path) -> Result<(), Failure> {
    let text = toml::to_string(config).map_err(Failure::run_time)?;
    let measured = config.calibration.as_ref().map_or("", Calibration::measured);
    let measured = without_control(measured);
    let header = format!(
        "# Measured by `wattlab simulate calibrate`: {measured}\n\
         # Edit `arrivals` and `batching`, then `wattlab simulate` or `wattlab simulate tune` it.\n",
    );
    output::write_whole(out, (header + &text).as_bytes())
        .with_context(|| {
            format!("failed to write `{}`; choose another path with `--out`", out.display())
        })
        .map_err(Failure::BadInput)
}

impl Plan {
    pub(super) fn check(&self, arch: &str) -> anyhow::Result<()> {
        let known = known(arch)?;
        self.check_sizes()?;
        let side = self.side.unwrap_or(known.usual_side);
        known.check_size(side, side).with_context(|| format!("`--side` is {side}"))?;
        let largest = self.largest();
        network::fits(largest, known.channels, side)
            .with_context(|| format!("`--batches` has {largest} and `--side` is {side}"))?;
        Ok(())
    }

    /// The largest batch.
    fn largest(&self) -> usize {
        self.batches.iter().copied().max().unwrap_or(1)
    }

    /// Whether a flag was given that is about a network of this program.
    fn is_of_network(&self) -> bool {
        self.side.is_some()
            || self.images.folder.is_some()
            || self.place.threads.is_some()
            || !self.place.is_default()
    }

    fn check_sizes(&self) -> anyhow::Result<()> {
        let different = {
            let mut sizes = self.batches.clone();
            sizes.sort_unstable();
            sizes.dedup();
            sizes.len() > 1
        };
        if !different {
            let found = &self.batches;
            return Err(anyhow!("`--batches` is {found:?}: expected two or more different sizes"));
        }
        Ok(())
    }

    /// Measures every size as often as asked for; `name` is that of the network or the server.
    fn measure(
        &self,
        name: &str,
        server: &mut dyn Answerer,
        meter: &Meter,
        interrupt: &Interrupt,
    ) -> Result<Measured, Failure> {
        let name = without_control(name);
        if !server.is_in_this_process() {
            // A server may still be starting, which must not count as idle power.
            server.answer(&[0])?;
        }
        let mut measured = Measured::begin(meter, interrupt)?;
        for repetition in 0..self.repetitions {
            self.once_more(server, meter, interrupt, &mut measured)?;
            progress::line(&format!(
                "calibrate {name}: {} of {} rounds",
                repetition + 1,
                self.repetitions
            ));
        }
        measured.warn(&name);
        Ok(measured)
    }

    /// Measures every size once more.
    pub(super) fn once_more(
        &self,
        server: &mut dyn Answerer,
        meter: &Meter,
        interrupt: &Interrupt,
        measured: &mut Measured,
    ) -> Result<(), Failure> {
        let mut pauses = [&[0.0], self.pauses.as_slice()].concat();
        pauses.sort_by(f64::total_cmp);
        pauses.dedup();
        // The order alternates, so that drift of the machine does not look like an effect of the size.
        let mut sizes = self.batches.clone();
        sizes.sort_unstable();
        sizes.dedup();
        if measured.rounds % 2 == 1 {
            sizes.reverse();
        }
        measured.rounds += 1;
        let idle = measured.idle;
        // As in a live queue: measuring is a part of the service, some percent of small batches.
        server.metered(Some(meter));
        let (is_in_this_process, has_joules) = (server.is_in_this_process(), server.has_joules());
        let mut batches = Batches { server: &mut *server, meter, interrupt, idle, next: 0 };
        for (size, &pause) in
            sizes.into_iter().flat_map(|size| pauses.iter().map(move |p| (size, p)))
        {
            batches.serve(size)?;
            // Other processes make a batch slower: it is then measured again.
            const TRIES: usize = 6;
            let mut tries = 0;
            let Found { service, cv, energy } = loop {
                let others = HostLoad::watch();
                let found = batches.repeat(size, self.seconds, pause)?;
                tries += 1;
                // The work of another process cannot be told from a disturbance.
                if !is_in_this_process || !others.disturbed() {
                    break found;
                }
                if tries == TRIES {
                    measured.disturbed += 1;
                    break found;
                }
            };
            let energy = energy.filter(|_| has_joules);
            let origin = energy.map(|energy| energy.origin);
            measured.origin = measured.origin.into_iter().chain(origin).reduce(Origin::and);
            let energy = energy.map(|energy| energy.joules);
            let pause = Seconds(pause);
            measured.observations.push(BatchMeasurement { size, pause, service, cv, energy });
            measured.times.push(Seconds(measured.clock.now()));
        }
        // The smallest batches show best how fast the effect of a pause fades.
        let smallest = self.batches.iter().copied().min().unwrap_or(1);
        for &pause in pauses.iter().filter(|&&pause| pause > 0.0) {
            batches.serve(smallest)?;
            let sequence = batches.sequence(smallest, self.seconds, pause)?;
            measured.sequences.push(sequence);
        }
        server.metered(None);
        Ok(())
    }

    /// The description of a queue before what was measured, with the slowness of the machine, if its speed varied.
    fn describe_with_pace(
        &self,
        described: Described,
        measured: &Measured,
    ) -> Result<SimulationConfig, Failure> {
        let mut config = self.describe(described, measured)?;
        config.service.slowness = measured.slowness_config();
        Ok(config)
    }

    /// The description of a queue before what was measured.
    pub(super) fn describe(
        &self,
        subject: Described,
        measured: &Measured,
    ) -> Result<SimulationConfig, Failure> {
        let observations = &measured.observations;
        let points = |value: &dyn Fn(&BatchMeasurement) -> Option<f64>| -> Vec<(f64, f64)> {
            let at_once = observations.iter().filter(|batch| batch.pause.0 == 0.0);
            let each = at_once.filter_map(|batch| Some((batch.size as f64, value(batch)?)));
            each.filter(|point| point.1 > 0.0).collect()
        };
        let time = LinearFit::new(&points(&|batch| Some(batch.service.0)))
            .context("the batches took no measurable time; raise `--seconds`")
            .map_err(Failure::RunTime)?;
        let cpu = crate::environment::environment(Vec::new()).machine.cpu;
        let calibration = Calibration {
            network: subject.network,
            server: subject.server,
            image_side: subject.image_side,
            images: subject.images,
            cache_images: subject.cache_images,
            threads: subject.threads,
            device: subject.device,
            machine: match subject.device_model {
                Some(model) => format!("{cpu}, {model}"),
                None => cpu,
            },
            energy_origin: measured.origin,
            time,
            energy: LinearFit::new(&points(&|batch| Some(batch.energy?.0))),
            sizes: size_rows(observations),
        };
        let mut config = calibration.describe(measured.idle);
        if !config.service.after_pause.is_empty() {
            let law = config.service.law().map_err(Failure::run_time)?;
            config.service.recovery_s = Some(fit_recovery(&law, &measured.sequences).0);
        }
        Ok(config)
    }
}

/// The measurements so far.
pub(super) struct Measured {
    observations: Vec<BatchMeasurement>,
    /// When each observation ended.
    times: Vec<Seconds>,
    clock: RealClock,
    sequences: Vec<BatchSequence>,
    origin: Option<Origin>,
    /// The idle power before the first measurement.
    idle: Option<Watts>,
    /// Number of measurements during which other processes used the machine.
    disturbed: usize,
    rounds: u32,
}

impl Measured {
    /// Measures the idle power.
    pub(super) fn begin(meter: &Meter, interrupt: &Interrupt) -> Result<Self, Failure> {
        let idle = idle(meter, interrupt)?;
        Ok(Self {
            observations: Vec::new(),
            times: Vec::new(),
            clock: RealClock::start(),
            sequences: Vec::new(),
            origin: None,
            idle,
            disturbed: 0,
            rounds: 0,
        })
    }

    /// In the order in which they were measured.
    pub(super) fn observations(&self) -> &[BatchMeasurement] {
        &self.observations
    }

    /// The same with these measurements alone.
    pub(super) fn only(&self, observations: Vec<BatchMeasurement>) -> Self {
        Self { observations, times: Vec::new(), sequences: Vec::new(), ..*self }
    }

    /// [`Measured::slowness`] for a description.
    pub(super) fn slowness_config(&self) -> Option<SlownessConfig> {
        self.slowness().map(|(cv, fades)| SlownessConfig::new(cv, fades.0))
    }

    /// How much the speed of the machine varied between the measurements, and for how long.
    fn slowness(&self) -> Option<(f64, Seconds)> {
        let mean = |like: &BatchMeasurement| {
            let alike = self
                .observations
                .iter()
                .filter(|batch| (batch.size, batch.pause) == (like.size, like.pause));
            let (sum, count) =
                alike.fold((0.0, 0.0), |(sum, count), batch| (sum + batch.service.0, count + 1.0));
            sum / count
        };
        let samples: Vec<PaceSample> = self
            .times
            .iter()
            .zip(&self.observations)
            .map(|(&time, batch)| PaceSample { time, ratio: batch.service.0 / mean(batch) })
            .collect();
        fit_slowness(&samples)
    }

    /// Warns about disturbed measurements.
    pub(super) fn warn(&self, arch: &str) {
        if self.disturbed > 0 {
            progress::line(&format!(
                "warning: {} of {} measurements of {arch} were disturbed: other processes used more \
                 than 5 % of the processors; end them and calibrate again",
                self.disturbed,
                self.observations.len()
            ));
        }
    }
}

pub(super) fn table(config: &SimulationConfig) -> Vec<String> {
    let Some(calibration) = &config.calibration else { return Vec::new() };
    let spread = |mean: f64, sd: Option<f64>| {
        sd.filter(|_| mean > 0.0)
            .map_or_else(String::new, |sd| format!(" ± {:.1} %", 100.0 * sd / mean))
    };
    let per_request = |joules: f64, size: usize| joules / size as f64;
    let mut lines = vec![format!(
        "{:>6} {:>8} {:>20} {:>24} {:>12}",
        "batch", "pause", "time", "energy", "J/request"
    )];
    for row in &calibration.sizes {
        let time = format!("{:.5} s{}", row.mean_s, spread(row.mean_s, row.sd_s));
        let energy = row.mean_j.map(|mean| format!("{mean:.4} J{}", spread(mean, row.sd_j)));
        let each = row.mean_j.map(|mean| format!("{:.4}", per_request(mean, row.size)));
        let none = || "none".to_owned();
        let (energy, each) = (energy.unwrap_or_else(none), each.unwrap_or_else(none));
        let pause = format!("{} s", row.pause_s);
        lines.push(format!("{:>6} {pause:>8} {time:>20} {energy:>24} {each:>12}", row.size));
    }
    let fit = |fit: &LinearFit, unit: &str| {
        let interval = |bounds: Option<[f64; 2]>| {
            bounds.map_or_else(String::new, |[low, high]| format!(" [{low:.5}, {high:.5}]"))
        };
        format!(
            "{:.5}{} {unit} + n · {:.5}{} {unit}, within {:.1} % of every mean",
            fit.base,
            interval(fit.base_ci95),
            fit.per_item,
            interval(fit.per_item_ci95),
            100.0 * fit.worst_relative
        )
    };
    lines.push(format!("t(n) = {}", fit(&calibration.time, "s")));
    if let Some(energy) = &calibration.energy {
        let origin = calibration.energy_origin.map_or("", Origin::word);
        lines.push(format!("E(n) = {} ({origin})", fit(energy, "J")));
    }
    if let Some(cascade) = &config.cascade {
        let network = cascade.network.as_deref().unwrap_or("none");
        for (size, seconds) in cascade.service.table.iter().flatten() {
            lines.push(format!("{size:>6} images of {network}: {seconds:.5} s"));
        }
    }
    if let Some(recovery_s) = config.service.recovery_s {
        lines.push(format!(
            "the effect of a pause fades by a factor of e in {recovery_s:.4} s of service"
        ));
    }
    if let Some(slowness) = config.service.slowness {
        lines.push(format!(
            "the machine's speed varied by {:.1} %, for about {:.3} s at a time",
            100.0 * slowness.cv,
            slowness.fades_s
        ));
    }
    if let Some(power) = &config.power {
        lines.push(format!("idle: {:.2} W", power.idle.0));
    }
    lines
}
