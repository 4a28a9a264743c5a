//! `wattlab simulate validate`: compares calibrated simulations with served queues.

mod cell;
mod served;
mod table;

use std::{fs, io::Write, num::NonZeroU32, path::PathBuf};

use anyhow::Context;
use inference_sim::limits;
use meter::Meter;

use self::{
    cell::Cell,
    served::{POLICIES, Round},
    table::{Document, Mean, Ratio, means, table},
};
use super::calibrate;
use crate::{Failure, Interrupt, output, progress, sensing::Sensing};

/// Arguments of `wattlab simulate validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// torchvision's names of the networks.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    arch: Vec<String>,
    /// Loads of the queues, as shares of the highest rate that the network can serve in batches.
    #[arg(
        long,
        value_name = "SHARES",
        value_delimiter = ',',
        default_value = "0.3,0.6",
        value_parser = limits::STABLE_LOAD.parser()
    )]
    loads: Vec<f64>,
    /// Seconds over which the requests of a queue arrive, in each round.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 15.0,
        value_parser = limits::POSITIVE_MEASUREMENT_S.parser()
    )]
    duration: f64,
    /// Minimum number of rounds. Each round calibrates, serves and simulates every queue, and the table
    /// shows the means, so that more rounds average over the changing speed of a shared machine. Batches
    /// are measured between the queues even if `--repetitions` is smaller.
    #[arg(
        long,
        value_name = "N",
        default_value_t = NonZeroU32::MIN,
        value_parser = limits::ROUNDS.parser::<NonZeroU32>()
    )]
    rounds: NonZeroU32,
    /// Serve a queue in further rounds until the relative standard errors of its ratios (live over
    /// simulated) are at most this share, such as 0.03.
    #[arg(
        long,
        value_name = "SHARE",
        requires = "most_rounds",
        value_parser = limits::POSITIVE_SHARE.parser()
    )]
    precision: Option<f64>,
    /// Maximum number of rounds; by default `--rounds`. Further rounds repeat queues that were left
    /// out or are not precise enough.
    #[arg(long, value_name = "N", value_parser = limits::ROUNDS.parser::<NonZeroU32>())]
    most_rounds: Option<NonZeroU32>,
    #[command(flatten)]
    plan: calibrate::Plan,
    /// Folder for the calibrations and `cells.jsonl`; queues that are already in it are not measured
    /// again.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Keep queues during which other processes used more than 5 % of the processors or the machine's
    /// speed changed by more than 10 %.
    #[arg(long)]
    busy: bool,
    #[command(flatten)]
    sensing: Sensing,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// If a network is unknown, a flag is not valid, or the folder cannot be written.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    for arch in &args.arch {
        args.plan.check(arch).map_err(Failure::BadInput)?;
    }
    let most = args.most_rounds.unwrap_or(args.rounds);
    if most < args.rounds {
        return Err(Failure::BadInput(anyhow::anyhow!(
            "`--most-rounds` is {most}: expected at least `--rounds`, {}",
            args.rounds
        )));
    }
    let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
    let cells = cells(args, most, &meter)?;
    let means = means(&cells);
    let worst = |ratio: fn(&Mean) -> Option<Ratio>| {
        means.iter().filter_map(ratio).map(|ratio| (ratio.mean - 1.0).abs()).fold(0.0, f64::max)
    };
    let document = Document {
        schema: "wattlab.simulate-validate/1",
        cells: &cells,
        probes: meter.probe_uses(),
        worst_response: worst(|mean| mean.response),
        worst_energy: worst(|mean| mean.energy),
        means,
    };
    if args.json {
        return output::print_json(&document);
    }
    output::print(&table(&document));
    Ok(())
}

impl Args {
    /// Whether a queue was served in enough rounds.
    fn is_enough(&self, of_queue: &[&Cell]) -> bool {
        of_queue.len() >= self.rounds.get() as usize
            && self.precision.is_none_or(|share| Mean::new(of_queue).is_precise(share))
    }
}

/// All queues, including those measured in earlier calls.
fn cells(args: &Args, most: NonZeroU32, meter: &Meter) -> Result<Vec<Cell>, Failure> {
    let journal = args.out.join("cells.jsonl");
    let wrong = || {
        format!(
            "failed to read or write `{}`; choose another folder with `--out`",
            journal.display()
        )
    };
    fs::create_dir_all(&args.out).with_context(wrong).map_err(Failure::BadInput)?;
    let text = if journal.exists() {
        units::read_text(&journal, limits::LINE_BYTES.max())
            .with_context(wrong)
            .map_err(Failure::BadInput)?
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
    let each = (0..most.get()).flat_map(|round| args.arch.iter().map(move |arch| (round, arch)));
    for (round, arch) in each {
        let needed = |&(load, policy): &(f64, &str)| {
            let same = |cell: &&Cell| {
                cell.network == *arch && cell.load == load && cell.policy.starts_with(policy)
            };
            let of_queue: Vec<&Cell> = cells.iter().filter(same).collect();
            !of_queue.iter().any(|cell| cell.round == round) && !args.is_enough(&of_queue)
        };
        let queues = args.loads.iter().flat_map(|&load| POLICIES.map(|policy| (load, policy)));
        let queues: Vec<_> = queues.filter(needed).collect();
        if queues.is_empty() {
            continue;
        }
        let same = |cell: &&Cell| cell.network == *arch && cell.round == round;
        let of_round = || cells.iter().filter(same);
        let rates = of_round().map(|cell| (cell.load, cell.rate_rps)).collect();
        let is_last = round + 1 == most.get();
        let round = Round {
            plan: &args.plan,
            out: &args.out,
            duration_s: args.duration,
            arch,
            round,
            is_last,
            rates,
            meter,
            interrupt: &interrupt,
        };
        let mut kept = Vec::new();
        round.measure(&queues, &mut |cell| {
            if let Some(why) = cell.spoiled().filter(|_| !args.busy) {
                progress::line(&format!(
                    "{arch}, {}, load {}: left out because {why}; {}",
                    cell.policy,
                    cell.load,
                    if round.is_last { "run again to repeat it" } else { "it will be repeated" },
                ));
                return Ok(());
            }
            let line = serde_json::to_string(&cell).map_err(Failure::run_time)?;
            writeln!(file, "{line}").with_context(wrong).map_err(Failure::RunTime)?;
            kept.push(cell);
            Ok(())
        })?;
        cells.extend(kept);
    }
    Ok(cells)
}
