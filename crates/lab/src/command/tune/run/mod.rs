//! `wattlab tune run SPACE.toml -- CMD`: runs a command a trial, measures it, reads its metrics.

mod budget;
mod description;
mod metric;
mod trial;

use std::path::PathBuf;

use anyhow::anyhow;
use hpo::{HpoError, Leg};
use meter::{Estimator, Meter};
use serde_json::{Value, json};

use self::{budget::Budget, description::Description, trial::Outcome};
use super::{open::Open, spent::Spent};
use crate::{Failure, interrupt::Interrupt, output, progress, sensing::Sensing};

/// Arguments of `wattlab tune run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to tune: metric, direction, budget, sampler and space (see `examples/tune.toml`).
    #[arg(value_name = "SPACE.toml")]
    space: PathBuf,
    /// Write down what was asked and told; with the same file the study goes on where it ended.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    sensing: Sensing,
    /// Print one JSON document on standard output at the end.
    #[arg(long)]
    json: bool,
    /// The command and its arguments: `{NAME}` stands for a parameter, and `WATTLAB_NAME` is set.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Runs it.
///
/// # Errors
///
/// If the description, the journal or the command is no good, or Ctrl-C was pressed; what was
/// finished is in the journal.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut description = Description::load(&args.space).map_err(Failure::bad_input)?;
    description.study.journal.clone_from(&args.journal);
    description.study.budget_j = description.budget.joules();
    description.study.budget_s = description.budget.seconds();
    let mut open = Open::new(description.study.clone()).map_err(Failure::bad_input)?;
    trial::check(&args.command, &description).map_err(Failure::bad_input)?;
    let builder = args.sensing.builder()?.attribute();
    // A command's CPU time is its own and that of all it starts.
    let builder = builder.estimator(Estimator::for_this_processor().with_children());
    let meter = builder.start().map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;

    let mut left = open.under_way();
    let ended = loop {
        if let Some(why) = description.budget.used_up(&open) {
            break why;
        }
        if interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        // What a kill cut off is done first.
        let leg = if left.is_empty() {
            match ask(&mut open, &meter, &description.budget)? {
                Next::Leg(leg) => leg,
                Next::End(why) => break why,
            }
        } else {
            left.remove(0)
        };
        let ended = trial::run(&args.command, &description, &open, &leg, &meter)?;
        if interrupt.is_set() && ended.outcome == Outcome::Failed {
            // Ended by the same Ctrl-C; it is done again.
            return Err(Failure::Interrupted);
        }
        tell(&mut open, &leg, &ended).map_err(Failure::run_time)?;
        progress::line(&line(&open, &leg, &ended));
        // Absent is not zero: such a budget would never be used up.
        if description.budget.joules().is_some() && ended.spent.joules.is_none() {
            return Err(Failure::run_time(anyhow!(
                "`budget` is one of energy, and nothing here tells what a trial costs: see \
                 `wattlab probes`, or give `seconds` or `trials`; the trial is in the journal"
            )));
        }
    };
    progress::line(&ended);
    let summary = summary(&open, &ended);
    if args.json {
        output::print_json(&summary)?;
    } else {
        progress::line(&format!("{summary:#}"));
    }
    if open.told() > 0 && !open.has_values() {
        return Err(Failure::run_time(anyhow!(
            "none of {} trials gave `{}`: run the command by hand with one trial's parameters",
            open.seen().len(),
            description.metrics.join("`, `"),
        )));
    }
    Ok(())
}

/// What comes next.
enum Next {
    Leg(Leg),
    /// Nothing, and why.
    End(String),
}

/// The search's own energy is charged to the study.
fn ask(open: &mut Open, meter: &Meter, budget: &Budget) -> Result<Next, Failure> {
    let span = meter.span("ask");
    let next = match budget.not_worth_it(open) {
        Ok(Some(why)) => Ok(Next::End(why)),
        Ok(None) => open.ask().map(Next::Leg),
        Err(error) => Err(error),
    };
    let spent = Spent::of(&span.end());
    let next = match next {
        // A grid has an end.
        Err(error) if matches!(error.downcast_ref(), Some(HpoError::GridExhausted { .. })) => {
            Next::End(error.to_string())
        }
        other => other.map_err(Failure::run_time)?,
    };
    open.spent(None, spent).map_err(Failure::run_time)?;
    Ok(next)
}

fn tell(open: &mut Open, leg: &Leg, ended: &trial::Ended) -> anyhow::Result<()> {
    open.spent(Some(leg.number), ended.spent)?;
    match &ended.outcome {
        Outcome::Failed => open.tell(leg.number, &Value::Null, None),
        Outcome::Gave(values) => {
            // A value for each step, or one for the last.
            let steps = (leg.until - leg.from) as usize;
            if steps > 1 && values.len() == steps {
                for (step, value) in (leg.from + 1..).zip(&values[..steps - 1]) {
                    open.report(leg.number, step, &json!(value), None)?;
                }
            }
            let last = values.last().map_or(Value::Null, |it| json!(it));
            open.tell(leg.number, &last, None)
        }
    }
}

fn line(open: &Open, leg: &Leg, ended: &trial::Ended) -> String {
    let parameters: Vec<String> =
        open.named(&leg.parameters).iter().map(|(name, value)| format!("{name}={value}")).collect();
    let given = match &ended.outcome {
        Outcome::Failed => "failed".to_owned(),
        Outcome::Gave(values) => {
            let last = values.last().into_iter().flatten();
            last.map(|it| format!("{it:.6}")).collect::<Vec<_>>().join(", ")
        }
    };
    let origin = ended.spent.origin.map_or("", record::Origin::word);
    let joules = ended.spent.joules.map_or_else(String::new, |it| format!(", {it:.1} J {origin}"));
    let until = if leg.until > 0 { format!(", step {}", leg.until) } else { String::new() };
    format!(
        "trial {}{until}: {given} in {:.2} s{joules} with {}",
        leg.number,
        ended.spent.seconds,
        parameters.join(" ")
    )
}

/// As `--json` promises it.
fn summary(open: &Open, ended: &str) -> Value {
    let best: Vec<Value> = open.pareto().iter().map(|it| open.shown_good(it)).collect();
    let (trials, search) = (open.spent_by_trials(), open.spent_by_search());
    json!({
        "schema": "wattlab.tune/1",
        "legs": open.told(),
        "ended": ended,
        "best": best,
        "trials": trials,
        "search": search,
    })
}
