//! `wattlab stats kruskal`.

use report::stats;
use serde_json::json;

use super::{Data, Table, show, warn};
use crate::output;

/// Levels up to which all pairs are compared.
const MOST_LEVELS: usize = 100;

/// Arguments of `wattlab stats kruskal`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
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
    let few = factors[0].levels.len() <= MOST_LEVELS;
    let pairs =
        if few { stats::dunn(&response, &factors[0]).map_err(complaint)? } else { Vec::new() };
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
            "dunn": pairs.iter().map(|it| json!({
                "a": it.a, "b": it.b, "mean_rank_difference": it.difference, "se": it.se,
                "z": it.statistic, "p_holm": it.p,
            })).collect::<Vec<_>>(),
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
    if pairs.len() > 1 {
        output::print("Dunn's comparison of mean ranks (p adjusted by Holm's method)");
        let rows: Vec<Vec<String>> = pairs
            .iter()
            .map(|it| {
                let (difference, z) = (show::number(it.difference), show::number(it.statistic));
                vec![it.a.clone(), it.b.clone(), difference, z, show::p(it.p)]
            })
            .collect();
        show::table(&["a", "b", "a − b", "z", "p"], 2, &rows);
    }
    warn::print(&notes);
    Ok(())
}
