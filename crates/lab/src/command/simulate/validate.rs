//! `wattlab simulate validate`: calibrated simulations beside the real thing, cell by cell.

use std::{fs, io::Write, num::NonZeroU32, path::PathBuf};

use anyhow::Context;
use inference_sim::{BatchingConfig, PolicyKind, SimulationConfig};
use meter::Meter;
use record::{Origin, ProbeUse};
use serde::{Deserialize, Serialize};

use super::{
    calibrate::{self, Measured},
    description, live,
    network::Network,
};
use crate::{Failure, Interrupt, others::DISTURBED, output, progress, sensing::Sensing};

/// Arguments of `wattlab simulate validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// torchvision's names of the networks.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    arch: Vec<String>,
    /// Loads: shares of what the largest batches can serve. Each gives a frequency.
    #[arg(long, value_delimiter = ',', default_value = "0.3,0.6")]
    loads: Vec<f64>,
    /// Seconds over which the requests of a cell arrive, in each round.
    #[arg(long, value_name = "S", default_value_t = 15.0)]
    duration: f64,
    /// How often all is calibrated, simulated and served; the table has means. A machine whose
    /// speed drifts, as a shared one's does, is seen at several times.
    #[arg(long, value_name = "N", default_value_t = NonZeroU32::MIN)]
    rounds: NonZeroU32,
    #[command(flatten)]
    plan: calibrate::Plan,
    /// Folder for the calibrations and `cells.jsonl`; what is there is not measured again.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Keep what was measured while others used more than 5 % of the processors.
    #[arg(long)]
    busy: bool,
    #[command(flatten)]
    sensing: Sensing,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// A queue that was simulated and served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cell {
    network: String,
    policy: String,
    load: f64,
    /// From 0.
    #[serde(default)]
    round: u32,
    rate_rps: f64,
    requests: usize,
    live_mean_batch: f64,
    simulated_mean_batch: f64,
    live_response_s: f64,
    simulated_response_s: Option<f64>,
    live_j_per_request: Option<f64>,
    simulated_j_per_request: Option<f64>,
    /// Where the joules are from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    energy_origin: Option<Origin>,
    /// The share of the processors that others used meanwhile.
    others_share: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    /// As measured, round by round.
    cells: &'a [Cell],
    /// Over the rounds.
    means: Vec<Cell>,
    /// What the joules were read from, here and now.
    probes: Vec<ProbeUse>,
    /// The largest relative distances of live from simulated.
    worst_response: f64,
    worst_energy: f64,
}

/// Runs it.
///
/// # Errors
///
/// If a network is unknown, a load makes no sense, or nothing can be written.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    for arch in &args.arch {
        args.plan.check(arch).map_err(Failure::BadInput)?;
    }
    for &(name, value, most) in args
        .loads
        .iter()
        .map(|&it| ("--loads", it, 0.95))
        .chain([("--duration", args.duration, 3600.0)])
        .collect::<Vec<_>>()
        .iter()
    {
        if !(value > 0.0 && value <= most) {
            return Err(Failure::BadInput(anyhow::anyhow!(
                "`{name}` is {value}: expected above 0, at most {most}"
            )));
        }
    }
    let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
    let cells = cells(args, &meter)?;
    let means = means(&cells);
    let worst = |ratio: &dyn Fn(&Cell) -> Option<f64>| {
        means.iter().filter_map(ratio).map(|it| (it - 1.0).abs()).fold(0.0, f64::max)
    };
    let document = Document {
        schema: "wattlab.simulate-validate/1",
        cells: &cells,
        probes: meter.probe_uses(),
        worst_response: worst(&Cell::response),
        worst_energy: worst(&Cell::energy),
        means,
    };
    if args.json {
        return output::print_json(&document);
    }
    output::print(&table(&document));
    Ok(())
}

impl Cell {
    /// Live over simulated.
    fn response(&self) -> Option<f64> {
        Some(self.live_response_s / self.simulated_response_s?)
    }

    /// Live over simulated.
    fn energy(&self) -> Option<f64> {
        Some(self.live_j_per_request? / self.simulated_j_per_request?)
    }
}

/// All cells, those measured earlier too.
fn cells(args: &Args, meter: &Meter) -> Result<Vec<Cell>, Failure> {
    let journal = args.out.join("cells.jsonl");
    let wrong =
        || format!("failed to use `{}`; choose another folder by `--out`", journal.display());
    fs::create_dir_all(&args.out).with_context(wrong).map_err(Failure::BadInput)?;
    let text = if journal.exists() {
        fs::read_to_string(&journal).with_context(wrong).map_err(Failure::BadInput)?
    } else {
        String::new()
    };
    let lines: Result<Vec<Cell>, _> = text.lines().map(serde_json::from_str).collect();
    let mut cells = lines.with_context(wrong).map_err(Failure::BadInput)?;
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&journal)
        .with_context(wrong)
        .map_err(Failure::BadInput)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let each = (0..args.rounds.get()).flat_map(|round| args.arch.iter().map(move |it| (round, it)));
    for (round, arch) in each {
        let known = |&(load, kind): &(f64, PolicyKind)| {
            cells.iter().any(|it| {
                let same = it.network == *arch && it.load == load && it.round == round;
                same && it.policy.starts_with(word(kind))
            })
        };
        let kinds = [PolicyKind::Fixed, PolicyKind::Greedy, PolicyKind::Window];
        let queues = args.loads.iter().flat_map(|&load| kinds.map(|kind| (load, kind)));
        let queues: Vec<_> = queues.filter(|it| !known(it)).collect();
        if queues.is_empty() {
            continue;
        }
        for cell in measure(args, arch, round, &queues, meter, &interrupt)? {
            let share = cell.others_share.unwrap_or_default();
            if share > DISTURBED && !args.busy {
                progress::line(&format!(
                    "{arch}, {}, load {}: left out, because others used {:.0} % of the \
                     processors; call again for it",
                    cell.policy,
                    cell.load,
                    100.0 * share
                ));
                continue;
            }
            let line = serde_json::to_string(&cell).map_err(Failure::run_time)?;
            writeln!(file, "{line}").with_context(wrong).map_err(Failure::RunTime)?;
            cells.push(cell);
        }
    }
    Ok(cells)
}

/// Serves queues, two at a time, and calibrates before, between and after them, so that the tables are
/// of the machine as it was meanwhile; then simulates the same queues.
fn measure(
    args: &Args,
    arch: &str,
    round: u32,
    queues: &[(f64, PolicyKind)],
    meter: &Meter,
    interrupt: &Interrupt,
) -> Result<Vec<Cell>, Failure> {
    let path = args.out.join(match round {
        0 => format!("{arch}.toml"),
        _ => format!("{arch}-{}.toml", round + 1),
    });
    let plan = &args.plan;
    let mut network = Network::new(arch, plan.side, &plan.images, &plan.place)?;
    let mut measured = Measured::begin(&network, meter, interrupt)?;
    let pairs = queues.chunks(2);
    let sweeps = plan.repetitions.div_ceil(pairs.len() as u32 + 1);
    let mut calibrate = |network: &mut Network| {
        for _ in 0..sweeps {
            plan.once_more(network, meter, interrupt, &mut measured)?;
        }
        plan.describe(arch, network.device(), &measured)
    };
    let mut calibrated = calibrate(&mut network)?;
    // Rates follow from the first tables: all queues of a load have the same.
    let first = calibrated.clone();
    let by = live::By { meter, interrupt, warmup: live::WARMUP, compat: None };
    let mut served = Vec::new();
    for pair in pairs {
        for &(load, kind) in pair {
            let mut queue = first.clone();
            prepare(&mut queue, load, args.duration, kind);
            queue.seed = queue.seed.wrapping_add(u64::from(round));
            let live = live::serve_beside(&queue, &path, &mut network, &by)?.live;
            progress::line(&format!("round {}: {arch}, {}, load {load}", round + 1, word(kind)));
            served.push((load, queue, live));
        }
        calibrated = calibrate(&mut network)?;
    }
    measured.warn(arch);
    calibrate::write(&calibrated, &path)?;
    let cell = |(load, queue, live): (f64, SimulationConfig, live::Live)| {
        let SimulationConfig { service, power, .. } = calibrated.clone();
        let queue = SimulationConfig { service, power, ..queue };
        let simulated = inference_sim::simulate(&queue)
            .map_err(|error| Failure::bad_input(description::in_file(&path, error)))?;
        let size = queue.batching.size.unwrap_or_default();
        Ok(Cell {
            network: arch.to_owned(),
            policy: format!("{} {size}", word(queue.batching.policy)),
            load,
            round,
            rate_rps: queue.arrivals.rate.unwrap_or_default(),
            requests: queue.requests,
            live_mean_batch: live.mean_batch,
            simulated_mean_batch: simulated.mean_batch,
            live_response_s: live.mean_response_s,
            simulated_response_s: simulated.mean_response.map(|it| it.0),
            live_j_per_request: live.energy_j_per_request,
            simulated_j_per_request: simulated.energy_per_request.map(|it| it.0),
            energy_origin: live.energy.map(|it| it.origin),
            others_share: live.others_share,
        })
    };
    served.into_iter().map(cell).collect()
}

/// Poisson arrivals of that load for so long, and a policy: full batches of 8, what waits up to 32,
/// or 16 within the time in which 8 arrive.
fn prepare(config: &mut SimulationConfig, load: f64, duration_s: f64, kind: PolicyKind) {
    // A calibration describes half of what can be served.
    let rate = config.arrivals.rate.unwrap_or(1.0) * 2.0 * load;
    config.arrivals.rate = Some(rate);
    config.requests = ((rate * duration_s / 16.0).ceil() as usize).max(4) * 16;
    config.warmup = 0;
    config.batching = match kind {
        PolicyKind::Fixed => BatchingConfig::new(kind, 8),
        PolicyKind::Window => {
            BatchingConfig { delay_s: Some(8.0 / rate), ..BatchingConfig::new(kind, 16) }
        }
        _ => BatchingConfig::new(kind, 32),
    };
}

fn word(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Fixed => "fixed",
        PolicyKind::Window => "window",
        _ => "greedy",
    }
}

/// Each cell's means over its rounds, in order of their first ones; of the requests the sum.
fn means(cells: &[Cell]) -> Vec<Cell> {
    let mut groups: Vec<Vec<&Cell>> = Vec::new();
    for cell in cells {
        let same = |it: &&mut Vec<&Cell>| {
            let other = it[0];
            (&other.network, &other.policy, other.load) == (&cell.network, &cell.policy, cell.load)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(cell),
            None => groups.push(vec![cell]),
        }
    }
    let mean = |group: &[&Cell]| {
        let n = group.len() as f64;
        let of = |value: fn(&Cell) -> f64| group.iter().map(|it| value(it)).sum::<f64>() / n;
        // Where one has none, the mean has none.
        let some = |value: fn(&Cell) -> Option<f64>| {
            let all: Option<Vec<f64>> = group.iter().map(|it| value(it)).collect();
            all.map(|it| it.iter().sum::<f64>() / n)
        };
        Cell {
            requests: group.iter().map(|it| it.requests).sum(),
            rate_rps: of(|it| it.rate_rps),
            live_mean_batch: of(|it| it.live_mean_batch),
            simulated_mean_batch: of(|it| it.simulated_mean_batch),
            live_response_s: of(|it| it.live_response_s),
            simulated_response_s: some(|it| it.simulated_response_s),
            live_j_per_request: some(|it| it.live_j_per_request),
            simulated_j_per_request: some(|it| it.simulated_j_per_request),
            energy_origin: group.iter().filter_map(|it| it.energy_origin).reduce(Origin::and),
            others_share: some(|it| it.others_share),
            ..group[0].clone()
        }
    };
    groups.iter().map(|group| mean(group)).collect()
}

/// In Markdown.
fn table(document: &Document<'_>) -> String {
    let mut lines = vec![
        "| network | policy | requests/s | requests | batch, live | simulated | response, live (s) \
         | simulated | ratio | J/request, live | simulated | ratio |"
            .to_owned(),
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|".to_owned(),
    ];
    for it in &document.means {
        let number =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |it| format!("{it:.4}"));
        let ratio =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |it| format!("{it:.3}"));
        lines.push(format!(
            "| {} | {} | {:.1} | {} | {:.2} | {:.2} | {:.4} | {} | {} | {} | {} | {} |",
            it.network,
            it.policy,
            it.rate_rps,
            it.requests,
            it.live_mean_batch,
            it.simulated_mean_batch,
            it.live_response_s,
            number(it.simulated_response_s),
            ratio(it.response()),
            number(it.live_j_per_request),
            number(it.simulated_j_per_request),
            ratio(it.energy()),
        ));
    }
    lines.push(format!(
        "\nThe farthest: response {:.1} %, energy {:.1} %.",
        100.0 * document.worst_response,
        100.0 * document.worst_energy
    ));
    let origin = document.cells.iter().filter_map(|it| it.energy_origin).reduce(Origin::and);
    if let Some(origin) = origin {
        let probe = |it: &ProbeUse| match &it.model {
            Some(model) => format!("`{}` ({model})", it.probe),
            None => format!("`{}`", it.probe),
        };
        let probes: Vec<String> = document.probes.iter().map(probe).collect();
        lines.push(format!("\nThe joules are {}, by {}.", origin.word(), probes.join(", ")));
    }
    lines.join("\n")
}
