//! `wattlab stats anova`.

use report::stats::{self, Effects, SumsOfSquares};
use serde_json::json;

use super::{Data, Table, finite, show, table::quoted, warn};
use crate::output;

/// Arguments of `wattlab stats anova`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    data: Data,
    /// Columns whose values are levels.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', required = true)]
    factors: Vec<String>,
    /// Sums of squares: 2, each term after those that do not contain it; 3, after all others.
    #[arg(long = "type", value_name = "2|3", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    kind: u8,
    /// The factors alone, without interactions; for one observation a cell, or empty cells.
    #[arg(long)]
    main_effects: bool,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    let data = &args.data;
    let table = Table::read(&data.file)?;
    let response = table.numbers(&data.response)?;
    let factors = table.factors(&args.factors, &data.response)?;
    let kind = if args.kind == 2 { SumsOfSquares::TypeII } else { SumsOfSquares::TypeIII };
    let effects = if args.main_effects { Effects::Main } else { Effects::Factorial };
    let found = stats::anova_of(&response, &factors, kind, effects).map_err(|it| {
        let lacks_rows = matches!(
            it,
            stats::StatsError::NoResidual { .. } | stats::StatsError::EmptyCell { .. }
        );
        let error = table.complaint(it, data, &factors);
        if lacks_rows && !args.main_effects {
            anyhow::anyhow!("{error:#} (`--main-effects`)")
        } else {
            error
        }
    })?;
    let notes = warn::notes(&table, data, &response, &factors)?;
    let residual = found.residual;
    if data.json {
        let terms: Vec<_> = found
            .terms
            .iter()
            .map(|it| {
                json!({
                    "term": it.term, "ss": it.ss, "df": it.df, "ms": it.ms, "f": finite(it.f),
                    "p": it.p, "eta_sq": it.eta_sq, "partial_eta_sq": it.partial_eta_sq,
                    "omega_sq": it.omega_sq,
                })
            })
            .collect();
        let residual = json!({"ss": residual.ss, "df": residual.df, "ms": residual.ms});
        let document = json!({
            "response": data.response, "n": response.len(), "type": args.kind, "terms": terms,
            "residual": residual, "cautions": notes,
        });
        return output::print_json(&document).map_err(|it| anyhow::anyhow!("{it}"));
    }
    output::print(&format!(
        "Type {} ANOVA of `{}` by {} ({} rows)",
        if args.kind == 2 { "II" } else { "III" },
        data.response,
        quoted(&args.factors),
        response.len()
    ));
    let mut rows: Vec<Vec<String>> = found
        .terms
        .iter()
        .map(|it| {
            vec![
                it.term.clone(),
                show::number(it.ss),
                show::df(it.df),
                show::number(it.ms),
                show::number(it.f),
                show::p(it.p),
                show::number(it.eta_sq),
                show::number(it.partial_eta_sq),
                show::number(it.omega_sq),
            ]
        })
        .collect();
    let last = [show::number(residual.ss), show::df(residual.df), show::number(residual.ms)];
    rows.push(std::iter::once("residual".to_owned()).chain(last).collect());
    let header =
        ["term", "sum of squares", "df", "mean square", "F", "p", "η²", "partial η²", "ω²"];
    show::table(&header, 1, &rows);
    warn::print(&notes);
    Ok(())
}
