//! `wattlab stats tukey`.

use anyhow::bail;
use report::stats::{self, Factor, PairComparison};
use serde_json::json;

use super::{
    columns::Columns,
    data::{Data, Rows},
    figure::{self, Svg},
    formula::Model,
    show,
    table::quoted,
    warn,
};
use crate::output;

/// Largest number of groups whose pairs still make a readable table.
const MAX_GROUPS: usize = 100;

/// Arguments of `wattlab stats tukey`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    svg: Svg,
    /// Column with the numbers to analyze.
    #[arg(long, value_name = "COL", required_unless_present = "formula")]
    response: Option<String>,
    /// Columns whose values are the levels of a factor; the combinations of levels are compared.
    #[arg(long, value_name = "A,B")]
    factors: Columns,
    /// Model with blocks, covariates or random effects, in R's notation: `y ~ block + a`. The means of the factors
    /// in `--factors` are compared in it.
    #[arg(long, conflicts_with_all = ["response", "games_howell"])]
    formula: Option<String>,
    /// Use the Games-Howell test, which gives each pair its own variance, for unequal variances.
    #[arg(long)]
    games_howell: bool,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    if let Some(text) = &args.formula {
        return in_model(args, text);
    }
    let Some(response) = &args.response else { bail!("expected `--response` or `--formula`") };
    let data = &args.rows.of(response);
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
    let name = if args.games_howell { "Games and Howell's comparison" } else { "Tukey's HSD" };
    let title =
        format!("{name} of `{}` over the cells of {}", data.response, quoted(&args.factors.0));
    args.svg.write(|| Ok(vec![figure::forest(&table.title(&data.response), &found)?]))?;
    print(data, method, &title, response.len(), &found, &notes)
}

/// The means of a model.
fn in_model(args: &Args, text: &str) -> Result<(), anyhow::Error> {
    let model = Model::read(&args.rows, text)?;
    let Model { formula, response, variables, data, .. } = &model;
    let found = stats::tukey_by_formula(formula, response, variables, &args.factors.names(), 0.95)
        .map_err(|error| model.complaint(error))?;
    let notes = if formula.random.is_empty() { model.screened(&[])? } else { model.notes(&[]) };
    let title = format!(
        "Tukey's comparison of the means of `{}` by {} in `{formula}`",
        data.response,
        quoted(&args.factors.0)
    );
    args.svg.write(|| Ok(vec![figure::forest(&model.title(), &found)?]))?;
    print(data, "Tukey", &title, response.len(), &found, &notes)
}

fn print(
    data: &Data,
    method: &str,
    title: &str,
    n: usize,
    found: &[PairComparison],
    notes: &[warn::Note],
) -> Result<(), anyhow::Error> {
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
            "response": data.response, "n": n, "method": method,
            "comparisons": comparisons,
            "cautions": notes,
        });
        return output::print_json(&document).map_err(|failure| anyhow::anyhow!("{failure}"));
    }
    output::print(&format!(
        "{title} ({n} rows; p-values and intervals are simultaneous over all pairs)"
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
                show::or_dash(pair.df.map(show::df)),
                show::p(pair.p),
                show::or_dash(interval),
            ]
        })
        .collect();
    show::table(&["a", "b", "a − b", "se", "t", "df", "p", "95 % interval"], 2, &rows);
    warn::print(notes);
    Ok(())
}
