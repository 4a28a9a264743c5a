//! `wattlab stats compare`.

use anyhow::bail;
use report::stats::{
    self, Bootstrap, BootstrapMethod, EffectSize, Factor, LevelComparison, PValue, PairedEffects,
};
use serde_json::{Value, json};
use units::limits;

use super::{
    data::Rows,
    figure::{self, Svg},
    practical,
    show::{self, finite},
    warn,
};
use crate::output;

/// Largest number of levels whose pairs still make a readable table.
const MAX_LEVELS: usize = 30;

/// Arguments of `wattlab stats compare`.
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
    /// Column, such as a seed, whose equal values pair the rows of two levels.
    #[arg(long, value_name = "KEY")]
    paired: Option<String>,
    /// The largest difference that does not matter in practice, in units of the response. With it, pairs are also
    /// compared by the Bayesian signed-rank test, which tells equivalence from a lack of evidence.
    #[arg(long, value_name = "SIZE", requires = "paired", value_parser = limits::ROPE.parser())]
    rope: Option<f64>,
    /// Random seed of the bootstrap and of the Bayesian test.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    let data = &args.rows.of(&args.response);
    let mut columns = vec![args.factor.as_str()];
    columns.extend(args.paired.as_deref());
    let table = data.table(&columns)?;
    let response = table.numbers(&data.response)?;
    let factors = table.factors(std::slice::from_ref(&args.factor), &data.response)?;
    let factor = &factors[0];
    if factor.levels.len() > MAX_LEVELS {
        bail!(
            "column `{}` has {} levels, expected at most {MAX_LEVELS}; choose a column with fewer \
             by `--factor`",
            args.factor,
            factor.levels.len()
        );
    }
    let groups = factor.split(&response).map_err(|error| table.complaint(error, data, &factors))?;
    if let Some((level, _)) = factor.levels.iter().zip(&groups).find(|pair| pair.1.len() < 2) {
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
    let complaint = |error| table.complaint(error, data, &factors);
    let key = args.paired.as_deref().map(|key| table.factor(key)).transpose()?;
    let found = match &key {
        Some(key) => stats::compare_levels_paired(&response, factor, key, &bootstrap),
        None => stats::compare_levels(&response, factor, &bootstrap),
    }
    .map_err(complaint)?;
    let practical = match (args.rope, &key) {
        (Some(rope), Some(key)) => {
            practical::tests(&found, &response, [factor, key], rope, args.seed)
                .map_err(complaint)?
        }
        _ => Vec::new(),
    };
    let mut notes = warn::notes(&table, data, &response, &factors)?;
    if let Some(key) = &args.paired {
        notes.extend(left_out(&found, factor, key));
    }
    let count = |level: &str| {
        let at = factor.levels.iter().position(|other| other == level);
        at.map_or(0, |index| groups[index].len())
    };
    args.svg
        .write(|| Ok(vec![figure::groups(&table.title(&data.response), factor, &response)?]))?;
    if data.json {
        let paired = args.paired.is_some();
        let mut comparisons: Vec<Value> = found
            .iter()
            .map(|pair| as_json(pair, paired, count(&pair.a), count(&pair.b)))
            .collect();
        for (comparison, test) in comparisons.iter_mut().zip(&practical) {
            comparison["practical"] = json!({
                "rope": args.rope, "a_smaller": test.smaller, "equivalent": test.equivalent,
                "a_larger": test.larger,
            });
        }
        let document = json!({
            "response": data.response, "factor": args.factor, "paired": args.paired,
            "n": response.len(), "resamples": bootstrap.resamples, "seed": bootstrap.seed,
            "comparisons": comparisons, "cautions": notes,
        });
        return output::print_json(&document).map_err(|failure| anyhow::anyhow!("{failure}"));
    }
    let (t, rank) =
        if args.paired.is_some() { ("paired t", "Wilcoxon") } else { ("Welch t", "Mann-Whitney") };
    output::print(&format!(
        "`{}` by `{}`, all pairs ({} rows; p-values adjusted over the pairs by Holm's method; 95 % \
         intervals)",
        data.response,
        args.factor,
        response.len()
    ));
    let p_of = |p: Option<f64>| show::or_dash(p.map(show::p));
    let effect = |size: EffectSize| {
        let [value, low, high] =
            [size.value, size.interval.low, size.interval.high].map(|value| show::share(value, 3));
        format!("{value} [{low} to {high}]")
    };
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|pair| {
            let part = &pair.comparison;
            let interval = part.bootstrap.map(|bootstrap| bootstrap.interval);
            let interval = interval.map(|interval| {
                format!("{} to {}", show::number(interval.low), show::number(interval.high))
            });
            let mut row = vec![
                pair.a.clone(),
                pair.b.clone(),
                show::number(part.difference),
                show::or_dash(interval),
                p_of(pair.t_test_p),
                p_of(pair.rank_test_p),
            ];
            match part.paired {
                Some(PairedEffects { pairs, d_z, d_av, rank_biserial, .. }) => {
                    row.push(pairs.to_string());
                    row.extend(
                        [rank_biserial, d_z, d_av].map(|size| show::or_dash(size.map(effect))),
                    );
                }
                None => {
                    row.push(effect(part.cliffs_delta));
                    row.push(show::or_dash(part.hedges_g.map(effect)));
                }
            }
            row
        })
        .collect();
    let (t, rank) = (format!("p, {t}"), format!("p, {rank}"));
    let mut header = vec!["a", "b", "a − b", "BCa interval", &t, &rank];
    if args.paired.is_some() {
        header.extend(["pairs", "rank-biserial", "d_z", "d_av"]);
    } else {
        header.extend(["Cliff's δ", "Hedges' g"]);
    }
    show::table(&header, 2, &rows);
    for pair in &found {
        let choice = pair.comparison.choose(smaller(pair, count(&pair.a), count(&pair.b)));
        output::print(&format!(
            "test to read for {} and {}: {}, because {}",
            pair.a,
            pair.b,
            match choice.test {
                stats::ChosenTest::TTest => &t[3..],
                stats::ChosenTest::RankTest => &rank[3..],
                stats::ChosenTest::Neither => "neither test",
            },
            choice.because
        ));
    }
    if let Some(rope) = args.rope {
        practical::show(&found, &practical, rope);
    }
    warn::print(&notes);
    Ok(())
}

fn as_json(found: &LevelComparison, paired: bool, of_a: usize, of_b: usize) -> Value {
    let part = &found.comparison;
    let size = |size: EffectSize| {
        let ends = [finite(size.interval.low), finite(size.interval.high)];
        json!({"value": size.value, "ci95": ends})
    };
    let normality: Vec<Value> = part
        .normality
        .iter()
        .map(|test| test.map_or(Value::Null, |test| json!({"w": test.w, "p": test.p})))
        .collect();
    let choice = part.choose(smaller(found, of_a, of_b));
    let mut document = json!({
        "a": found.a, "b": found.b, "n_a": of_a, "n_b": of_b,
        "difference": part.difference,
        "ci95": part.bootstrap.map(|found| [found.interval.low, found.interval.high]),
        "bootstrap_se": part.bootstrap.map(|found| found.standard_error),
        "normality": normality,
        "t_test": part.t_test.map(|t| json!({
            "test": if paired { "paired t" } else { "Welch" },
            "t": finite(t.t), "df": t.df, "p": t.p, "p_holm": found.t_test_p,
        })),
        "rank_test": part.rank_test.map(|rank| json!({
            "test": if paired { "Wilcoxon signed-rank" } else { "Mann-Whitney U" },
            "statistic": rank.statistic, "p": rank.p, "p_holm": found.rank_test_p,
            "exact": rank.method == PValue::Exact,
        })),
        "cliffs_delta": size(part.cliffs_delta),
        "hedges_g": part.hedges_g.map(size),
        "read": choice.test.word(), "because": choice.because,
    });
    if let Some(PairedEffects { pairs, d_z, d_av, rank_biserial, .. }) = part.paired {
        document["pairs"] = pairs.into();
        document["d_z"] = json!(d_z.map(size));
        document["d_av"] = json!(d_av.map(size));
        document["rank_biserial"] = json!(rank_biserial.map(size));
    }
    document
}

/// The number of values that the smaller sample of a comparison has.
fn smaller(found: &LevelComparison, of_a: usize, of_b: usize) -> usize {
    found.comparison.paired.map_or(of_a.min(of_b), |paired| paired.pairs)
}

/// Names the pairs of levels that share too few keys to be compared.
fn left_out(found: &[LevelComparison], factor: &Factor, key: &str) -> Option<warn::Note> {
    let is_compared =
        |a: &String, b: &String| found.iter().any(|pair| pair.a == *a && pair.b == *b);
    let levels = &factor.levels;
    let all =
        levels.iter().enumerate().flat_map(|(at, a)| levels[at + 1..].iter().map(move |b| (a, b)));
    let missing: Vec<String> =
        all.filter(|(a, b)| !is_compared(a, b)).map(|(a, b)| format!("`{a}` and `{b}`")).collect();
    (!missing.is_empty()).then(|| warn::Note {
        kind: "not-compared",
        text: format!(
            "Fewer than 2 values of `{key}` occur with both levels of a pair: {}. These pairs are not \
             compared.",
            missing.join(", ")
        ),
    })
}
