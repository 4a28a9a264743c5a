//! `wattlab simulate mlperf`: MLPerf's scenarios, simulated or with the real network.

use std::{ops::ControlFlow, path::PathBuf};

use anyhow::{Context, anyhow};
use inference_sim::{
    BuiltInPolicy, ModeledServer, Policy, PolicyContext, RealClock, Scenario, ScenarioRules,
    ScenarioSummary, ServiceLaw, SimulationConfig, VirtualClock, chrome_trace, highest_rate,
    limits, run_scenario,
};

use super::{description, network::Network};
use crate::{Failure, Interrupt, output};

/// Arguments of `wattlab simulate mlperf`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Description of the server, a TOML file: `service`, `batching` and `seed` are used.
    file: PathBuf,
    /// The scenario.
    #[arg(long)]
    scenario: Kind,
    /// For `server`: seconds that 99 % of the responses must not exceed.
    #[arg(
        long,
        value_name = "SECONDS",
        required_if_eq("scenario", "server"),
        value_parser = limits::POSITIVE_DURATION_S.parser()
    )]
    bound: Option<f64>,
    /// For `server`: requests per second; by default the highest valid rate is searched. For `offline`: the
    /// expected rate, which sets the number of requests; by default the capacity of the service.
    #[arg(long, value_parser = limits::RATE_PER_S.parser())]
    rate: Option<f64>,
    /// For `multi-stream`: requests per query.
    #[arg(long, default_value_t = 8, value_parser = limits::SAMPLES.parser::<usize>())]
    samples: usize,
    /// Minimum number of queries.
    #[arg(long, default_value_t = 24_576, value_parser = limits::QUERIES.parser::<usize>())]
    queries: usize,
    /// Minimum duration, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 600.0,
        value_parser = limits::WAIT_S.parser()
    )]
    duration: f64,
    /// Serve with the real network of a calibrated description, in real time.
    #[arg(long)]
    live: bool,
    /// Write the batches to this file, as a Chrome trace.
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

/// Runs the command.
///
/// # Errors
///
/// If the description or a flag is not valid, or no rate keeps to the bound.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    check(args).map_err(Failure::BadInput)?;
    let config = description::read(&args.file).map_err(Failure::bad_input)?;
    let bad = |error| Failure::bad_input(description::in_file(&args.file, error));
    let law = config.service.law().map_err(bad)?;
    let rate = config.arrivals.rate.unwrap_or(1.0);
    let policy = config.batching.policy(&PolicyContext::new(rate, &law)).map_err(bad)?;
    let mut server = Server::new(args, &config, law, policy)?;
    let summary = match (args.scenario, args.bound, args.rate) {
        (Kind::SingleStream, ..) => server.run(Scenario::SingleStream)?,
        (Kind::MultiStream, ..) => server.run(Scenario::MultiStream { samples: args.samples })?,
        (Kind::Offline, _, expected) => {
            let expected =
                expected.unwrap_or_else(|| server.law.capacity(1, server.policy.max_size()));
            // LoadGen's `expected_qps` with its slack of a tenth, so that the test lasts long enough.
            let enough = (1.1 * args.duration * expected).ceil();
            let enough = limits::QUERIES.check(enough.max(1.0) as u64).map_err(|error| {
                Failure::BadInput(anyhow!(
                    "flag `--duration`: {error}; give a smaller `--rate` or `--duration`"
                ))
            })?;
            server.rules.min_queries = server.rules.min_queries.max(enough as usize);
            server.run(Scenario::Offline)?
        }
        (Kind::Server, Some(bound_s), Some(rate)) => {
            server.run(Scenario::Server { rate, bound_s })?
        }
        (Kind::Server, bound_s, _) => {
            let bound_s = bound_s.unwrap_or(f64::INFINITY);
            let capacity = server.law.capacity(1, server.policy.max_size());
            let capacity = limits::RATE_PER_S
                .check(capacity)
                .map_err(|error| Failure::bad_input(error.of_key("capacity of `service`")))?;
            let test = |rate| server.run(Scenario::Server { rate, bound_s });
            let (_, summary) = highest_rate(capacity / 1000.0, capacity, test)?
                .with_context(|| {
                    format!(
                        "at no rate are 99 % of the responses within {bound_s} s; raise `--bound`"
                    )
                })
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
    if args.live && matches!(args.scenario, Kind::Server) && args.rate.is_none() {
        return Err(anyhow!(
            "`--rate` is missing: `--live` needs it under `server`, because a search takes too long"
        ));
    }
    Ok(())
}

/// The server and the policy, which each test starts anew.
struct Server {
    law: ServiceLaw,
    policy: BuiltInPolicy,
    network: Option<Network>,
    rules: ScenarioRules,
    seed: u64,
    interrupt: Interrupt,
}

impl Server {
    fn new(
        args: &Args,
        config: &SimulationConfig,
        law: ServiceLaw,
        policy: BuiltInPolicy,
    ) -> Result<Self, Failure> {
        let network = if args.live {
            let calibration = config.calibration.as_ref().ok_or_else(|| {
                Failure::BadInput(anyhow!(
                    "simulation `{}`: `calibration` is missing, which names the network to \
                     serve; write the file with `wattlab simulate calibrate`",
                    args.file.display()
                ))
            })?;
            Some(Network::calibrated(calibration)?)
        } else {
            None
        };
        let rules = ScenarioRules {
            min_queries: args.queries,
            min_duration_s: args.duration,
            confidence: 0.99,
        };
        let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
        Ok(Self { law, policy, network, rules, seed: config.seed, interrupt })
    }

    fn run(&mut self, scenario: Scenario) -> Result<ScenarioSummary, Failure> {
        let Self { law, policy, network, rules, seed, interrupt } = self;
        let mut policy = policy.clone();
        let control = &mut || match interrupt.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let summary = if let Some(network) = network {
            run_scenario(scenario, rules, *seed, &mut policy, network, &RealClock::start(), control)
                .map_err(anyhow::Error::from)
        } else {
            let clock = VirtualClock::new();
            let mut modeled = ModeledServer::new(law.clone(), *seed, &clock);
            run_scenario(scenario, rules, *seed, &mut policy, &mut modeled, &clock, control)
                .map_err(anyhow::Error::from)
        };
        summary.map_err(|error| {
            if interrupt.is_set() { Failure::Interrupted } else { Failure::RunTime(error) }
        })
    }
}

/// The summary in the form of LoadGen's log.
fn text(summary: &ScenarioSummary) -> String {
    let scenario = match summary.scenario {
        Scenario::SingleStream => "SingleStream".to_owned(),
        Scenario::MultiStream { samples } => format!("MultiStream of {samples}"),
        Scenario::Server { rate, bound_s } => format!("Server at {rate:.3}/s within {bound_s} s"),
        Scenario::Offline => "Offline".to_owned(),
        _ => format!("{:?}", summary.scenario),
    };
    let early =
        summary.early_stopping_s.map_or_else(|| "none".to_owned(), |bound| format!("{bound:.6}"));
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
    lines
        .extend(summary.reasons.iter().map(|reason| format!("reason                    {reason}")));
    lines.join("\n")
}
