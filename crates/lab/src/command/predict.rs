//! `wattlab predict`: the joules of a training before it runs.

use std::ops::ControlFlow;

use anyhow::anyhow;
use models::vision::{VisionNetwork, network_info};
use report::EvidenceBundle;
use serde_json::json;
use units::limits;

use crate::{
    Failure, memory, output,
    predict::{FITTED_ON, Model, NetworkWork},
};

/// Arguments of `wattlab predict`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A vision network: by torchvision's name (see `wattlab model list`), or by the path of a network's file
    /// (`FILE.toml`, `FILE.onnx`).
    #[arg(value_name = "NETWORK")]
    network: String,
    /// The GPU that would train the network, such as `Quadro RTX 6000`, `V100`, `A40` or `P100`. For other names,
    /// the interval covers the differences between these.
    #[arg(long, value_name = "NAME", default_value = FITTED_ON)]
    device: String,
    /// Side of the images in pixels [default: that for which the network was made].
    #[arg(long, value_name = "PIXELS", value_parser = limits::IMAGE_SIDE.parser::<usize>())]
    image_side: Option<usize>,
    /// Number of images that the training sees: epochs times images. Without it, joules are per image.
    #[arg(long, value_name = "N", value_parser = limits::IMAGES_SEEN.parser::<u64>())]
    images: Option<u64>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs `wattlab predict`.
///
/// # Errors
///
/// If the network cannot be read.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let bundle = EvidenceBundle::embedded().map_err(Failure::run_time)?;
    let model = Model::fitted(&bundle).ok_or_else(|| {
        Failure::RunTime(anyhow!("the measured trainings are not in this program"))
    })?;
    let device = model
        .devices
        .ratio(&args.device)
        .ok_or_else(|| Failure::RunTime(anyhow!("too few devices were measured")))?;
    let (side, work) = work(args)?;
    let found = model.predict(&work, &device);
    let images = args.images.map_or(1.0, |images| images as f64);
    let [joules, low, high] =
        [found.joules, found.interval[0], found.interval[1]].map(|joules| joules * images);
    let is_known = model.devices.names().any(|name| name == device.device);
    let calibration = &model.calibration;
    if args.json {
        return output::print_json(&json!({
            "schema": "wattlab.predict/1",
            "network": args.network,
            "image_side": side,
            "device": device.device,
            "device_is_known": is_known,
            "device_from": device.from,
            "scope": "gpu",
            "phase": "training",
            "origin": "estimated",
            "images": args.images.unwrap_or(1),
            "joules": joules,
            "interval95": [low, high],
            "is_beyond_measured_networks": found.is_beyond,
            "forward_flops_per_image": work.flops,
            "forward_bytes_per_image": work.bytes,
            "layers": work.passes,
            "model": {
                "joules_per_forward_flop": model.coefficients.per_flop,
                "joules_per_forward_byte": model.coefficients.per_byte,
                "joules_per_layer": model.coefficients.per_pass,
                "networks": calibration.networks,
                "architectures_left_out": calibration.groups,
                "median_error": calibration.median_error,
                "coverage95": calibration.coverage,
            },
        }));
    }
    let per = args.images.map_or_else(|| "image".to_owned(), |images| format!("{images} images"));
    output::print(&format!(
        "{} at {side}×{side} pixels, training on {}: {} per {per}, estimated (95 % interval {} to {})",
        args.network,
        device.device,
        output::joules(joules),
        output::joules(low),
        output::joules(high)
    ));
    output::print(&format!(
        "  GPU joules; {:.2} GFLOP and {:.1} MB per image in {} layers; device: {}",
        work.flops / 1e9,
        work.bytes / 1e6,
        work.passes,
        device.from
    ));
    output::print(&format!(
        "  fitted on {} measured networks; with architectures left out, the median error is {:.1} % and the \
         interval covers {:.1} %",
        calibration.networks,
        calibration.median_error * 100.0,
        calibration.coverage * 100.0
    ));
    if found.is_beyond {
        output::print(
            "  the network is larger or smaller than all measured ones, so the interval is that of \
             extrapolations, widened by the distance",
        );
    }
    Ok(())
}

/// The images' side and the network's work for one image.
///
/// Weights are read once per batch, so the work is what two images need beyond one.
fn work(args: &Args) -> Result<(usize, NetworkWork), Failure> {
    let arch = args.network.as_str();
    let info = network_info(arch).map_err(Failure::bad_input)?;
    let side = args.image_side.unwrap_or(info.usual_side);
    info.check_size(side, side).map_err(Failure::bad_input)?;
    memory::fits(2, info.channels, side, memory::INFERENCE)
        .map_err(|error| Failure::BadInput(error.context("--image-side")))?;
    let network = VisionNetwork::open(arch, None, None, 1).map_err(Failure::bad_input)?;
    let one = profiled(&network, 1, side)?;
    let two = profiled(&network, 2, side)?;
    let (flops, bytes) = (two.flops - one.flops, two.bytes - one.bytes);
    Ok((side, NetworkWork { flops, bytes, passes: one.passes }))
}

fn profiled(network: &VisionNetwork, batch: usize, side: usize) -> Result<NetworkWork, Failure> {
    let images = network.info().random_images(batch, side, 1).map_err(Failure::run_time)?;
    let mut sum = NetworkWork::default();
    network
        .profile(&images, &mut |work, _| {
            sum.flops += work.flops;
            sum.bytes += work.bytes;
            sum.passes += f64::from(u8::from(!work.by_difference && work.bytes > 0.0));
            ControlFlow::Continue(())
        })
        .map_err(Failure::run_time)?;
    Ok(sum)
}
