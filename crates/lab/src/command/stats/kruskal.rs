//! `wattlab stats kruskal`.

use report::stats;
use serde_json::json;

use super::{Data, Table, show, warn};
use crate::output;

/// Arguments of `wattlab stats kruskal`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    data: Data,
    /// Column whose values are levels.
    #[arg(long, value_name = "COL")]
    factor: String,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    let data = &args.data;
    let table = Table::read(&data.file)?;
    let response = table.numbers(&data.response)?;
    let factors = table.factors(std::slice::from_ref(&args.factor), &data.response)?;
    let complaint = |it| table.complaint(it, data, &factors);
    let groups = factors[0].split(&response).map_err(complaint)?;
    let slices: Vec<&[f64]> = groups.iter().map(Vec::as_slice).collect();
    let found = stats::kruskal_wallis(&slices).map_err(complaint)?;
    let notes = warn::notes(&table, data, &response, &factors)?;
    let groups: Vec<(&String, usize, f64)> = factors[0]
        .levels
        .iter()
        .zip(&groups)
        .map(|(level, it)| Ok((level, it.len(), stats::median(it)?)))
        .collect::<Result<_, _>>()
        .map_err(complaint)?;
    if data.json {
        let groups: Vec<_> = groups
            .iter()
            .map(|(level, n, median)| json!({"level": level, "n": n, "median": median}))
            .collect();
        let document = json!({
            "response": data.response, "factor": args.factor, "n": response.len(), "h": found.h,
            "df": found.df, "p": found.p, "epsilon_sq": found.epsilon_sq, "groups": groups,
            "cautions": notes,
        });
        return output::print_json(&document).map_err(|it| anyhow::anyhow!("{it}"));
    }
    output::print(&format!(
        "Kruskal-Wallis test of `{}` by `{}` ({} rows): H = {}, df = {}, p {}, ε² = {}",
        data.response,
        args.factor,
        response.len(),
        show::number(found.h),
        show::df(found.df),
        if found.p == 0.0 { show::p(0.0) } else { format!("= {}", show::p(found.p)) },
        show::number(found.epsilon_sq)
    ));
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|(level, n, median)| vec![(*level).clone(), n.to_string(), show::number(*median)])
        .collect();
    show::table(&["level", "n", "median"], 1, &rows);
    warn::print(&notes);
    Ok(())
}
