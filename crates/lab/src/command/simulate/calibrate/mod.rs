//! `wattlab simulate calibrate`: measures the batches of a network, a command or a server, and describes its queue.

mod cascade;
mod measured;
mod plan;
mod steps;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::ArgGroup;
use inference_sim::{Calibration, LinearFit, SimulationConfig, limits};
use meter::Estimator;
use models::vision::is_file;
use record::Origin;

pub(super) use self::{
    measured::Measured,
    plan::{Described, Plan},
};
use super::{
    answerer::{Answerer, Command, HttpFlags},
    network::Network,
};
use crate::{Failure, Interrupt, output, plain_text::without_control, progress, sensing::Sensing};

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
    let server = |name: &str| Described::server(name.to_owned());
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
