//! `wattlab stats friedman`.

use anyhow::{anyhow, bail};
use report::stats::{self, Factor};
use serde_json::json;

use super::{
    data::Rows,
    figure::{self, Svg},
    show,
    table::quoted,
    warn::{self, Note},
};
use crate::output;

/// Largest number of treatments whose pairs still make a readable table.
const MAX_LEVELS: usize = 100;

/// Arguments of `wattlab stats friedman`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    svg: Svg,
    /// Column with the numbers to analyze.
    #[arg(long, value_name = "COL")]
    response: String,
    /// Column whose values are the treatments, such as the methods that are compared.
    #[arg(long, value_name = "COL")]
    factor: String,
    /// Column whose values are the blocks, such as data sets or seeds. Each block has each treatment once.
    #[arg(long, value_name = "COL", visible_alias = "paired")]
    block: String,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    let data = &args.rows.of(&args.response);
    let table = data.table(&[&args.factor, &args.block])?;
    let response = table.numbers(&data.response)?;
    let names = [args.factor.clone(), args.block.clone()];
    let factors = table.factors(&names, &data.response)?;
    let [factor, block] = &factors[..] else { bail!("expected two columns") };
    if factor.levels.len() > MAX_LEVELS {
        bail!(
            "column `{}` has {} levels, expected at most {MAX_LEVELS}; choose a column with fewer by \
             `--factor`",
            args.factor,
            factor.levels.len()
        );
    }
    let (treatments, incomplete) = by_block(&response, factor, block)?;
    let treatments: Vec<&[f64]> = treatments.iter().map(Vec::as_slice).collect();
    let complaint = |error| table.complaint(error, data, &factors);
    let found = stats::friedman(&treatments).map_err(complaint)?;
    let nemenyi = stats::nemenyi(&treatments, &factor.levels).map_err(complaint)?;
    let ranks = stats::mean_ranks(&treatments, 0.95).map_err(complaint)?;
    // Rank 1 is the smallest value in the table, as in R.
    let k = treatments.len() as f64;
    let mean_ranks: Vec<f64> = ranks.ranks.iter().map(|rank| k + 1.0 - rank).collect();
    let wilcoxon = signed_ranks(&treatments)?;
    let mut notes = warn::of_table(&table, &data.response);
    if !incomplete.is_empty() {
        let text = format!(
            "{} of {} blocks lack a treatment and are left out: {}.",
            incomplete.len(),
            block.levels.len(),
            quoted(&incomplete)
        );
        notes.push(Note { kind: "incomplete-blocks", text });
    }
    args.svg.write(|| {
        let figure =
            figure::critical_differences(&factor.levels, &mean_ranks, ranks.critical_difference)?;
        Ok(vec![figure])
    })?;
    if data.json {
        let document = json!({
            "response": data.response, "factor": args.factor, "block": args.block,
            "blocks": ranks.blocks, "chi_sq": found.statistic, "df": found.df, "p": found.p,
            "kendall_w": found.kendall_w,
            "mean_ranks": factor.levels.iter().zip(&mean_ranks).map(|(level, rank)| json!({
                "level": level, "mean_rank": rank,
            })).collect::<Vec<_>>(),
            "critical_difference": ranks.critical_difference,
            "comparisons": nemenyi.iter().zip(&wilcoxon).map(|(pair, wilcoxon)| json!({
                "a": pair.a, "b": pair.b, "mean_rank_difference": pair.difference,
                "p_nemenyi": pair.p, "p_wilcoxon_holm": wilcoxon,
            })).collect::<Vec<_>>(),
            "cautions": notes,
        });
        return output::print_json(&document).map_err(|failure| anyhow!("{failure}"));
    }
    output::print(&format!(
        "Friedman test of `{}` by `{}` in {} blocks of `{}`: χ² = {}, df = {}, p {}, Kendall's W = {}",
        data.response,
        args.factor,
        ranks.blocks,
        args.block,
        show::number(found.statistic),
        show::df(found.df),
        if found.p == 0.0 { show::p(0.0) } else { format!("= {}", show::p(found.p)) },
        show::share(found.kendall_w, 3)
    ));
    let rows: Vec<Vec<String>> = factor
        .levels
        .iter()
        .zip(&mean_ranks)
        .map(|(level, rank)| vec![level.clone(), show::share(*rank, 2)])
        .collect();
    show::table(&["level", "mean rank"], 1, &rows);
    output::print(&format!(
        "pairs (rank 1 is the smallest value; mean ranks that differ by {} or more differ significantly at \
         5 % by Nemenyi's test; Wilcoxon's p-values are adjusted by Holm's method)",
        show::share(ranks.critical_difference, 3)
    ));
    let rows: Vec<Vec<String>> = nemenyi
        .iter()
        .zip(&wilcoxon)
        .map(|(pair, wilcoxon)| {
            let (a, b) = (pair.a.clone(), pair.b.clone());
            let p = show::or_dash(wilcoxon.map(show::p));
            vec![a, b, show::share(pair.difference, 2), show::p(pair.p), p]
        })
        .collect();
    show::table(&["a", "b", "a − b", "p, Nemenyi", "p, Wilcoxon"], 2, &rows);
    warn::print(&notes);
    Ok(())
}

/// The response of each treatment in the blocks that have all treatments, and the names of the others.
fn by_block(
    response: &[f64],
    factor: &Factor,
    block: &Factor,
) -> Result<(Vec<Vec<f64>>, Vec<String>), anyhow::Error> {
    let mut values = vec![vec![None; factor.levels.len()]; block.levels.len()];
    for (row, value) in response.iter().enumerate() {
        let (block_at, level) = (block.codes[row], factor.codes[row]);
        if values[block_at][level].replace(*value).is_some() {
            bail!(
                "block `{}` of column `{}` has level `{}` of column `{}` more than once, expected once; \
                 average its rows first",
                block.levels[block_at],
                block.name,
                factor.levels[level],
                factor.name
            );
        }
    }
    let mut treatments = vec![Vec::new(); factor.levels.len()];
    let mut incomplete = Vec::new();
    for (row, name) in values.into_iter().zip(&block.levels) {
        match row.into_iter().collect::<Option<Vec<f64>>>() {
            Some(row) => {
                treatments.iter_mut().zip(row).for_each(|(treatment, value)| treatment.push(value));
            }
            None => incomplete.push(name.clone()),
        }
    }
    Ok((treatments, incomplete))
}

/// Wilcoxon's signed-rank p-values of all pairs, adjusted by Holm's method; `None` for equal treatments.
fn signed_ranks(treatments: &[&[f64]]) -> Result<Vec<Option<f64>>, anyhow::Error> {
    let mut p = Vec::new();
    for (at, a) in treatments.iter().enumerate() {
        for b in &treatments[at + 1..] {
            let differences: Vec<f64> = a.iter().zip(*b).map(|(a, b)| a - b).collect();
            p.push(stats::wilcoxon_signed_rank(&differences).ok().map(|test| test.p));
        }
    }
    let mut adjusted = stats::holm(&p.iter().flatten().copied().collect::<Vec<_>>())?.into_iter();
    Ok(p.into_iter().map(|p| p.and_then(|_| adjusted.next())).collect())
}
