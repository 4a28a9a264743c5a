//! `wattlab simulate calibrate`: a network's batches, measured once.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use inference_sim::{
    Calibration, Fit, Observation, SimulationConfig, Stretch, recovery, size_rows,
};
use meter::Meter;
use models::{Device, vision::architectures};
use record::{Origin, Seconds, Watts};

use super::{
    batches::{Batches, Found, idle},
    network::{self, Network, Place},
    photographs::Photographs,
};
use crate::{
    Failure, Interrupt, config::unknown_key, host_load::HostLoad, output, progress,
    sensing::Sensing,
};

/// Arguments of `wattlab simulate calibrate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// torchvision's name of the network.
    #[arg(long, value_name = "NAME")]
    arch: String,
    #[command(flatten)]
    plan: Plan,
    /// Where the description goes; NAME.toml if left out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sensing: Sensing,
    /// Print what was written as one JSON document.
    #[arg(long)]
    json: bool,
}

/// What is measured, and how.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Plan {
    /// Batch sizes.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3,4,5,6,8,12,16,24,32")]
    batches: Vec<usize>,
    /// Side of the square images.
    #[arg(long, value_name = "PIXELS", default_value_t = 224)]
    pub(super) side: usize,
    #[command(flatten)]
    pub(super) images: Photographs,
    #[command(flatten)]
    pub(super) place: Place,
    /// Measurements of each size, in turns.
    #[arg(long, default_value_t = 5)]
    pub(super) repetitions: u32,
    /// Least busy time of a measurement: small batches are repeated in it.
    #[arg(long, value_name = "S", default_value_t = 0.3)]
    seconds: f64,
    /// Pauses, in seconds, after which batches are measured too, besides those that follow another:
    /// others use the processor meanwhile, and the next batch takes longer. 0 for none.
    #[arg(long, value_name = "S", value_delimiter = ',', default_value = "0.002,0.01,0.06")]
    pauses: Vec<f64>,
}

/// Runs it.
///
/// # Errors
///
/// If the network or a size is unknown, or nothing can be measured or written.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    args.plan.check(&args.arch).map_err(Failure::BadInput)?;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.toml", args.arch)));
    let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let mut network =
        Network::new(&args.arch, args.plan.side, &args.plan.images, &args.plan.place)?;
    let config = args.plan.measure(&args.arch, &mut network, &meter, &interrupt)?;
    write(&config, &out)?;
    progress::line(&format!("written: {}", out.display()));
    if args.json {
        return output::print_json(&config);
    }
    for line in table(&config) {
        output::print(&line);
    }
    Ok(())
}

/// Writes a description with its header.
pub(super) fn write(config: &SimulationConfig, out: &Path) -> Result<(), Failure> {
    let text = toml::to_string(config).map_err(Failure::run_time)?;
    let network = config.calibration.as_ref().map_or("", |it| it.network.as_str());
    let header = format!(
        "# Written by `wattlab simulate calibrate --arch {network}`: edit `arrivals` and `batching`,\n\
         # then `wattlab simulate` or `wattlab simulate tune` it.\n",
    );
    output::write_whole(out, (header + &text).as_bytes())
        .with_context(|| format!("failed to write `{}`; choose another by `--out`", out.display()))
        .map_err(Failure::BadInput)
}

impl Plan {
    pub(super) fn check(&self, arch: &str) -> anyhow::Result<()> {
        let names = || architectures().iter().map(|it| it.name);
        let Some(known) = architectures().iter().find(|it| it.name == arch) else {
            let near = unknown_key::nearest(arch, names());
            let near = near.map_or_else(String::new, |it| format!("; did you mean `{it}`?"));
            let names = names().collect::<Vec<_>>().join(", ");
            return Err(anyhow!("`--arch` is `{arch}`: expected one of {names}{near}"));
        };
        let different = {
            let mut sizes = self.batches.clone();
            sizes.sort_unstable();
            sizes.dedup();
            sizes.len() > 1 && sizes[0] > 0
        };
        if !different {
            let found = &self.batches;
            return Err(anyhow!("`--batches` is {found:?}: expected two or more sizes, from 1"));
        }
        known
            .check_size(self.side, self.side)
            .with_context(|| format!("`--side` is {}", self.side))?;
        let largest = self.batches.iter().copied().max().unwrap_or(1);
        network::fits(largest, self.side)
            .with_context(|| format!("`--batches` has {largest} and `--side` is {}", self.side))?;
        if self.repetitions == 0 {
            return Err(anyhow!("`--repetitions` is 0: expected at least 1"));
        }
        if !(self.seconds.is_finite() && (0.0..=3600.0).contains(&self.seconds)) {
            return Err(anyhow!("`--seconds` is {}: expected 0 to 3600", self.seconds));
        }
        if let Some(found) = self.pauses.iter().find(|it| !(0.0..=10.0).contains(*it)) {
            return Err(anyhow!("`--pauses` has {found}: expected seconds from 0 to 10"));
        }
        Ok(())
    }

    pub(super) fn measure(
        &self,
        arch: &str,
        network: &mut Network,
        meter: &Meter,
        interrupt: &Interrupt,
    ) -> Result<SimulationConfig, Failure> {
        let mut measured = Measured::begin(network, meter, interrupt)?;
        for repetition in 0..self.repetitions {
            self.once_more(network, meter, interrupt, &mut measured)?;
            progress::line(&format!(
                "calibrate {arch}: {} of {} rounds",
                repetition + 1,
                self.repetitions
            ));
        }
        measured.warn(arch);
        self.describe(arch, network.device(), &measured)
    }

    /// Measures every size once more.
    pub(super) fn once_more(
        &self,
        network: &mut Network,
        meter: &Meter,
        interrupt: &Interrupt,
        measured: &mut Measured,
    ) -> Result<(), Failure> {
        let mut pauses = [&[0.0], self.pauses.as_slice()].concat();
        pauses.sort_by(f64::total_cmp);
        pauses.dedup();
        // Each once, to and fro, so that drift does not pass for an effect of the size.
        let mut sizes = self.batches.clone();
        sizes.sort_unstable();
        sizes.dedup();
        if measured.rounds % 2 == 1 {
            sizes.reverse();
        }
        measured.rounds += 1;
        let idle = measured.idle;
        // As live: measuring a batch is a part of its service, of small ones some percent.
        network.metered(Some(meter));
        let mut batches = Batches { network, meter, interrupt, idle, next: 0 };
        for (size, &pause) in sizes.into_iter().flat_map(|it| pauses.iter().map(move |p| (it, p))) {
            batches.serve(size)?;
            // Whatever else runs on the machine makes a batch slower: it is measured again.
            const TRIES: usize = 6;
            let mut tries = 0;
            let Found { service, cv, energy } = loop {
                let others = HostLoad::watch();
                let found = batches.repeat(size, self.seconds, pause)?;
                tries += 1;
                if !others.disturbed() {
                    break found;
                }
                if tries == TRIES {
                    measured.disturbed += 1;
                    break found;
                }
            };
            let origin = energy.map(|it| it.origin);
            measured.origin = measured.origin.into_iter().chain(origin).reduce(Origin::and);
            let energy = energy.map(|it| it.joules);
            let pause = Seconds(pause);
            measured.observations.push(Observation { size, pause, service, cv, energy });
        }
        // Of the smallest batches: they tell best how soon what a pause did is over.
        let smallest = self.batches.iter().copied().min().unwrap_or(1);
        for &pause in pauses.iter().filter(|&&it| it > 0.0) {
            batches.serve(smallest)?;
            let stretch = batches.stretches(smallest, self.seconds, pause)?;
            measured.stretches.push(stretch);
        }
        network.metered(None);
        network.parts();
        Ok(())
    }

    /// The queue before what was measured.
    pub(super) fn describe(
        &self,
        arch: &str,
        device: &Device,
        measured: &Measured,
    ) -> Result<SimulationConfig, Failure> {
        let observations = &measured.observations;
        let points = |value: &dyn Fn(&Observation) -> Option<f64>| -> Vec<(f64, f64)> {
            let at_once = observations.iter().filter(|it| it.pause.0 == 0.0);
            let each = at_once.filter_map(|it| Some((it.size as f64, value(it)?)));
            each.filter(|point| point.1 > 0.0).collect()
        };
        let time = Fit::new(&points(&|it| Some(it.service.0)))
            .context("the batches took no time that could be measured")
            .map_err(Failure::RunTime)?;
        let cpu = crate::environment::environment(Vec::new()).machine.cpu;
        let calibration = Calibration {
            network: arch.to_owned(),
            image_side: self.side,
            // Whoever serves from another folder means the same photographs.
            images: self
                .images
                .folder
                .as_ref()
                .map(|it| it.canonicalize().unwrap_or_else(|_| it.clone())),
            cache_images: self.images.cached,
            threads: NonZeroUsize::new(rayon::current_num_threads()),
            device: device.model_name().map(|_| device.name().to_owned()),
            machine: device.model_name().map_or_else(|| cpu.clone(), |it| format!("{cpu}, {it}")),
            energy_origin: measured.origin,
            time,
            energy: Fit::new(&points(&|it| Some(it.energy?.0))),
            sizes: size_rows(observations),
        };
        let mut config = calibration.describe(measured.idle);
        if !config.service.after_pause.is_empty() {
            let law = config.service.law().map_err(Failure::run_time)?;
            config.service.recovery_s = Some(recovery(&law, &measured.stretches).0);
        }
        Ok(config)
    }
}

/// What was measured so far.
pub(super) struct Measured {
    observations: Vec<Observation>,
    stretches: Vec<Stretch>,
    origin: Option<Origin>,
    /// Before the first.
    idle: Option<Watts>,
    /// Measurements during which others used the machine.
    disturbed: usize,
    rounds: u32,
}

impl Measured {
    /// Nothing but the idle power.
    pub(super) fn begin(
        network: &Network,
        meter: &Meter,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        network.check_seen(meter)?;
        let idle = idle(meter, interrupt)?;
        Ok(Self {
            observations: Vec::new(),
            stretches: Vec::new(),
            origin: None,
            idle,
            disturbed: 0,
            rounds: 0,
        })
    }

    /// As they were measured.
    pub(super) fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// As if these had been measured, and nothing else.
    pub(super) fn only(&self, observations: Vec<Observation>) -> Self {
        Self { observations, stretches: Vec::new(), ..*self }
    }

    /// Says how much of it cannot be trusted.
    pub(super) fn warn(&self, arch: &str) {
        if self.disturbed > 0 {
            progress::line(&format!(
                "warning: {} of {} measurements of {arch} were disturbed by others, who used more \
                 than 5 % of the processors: end them and calibrate again",
                self.disturbed,
                self.observations.len()
            ));
        }
    }
}

pub(super) fn table(config: &SimulationConfig) -> Vec<String> {
    let Some(calibration) = &config.calibration else { return Vec::new() };
    let spread = |mean: f64, sd: Option<f64>| {
        sd.map_or_else(String::new, |sd| format!(" ± {:.1} %", 100.0 * sd / mean))
    };
    let per_request = |joules: f64, size: usize| joules / size as f64;
    let mut lines = vec![format!(
        "{:>6} {:>8} {:>20} {:>24} {:>12}",
        "batch", "pause", "time", "energy", "J/request"
    )];
    for row in &calibration.sizes {
        let time = format!("{:.5} s{}", row.mean_s, spread(row.mean_s, row.sd_s));
        let energy = row.mean_j.map(|it| format!("{it:.4} J{}", spread(it, row.sd_j)));
        let each = row.mean_j.map(|it| format!("{:.4}", per_request(it, row.size)));
        let none = || "none".to_owned();
        let (energy, each) = (energy.unwrap_or_else(none), each.unwrap_or_else(none));
        let pause = format!("{} s", row.pause_s);
        lines.push(format!("{:>6} {pause:>8} {time:>20} {energy:>24} {each:>12}", row.size));
    }
    let fit = |fit: &Fit, unit: &str| {
        let interval = |it: Option<[f64; 2]>| {
            it.map_or_else(String::new, |[low, high]| format!(" [{low:.5}, {high:.5}]"))
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
    if let Some(recovery_s) = config.service.recovery_s {
        lines.push(format!("what a pause did fades by e in {recovery_s:.4} s of service"));
    }
    if let Some(power) = &config.power {
        lines.push(format!("idle: {:.2} W", power.idle.0));
    }
    lines
}
