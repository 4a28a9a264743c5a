//! `wattlab stats tukey`.

use anyhow::bail;
use report::stats::{self, Factor};
use serde_json::json;

use super::{columns::Columns, data::Data, show, table::quoted, warn};
use crate::output;

/// Largest number of groups whose pairs still make a readable table.
const MAX_GROUPS: usize = 100;

/// Arguments of `wattlab stats tukey`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
    /// Columns whose values are the levels of a factor; the combinations of levels are compared.
    #[arg(long, value_name = "A,B")]
    factors: Columns,
    /// Use the Games-Howell test, which gives each pair its own variance, for unequal variances.
    #[arg(long)]
    games_howell: bool,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    let data = &args.data;
    let table = data.table(&args.factors.names())?;
    let response = table.numbers(&data.response)?;
    let factors = table.factors(&args.factors.0, &data.response)?;
    let complaint = |error| table.complaint(error, data, &factors);
    let cells = Factor::crossed(&factors).map_err(complaint)?;
    if cells.levels.len() > MAX_GROUPS {
        bail!(
            "{} have {} combinations of levels, expected at most {MAX_GROUPS}; leave out a factor",
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
            .map(|pair| {
                json!({
                    "a": pair.a, "b": pair.b, "difference": pair.difference, "se": pair.se,
                    "t": pair.statistic, "df": pair.df, "p": pair.p,
                    "ci95": pair.interval.map(|interval| [interval.low, interval.high]),
                })
            })
            .collect();
        let document = json!({
            "response": data.response, "n": response.len(), "method": method,
            "comparisons": comparisons,
            "cautions": notes,
        });
        return output::print_json(&document).map_err(|failure| anyhow::anyhow!("{failure}"));
    }
    output::print(&format!(
        "{} of `{}` over the cells of {} ({} rows; p-values and intervals are simultaneous over all pairs)",
        if args.games_howell { "Games and Howell's comparison" } else { "Tukey's HSD" },
        data.response,
        quoted(&args.factors.0),
        response.len()
    ));
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|pair| {
            let interval = pair.interval.map(|interval| {
                format!("{} to {}", show::number(interval.low), show::number(interval.high))
            });
            vec![
                pair.a.clone(),
                pair.b.clone(),
                show::number(pair.difference),
                show::number(pair.se),
                show::number(pair.statistic),
                show::p(pair.p),
                show::or_dash(interval),
            ]
        })
        .collect();
    show::table(&["a", "b", "a − b", "se", "t", "p", "95 % interval"], 2, &rows);
    warn::print(&notes);
    Ok(())
}
