//! `wattlab simulate mlperf`: MLPerf's scenarios, simulated or with the real network.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use inference_sim::{
    BatchEnergy, BatchingPolicy, Control, Expected, Modeled, Real, Rules, Scenario, ServiceLaw,
    SimulationConfig, Summary, Virtual, chrome_trace, highest_rate, run_scenario,
};

use super::{description, network::Network};
use crate::{Failure, Interrupt, output};

/// Arguments of `wattlab simulate mlperf`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Description of the server, as TOML: its `service`, `batching` and `seed` are used.
    file: PathBuf,
    /// The scenario.
    #[arg(long)]
    scenario: Kind,
    /// Seconds that 99 % of the responses of `server` must not exceed.
    #[arg(long, value_name = "S", required_if_eq("scenario", "server"))]
    bound: Option<f64>,
    /// Requests per second of `server`; the highest valid rate is searched if left out.
    #[arg(long)]
    rate: Option<f64>,
    /// Requests per query of `multi-stream`.
    #[arg(long, default_value_t = 8)]
    samples: usize,
    /// Queries at least.
    #[arg(long, default_value_t = 24_576)]
    queries: usize,
    /// Seconds at least.
    #[arg(long, value_name = "S", default_value_t = 600.0)]
    duration: f64,
    /// Serve with the real network of a calibrated description, in real time.
    #[arg(long)]
    live: bool,
    /// Write the batches as a Chrome trace.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    SingleStream,
    MultiStream,
    Server,
    Offline,
}

/// Runs it.
///
/// # Errors
///
/// If the description names no server, or a bound makes no sense.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    check(args).map_err(Failure::BadInput)?;
    let config = description::read(&args.file).map_err(Failure::bad_input)?;
    let bad = |error| Failure::bad_input(description::in_file(&args.file, error));
    let law = config.service.law().map_err(bad)?;
    let energy = BatchEnergy::power(1.0);
    let rate = config.arrivals.rate.unwrap_or(1.0);
    let expected = Expected { rate, law: &law, energy: &energy, idle_w: 0.0 };
    let policy = config.batching.policy(&expected).map_err(bad)?;
    let mut server = Server::new(args, &config, law, policy)?;
    let summary = match (args.scenario, args.bound, args.rate) {
        (Kind::SingleStream, ..) => server.run(Scenario::SingleStream)?,
        (Kind::MultiStream, ..) => server.run(Scenario::MultiStream { samples: args.samples })?,
        (Kind::Offline, ..) => server.run(Scenario::Offline)?,
        (Kind::Server, Some(bound_s), Some(rate)) => {
            server.run(Scenario::Server { rate, bound_s })?
        }
        (Kind::Server, bound_s, _) => {
            let bound_s = bound_s.unwrap_or(f64::INFINITY);
            let capacity = server.law.capacity(1, server.policy.max_size());
            let test = |rate| server.run(Scenario::Server { rate, bound_s });
            let (_, summary) = highest_rate(capacity / 1000.0, capacity, test)?
                .with_context(|| format!("no rate keeps to {bound_s} s; raise `--bound`"))
                .map_err(Failure::BadInput)?;
            summary
        }
    };
    if let Some(path) = &args.trace {
        output::write_whole(path, chrome_trace(&summary.serving).as_bytes())
            .with_context(|| {
                format!("failed to write `{}`; choose another by `--trace`", path.display())
            })
            .map_err(Failure::BadInput)?;
    }
    if args.json {
        return output::print_json(&summary);
    }
    output::print(&text(&summary));
    Ok(())
}

fn check(args: &Args) -> anyhow::Result<()> {
    let positive = |name: &str, value: Option<f64>| match value {
        Some(value) if !(value.is_finite() && value > 0.0) => {
            Err(anyhow!("`{name}` is {value}: expected a finite number above 0"))
        }
        _ => Ok(()),
    };
    positive("--bound", args.bound)?;
    positive("--rate", args.rate)?;
    if !(args.duration.is_finite() && args.duration >= 0.0) {
        return Err(anyhow!("`--duration` is {}: expected seconds, at least 0", args.duration));
    }
    if args.queries == 0 || args.samples == 0 {
        return Err(anyhow!("`--queries` or `--samples` is 0: expected at least 1"));
    }
    if args.live && matches!(args.scenario, Kind::Server) && args.rate.is_none() {
        return Err(anyhow!("`--live` needs `--rate` under `server`: a search takes too long"));
    }
    Ok(())
}

/// What serves, afresh in each test.
struct Server {
    law: ServiceLaw,
    policy: BatchingPolicy,
    network: Option<Network>,
    rules: Rules,
    seed: u64,
    interrupt: Interrupt,
}

impl Server {
    fn new(
        args: &Args,
        config: &SimulationConfig,
        law: ServiceLaw,
        policy: BatchingPolicy,
    ) -> Result<Self, Failure> {
        let network = if args.live {
            let calibration = config.calibration.as_ref().ok_or_else(|| {
                Failure::BadInput(anyhow!(
                    "simulation `{}`: `calibration` is missing: it says which network to serve; \
                     write the file by `wattlab simulate calibrate`",
                    args.file.display()
                ))
            })?;
            Some(Network::calibrated(calibration)?)
        } else {
            None
        };
        let rules =
            Rules { min_queries: args.queries, min_duration_s: args.duration, confidence: 0.99 };
        let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
        Ok(Self { law, policy, network, rules, seed: config.seed, interrupt })
    }

    fn run(&mut self, scenario: Scenario) -> Result<Summary, Failure> {
        let Self { law, policy, network, rules, seed, interrupt } = self;
        let mut policy = policy.clone();
        let control = &mut || if interrupt.is_set() { Control::Stop } else { Control::Continue };
        let summary = if let Some(network) = network {
            run_scenario(scenario, rules, *seed, &mut policy, network, &Real::start(), control)
                .map_err(anyhow::Error::from)
        } else {
            let clock = Virtual::new();
            let mut modeled = Modeled::new(law.clone(), *seed, &clock);
            run_scenario(scenario, rules, *seed, &mut policy, &mut modeled, &clock, control)
                .map_err(anyhow::Error::from)
        };
        summary.map_err(|error| {
            if interrupt.is_set() { Failure::Interrupted } else { Failure::RunTime(error) }
        })
    }
}

/// In the manner of LoadGen's summary log.
fn text(summary: &Summary) -> String {
    let scenario = match summary.scenario {
        Scenario::SingleStream => "SingleStream".to_owned(),
        Scenario::MultiStream { samples } => format!("MultiStream of {samples}"),
        Scenario::Server { rate, bound_s } => format!("Server at {rate:.3}/s within {bound_s} s"),
        Scenario::Offline => "Offline".to_owned(),
    };
    let early = summary.early_stopping_s.map_or_else(|| "none".to_owned(), |it| format!("{it:.6}"));
    let mut lines = vec![
        format!("scenario                  {scenario}"),
        format!("result is                 {}", if summary.valid { "VALID" } else { "INVALID" }),
        format!("queries                   {}", summary.queries),
        format!("duration (s)              {:.3}", summary.duration_s),
        format!("samples per second        {:.3}", summary.throughput_rps),
        format!(
            "p{:.0} latency (s)           {:.6}",
            100.0 * summary.percentile,
            summary.latency_s
        ),
        format!("early stopping bound (s)  {early}"),
    ];
    lines.extend(summary.reasons.iter().map(|it| format!("because                   {it}")));
    lines.join("\n")
}
