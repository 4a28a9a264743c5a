//! `wattlab simulate calibrate --cascade`: the queue in front of a small network that asks a large one.

use anyhow::anyhow;
use inference_sim::{CascadeConfig, CascadeRule, SimulationConfig, limits};
use meter::Meter;

use super::plan::{Described, Plan, absolute};
use crate::{Failure, Interrupt, command::simulate::network::Network};

/// The large network of a cascade.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// Also measure this large network, which the one of `--arch` asks about images of which it is uncertain.
    #[arg(long, value_name = "NAME|FILE", requires_all = ["arch", "share", "threshold"])]
    cascade: Option<String>,
    /// Share of the images that are asked, as `wattlab model cascade` measures it.
    #[arg(long, value_name = "SHARE", requires = "cascade", value_parser = limits::SHARE.parser())]
    share: Option<f64>,
    /// The large network is asked where the highest probability of the other one is below this.
    #[arg(long, value_name = "SHARE", requires = "cascade", value_parser = limits::SHARE.parser())]
    threshold: Option<f64>,
}

impl Flags {
    /// Whether there is a large network.
    pub(super) fn arch(&self) -> Option<&str> {
        self.cascade.as_deref()
    }

    /// Measures the large network, and adds it to the description of the small one's queue.
    pub(super) fn add(
        &self,
        plan: &Plan,
        meter: &Meter,
        interrupt: &Interrupt,
        mut config: SimulationConfig,
    ) -> Result<SimulationConfig, Failure> {
        let (Some(arch), Some(share), Some(threshold)) =
            (&self.cascade, self.share, self.threshold)
        else {
            return Ok(config);
        };
        let mut network = Network::new(arch, plan.side, &plan.images, &plan.place)?;
        network.check_seen(meter)?;
        let measured = plan.measure(arch, &mut network, meter, interrupt)?;
        let large = plan.describe(Described::of(arch, &network, plan), &measured)?;
        // It runs right after the small network, so that pauses do not matter.
        let mut service = large.service;
        (service.after_pause, service.recovery_s) = (Vec::new(), None);
        let mut cascade =
            CascadeConfig::new(share, service).asking(absolute(arch), threshold, CascadeRule::Mean);
        cascade.batch_table_j = large.power.and_then(|power| power.batch_table_j);
        if cascade.batch_table_j.is_none() {
            config.power = None;
        }
        if let Some(calibration) = &mut config.calibration
            && calibration.image_side != large.calibration.and_then(|large| large.image_side)
        {
            return Err(Failure::BadInput(anyhow!(
                "--arch {} and --cascade {arch} were made for images of different sides; choose one by --side",
                calibration.measured()
            )));
        }
        config.cascade = Some(cascade);
        Ok(config)
    }
}
