//! `wattlab stats tukey`.

use anyhow::bail;
use report::stats::{self, Factor};
use serde_json::json;

use super::{Columns, Data, Table, show, table::quoted, warn};
use crate::output;

/// Groups up to which all pairs are a table that someone reads.
const MOST_GROUPS: usize = 100;

/// Arguments of `wattlab stats tukey`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
    /// Columns whose values are levels; their combinations are compared.
    #[arg(long, value_name = "A,B")]
    factors: Columns,
    /// Each pair with its own variance (Games and Howell), for groups that vary unequally.
    #[arg(long)]
    games_howell: bool,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    let data = &args.data;
    let table = Table::read(&data.file)?;
    let response = table.numbers(&data.response)?;
    let factors = table.factors(&args.factors.0, &data.response)?;
    let complaint = |it| table.complaint(it, data, &factors);
    let cells = Factor::crossed(&factors).map_err(complaint)?;
    if cells.levels.len() > MOST_GROUPS {
        bail!(
            "{} have {} combinations of levels, expected at most {MOST_GROUPS}; leave out a factor",
            quoted(&args.factors.0),
            cells.levels.len()
        );
    }
    let (method, found) = if args.games_howell {
        ("Games-Howell", stats::games_howell(&response, &cells, 0.95))
    } else {
        ("Tukey", stats::tukey_hsd(&response, &cells, 0.95))
    };
    let found = found.map_err(complaint)?;
    let notes = warn::notes(&table, data, &response, &factors)?;
    if data.json {
        let comparisons: Vec<_> = found
            .iter()
            .map(|it| {
                json!({
                    "a": it.a, "b": it.b, "difference": it.difference, "se": it.se,
                    "t": it.statistic, "df": it.df, "p": it.p,
                    "ci95": it.interval.map(|it| [it.low, it.high]),
                })
            })
            .collect();
        let document = json!({
            "response": data.response, "n": response.len(), "method": method,
            "comparisons": comparisons,
            "cautions": notes,
        });
        return output::print_json(&document).map_err(|it| anyhow::anyhow!("{it}"));
    }
    output::print(&format!(
        "{} of `{}` over the cells of {} ({} rows; p and intervals hold for all pairs at once)",
        if args.games_howell { "Games and Howell's comparison" } else { "Tukey's HSD" },
        data.response,
        quoted(&args.factors.0),
        response.len()
    ));
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|it| {
            let interval = it
                .interval
                .map(|it| format!("{} to {}", show::number(it.low), show::number(it.high)));
            vec![
                it.a.clone(),
                it.b.clone(),
                show::number(it.difference),
                show::number(it.se),
                show::number(it.statistic),
                show::p(it.p),
                show::or_dash(interval),
            ]
        })
        .collect();
    show::table(&["a", "b", "a − b", "se", "t", "p", "95 % interval"], 2, &rows);
    warn::print(&notes);
    Ok(())
}
