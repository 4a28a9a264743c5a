//! What `wattlab simulate calibrate` measures, and how a description names it.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use inference_sim::{
    BatchMeasurement, Calibration, Clock, LinearFit, SimulationConfig, fit_recovery, limits,
    size_rows,
};
use meter::Meter;
use models::vision::{NetworkInfo, architectures, is_file, network_info};
use record::{Origin, Seconds};

use super::measured::Measured;
use crate::{
    Failure, Interrupt,
    command::simulate::{
        answerer::Answerer,
        batches::{Batches, Found},
        network::{self, DeviceFlags, Network},
        photographs::Photographs,
    },
    config::unknown_key,
    host_load::HostLoad,
    plain_text::without_control,
    progress,
};

/// The batches to measure, and how.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::command::simulate) struct Plan {
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
    pub(in crate::command::simulate) side: Option<usize>,
    #[command(flatten)]
    pub(in crate::command::simulate) images: Photographs,
    #[command(flatten)]
    pub(in crate::command::simulate) place: DeviceFlags,
    /// Number of measurements of each size.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = limits::REPETITIONS.parser::<u32>())]
    pub(in crate::command::simulate) repetitions: u32,
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

/// What is measured, as a description names it.
#[derive(Clone, Debug, Default)]
pub(in crate::command::simulate) struct Described {
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
    /// A command or a server of somebody else.
    pub(super) fn server(name: String) -> Self {
        Self { server: Some(name), ..Self::default() }
    }

    /// A network of this program.
    pub(in crate::command::simulate) fn of(arch: &str, network: &Network, plan: &Plan) -> Self {
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

/// The absolute path of a network's file, or the network's name.
pub(super) fn absolute(arch: &str) -> String {
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

impl Plan {
    pub(in crate::command::simulate) fn check(&self, arch: &str) -> anyhow::Result<()> {
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
    pub(super) fn largest(&self) -> usize {
        self.batches.iter().copied().max().unwrap_or(1)
    }

    /// Whether a flag was given that is about a network of this program.
    pub(super) fn is_of_network(&self) -> bool {
        self.side.is_some()
            || self.images.folder.is_some()
            || self.place.threads.is_some()
            || !self.place.is_default()
    }

    pub(super) fn check_sizes(&self) -> anyhow::Result<()> {
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
    pub(super) fn measure(
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
    pub(in crate::command::simulate) fn once_more(
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
    pub(super) fn describe_with_pace(
        &self,
        described: Described,
        measured: &Measured,
    ) -> Result<SimulationConfig, Failure> {
        let mut config = self.describe(described, measured)?;
        config.service.slowness = measured.slowness_config();
        Ok(config)
    }

    /// The description of a queue before what was measured.
    pub(in crate::command::simulate) fn describe(
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
