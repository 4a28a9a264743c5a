//! `wattlab stats compare`.

use anyhow::bail;
use report::stats::{self, Bootstrap, BootstrapMethod, EffectSize, LevelComparison, PValue};
use serde_json::{Value, json};

use super::{Data, Table, finite, show, warn};
use crate::output;

/// Levels up to which all pairs are a table that someone reads.
const MOST_LEVELS: usize = 30;

/// Arguments of `wattlab stats compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
    /// Column whose values are levels; all pairs of them are compared.
    #[arg(long, value_name = "COL")]
    factor: String,
    /// Column, such as a seed, whose equal values make pairs.
    #[arg(long, value_name = "KEY")]
    paired: Option<String>,
    /// Of the bootstrap.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    let data = &args.data;
    let table = Table::read(&data.file)?;
    let response = table.numbers(&data.response)?;
    let factors = table.factors(std::slice::from_ref(&args.factor), &data.response)?;
    let factor = &factors[0];
    if factor.levels.len() > MOST_LEVELS {
        bail!(
            "column `{}` has {} levels, expected at most {MOST_LEVELS}; choose a column with fewer \
             by `--factor`",
            args.factor,
            factor.levels.len()
        );
    }
    let groups = factor.split(&response).map_err(|it| table.complaint(it, data, &factors))?;
    if let Some((level, _)) = factor.levels.iter().zip(&groups).find(|it| it.1.len() < 2) {
        bail!(
            "`{}`: level `{level}` of column `{}` has 1 row, expected at least 2; add rows or leave \
             the level out",
            data.file.display(),
            args.factor
        );
    }
    let bootstrap = Bootstrap {
        resamples: 2000,
        confidence: 0.95,
        seed: args.seed,
        method: BootstrapMethod::Bca,
    };
    let complaint = |it| table.complaint(it, data, &factors);
    let found = match &args.paired {
        Some(key) => {
            let key = table.factor(key)?;
            stats::compare_levels_paired(&response, factor, &key, &bootstrap)
        }
        None => stats::compare_levels(&response, factor, &bootstrap),
    }
    .map_err(complaint)?;
    let notes = warn::notes(&table, data, &response, &factors)?;
    let count = |level: &str| {
        let at = factor.levels.iter().position(|it| it == level);
        at.map_or(0, |it| groups[it].len())
    };
    if data.json {
        let paired = args.paired.is_some();
        let comparisons: Vec<Value> =
            found.iter().map(|it| as_json(it, paired, count(&it.a), count(&it.b))).collect();
        let document = json!({
            "response": data.response, "factor": args.factor, "paired": args.paired,
            "n": response.len(), "resamples": bootstrap.resamples, "seed": bootstrap.seed,
            "comparisons": comparisons, "cautions": notes,
        });
        return output::print_json(&document).map_err(|it| anyhow::anyhow!("{it}"));
    }
    let (t, rank) =
        if args.paired.is_some() { ("paired t", "Wilcoxon") } else { ("Welch t", "Mann-Whitney") };
    output::print(&format!(
        "`{}` by `{}`, all pairs ({} rows; p adjusted by Holm's method over the pairs, intervals 95 %)",
        data.response,
        args.factor,
        response.len()
    ));
    let p_of = |it: Option<f64>| show::or_dash(it.map(show::p));
    let effect = |it: EffectSize| {
        let [value, low, high] =
            [it.value, it.interval.low, it.interval.high].map(|it| show::share(it, 3));
        format!("{value} [{low} to {high}]")
    };
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|it| {
            let part = &it.comparison;
            let interval = part.bootstrap.map(|it| it.interval);
            let interval =
                interval.map(|it| format!("{} to {}", show::number(it.low), show::number(it.high)));
            vec![
                it.a.clone(),
                it.b.clone(),
                show::number(part.difference),
                show::or_dash(interval),
                p_of(it.t_test_p),
                p_of(it.rank_test_p),
                effect(part.cliffs_delta),
                show::or_dash(part.hedges_g.map(effect)),
            ]
        })
        .collect();
    let (t, rank) = (format!("p, {t}"), format!("p, {rank}"));
    let header = ["a", "b", "a − b", "BCa interval", &t, &rank, "Cliff's δ", "Hedges' g"];
    show::table(&header, 2, &rows);
    for it in &found {
        let choice = it.comparison.choose(count(&it.a).min(count(&it.b)));
        output::print(&format!(
            "read for {} and {}: {}, because {}",
            it.a,
            it.b,
            match choice.test {
                stats::ChosenTest::TTest => &t[3..],
                stats::ChosenTest::RankTest => &rank[3..],
                stats::ChosenTest::Neither => "neither test",
            },
            choice.because
        ));
    }
    warn::print(&notes);
    Ok(())
}

fn as_json(found: &LevelComparison, paired: bool, of_a: usize, of_b: usize) -> Value {
    let it = &found.comparison;
    let size = |it: EffectSize| json!({"value": it.value, "ci95": [finite(it.interval.low), finite(it.interval.high)]});
    let normality: Vec<Value> = it
        .normality
        .iter()
        .map(|it| it.map_or(Value::Null, |it| json!({"w": it.w, "p": it.p})))
        .collect();
    let choice = it.choose(of_a.min(of_b));
    json!({
        "a": found.a, "b": found.b, "n_a": of_a, "n_b": of_b,
        "difference": it.difference,
        "ci95": it.bootstrap.map(|it| [it.interval.low, it.interval.high]),
        "bootstrap_se": it.bootstrap.map(|it| it.standard_error),
        "normality": normality,
        "t_test": it.t_test.map(|t| json!({
            "test": if paired { "paired t" } else { "Welch" },
            "t": finite(t.t), "df": t.df, "p": t.p, "p_holm": found.t_test_p,
        })),
        "rank_test": it.rank_test.map(|rank| json!({
            "test": if paired { "Wilcoxon signed-rank" } else { "Mann-Whitney U" },
            "statistic": rank.statistic, "p": rank.p, "p_holm": found.rank_test_p,
            "exact": rank.method == PValue::Exact,
        })),
        "cliffs_delta": size(it.cliffs_delta),
        "hedges_g": it.hedges_g.map(size),
        "read": choice.test.word(), "because": choice.because,
    })
}
