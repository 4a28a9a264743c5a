//! `wattlab stats kruskal`.

use report::stats;
use serde_json::json;

use super::{
    data::Rows,
    figure::{self, Svg},
    show, warn,
};
use crate::output;

/// Largest number of levels whose pairs are compared.
const MAX_LEVELS: usize = 100;

/// Arguments of `wattlab stats kruskal`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    svg: Svg,
    /// Column with the numbers to analyze.
    #[arg(long, value_name = "COL")]
    response: String,
    /// Column whose values are the levels of the factor.
    #[arg(long, value_name = "COL")]
    factor: String,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    let data = &args.rows.of(&args.response);
    let table = data.table(&[&args.factor])?;
    let response = table.numbers(&data.response)?;
    let factors = table.factors(std::slice::from_ref(&args.factor), &data.response)?;
    let complaint = |error| table.complaint(error, data, &factors);
    let groups = factors[0].split(&response).map_err(complaint)?;
    let slices: Vec<&[f64]> = groups.iter().map(Vec::as_slice).collect();
    let found = stats::kruskal_wallis(&slices).map_err(complaint)?;
    let few = factors[0].levels.len() <= MAX_LEVELS;
    let pairs =
        if few { stats::dunn(&response, &factors[0]).map_err(complaint)? } else { Vec::new() };
    let notes = warn::notes(&table, data, &response, &factors)?;
    let groups: Vec<(&String, usize, f64)> = factors[0]
        .levels
        .iter()
        .zip(&groups)
        .map(|(level, values)| Ok((level, values.len(), stats::median(values)?)))
        .collect::<Result<_, _>>()
        .map_err(complaint)?;
    args.svg.write(|| {
        Ok(vec![figure::groups(&table.title(&data.response), &factors[0], &response)?])
    })?;
    if data.json {
        let groups: Vec<_> = groups
            .iter()
            .map(|(level, n, median)| json!({"level": level, "n": n, "median": median}))
            .collect();
        let document = json!({
            "response": data.response, "factor": args.factor, "n": response.len(), "h": found.h,
            "df": found.df, "p": found.p, "epsilon_sq": found.epsilon_sq, "groups": groups,
            "dunn": pairs.iter().map(|pair| json!({
                "a": pair.a, "b": pair.b, "mean_rank_difference": pair.difference, "se": pair.se,
                "z": pair.statistic, "p_holm": pair.p,
            })).collect::<Vec<_>>(),
            "cautions": notes,
        });
        return output::print_json(&document).map_err(|failure| anyhow::anyhow!("{failure}"));
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
        output::print("Dunn's comparison of mean ranks (p-values adjusted by Holm's method)");
        let rows: Vec<Vec<String>> = pairs
            .iter()
            .map(|pair| {
                let (difference, z) = (show::number(pair.difference), show::number(pair.statistic));
                vec![pair.a.clone(), pair.b.clone(), difference, z, show::p(pair.p)]
            })
            .collect();
        show::table(&["a", "b", "a − b", "z", "p"], 2, &rows);
    }
    warn::print(&notes);
    Ok(())
}
