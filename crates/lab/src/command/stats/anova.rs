//! `wattlab stats anova`.

use anyhow::Context;
use report::stats::{self, Anova, EffectIntervals, Effects, Interval, SumsOfSquares};
use serde_json::json;

use super::{Columns, Data, Table, finite, show, table::quoted, warn};
use crate::output;

/// Arguments of `wattlab stats anova`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
    /// Columns whose values are levels; a name with a comma in quotes, as in the file.
    #[arg(long, value_name = "A,B,C")]
    factors: Columns,
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
    let factors = table.factors(&args.factors.0, &data.response)?;
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
    let intervals: Vec<Option<EffectIntervals>> = (0..found.terms.len())
        .map(|it| found.effect_intervals(it, 0.95))
        .collect::<Result<_, _>>()?;
    let of_means = match warn::clusters(&table, data)? {
        Some(clusters) => {
            let (means, levels) = stats::cluster_means(&response, &clusters.codes, &factors)
                .map_err(|it| table.complaint(it, data, &factors))?;
            let context = || format!("the means of the clusters (`{}`)", clusters.name);
            Some(stats::anova_of(&means, &levels, kind, effects).with_context(context)?)
        }
        None => None,
    };
    let found = Found { found, intervals, of_means };
    if data.json {
        return output::print_json(&found.json(args, response.len(), &notes))
            .map_err(|it| anyhow::anyhow!("{it}"));
    }
    output::print(&format!(
        "Type {} ANOVA of `{}` by {} ({} rows)",
        if args.kind == 2 { "II" } else { "III" },
        data.response,
        quoted(&args.factors.0),
        response.len()
    ));
    found.show(&data.cluster.0);
    warn::print(&notes);
    Ok(())
}

/// The table, how sure its effect sizes are, and what is left of it if rows of a cluster are alike.
struct Found {
    found: Anova,
    intervals: Vec<Option<EffectIntervals>>,
    of_means: Option<Anova>,
}

impl Found {
    fn json(&self, args: &Args, n: usize, notes: &[warn::Note]) -> serde_json::Value {
        let ends = |it: Interval| [it.low, it.high];
        let terms: Vec<_> = self
            .found
            .terms
            .iter()
            .zip(&self.intervals)
            .map(|(it, intervals)| {
                json!({
                    "term": it.term, "ss": it.ss, "df": it.df, "ms": it.ms, "f": finite(it.f),
                    "p": it.p, "eta_sq": it.eta_sq, "partial_eta_sq": it.partial_eta_sq,
                    "omega_sq": it.omega_sq,
                    "eta_sq_ci95": intervals.map(|it| ends(it.eta_sq)),
                    "partial_eta_sq_ci95": intervals.map(|it| ends(it.partial_eta_sq)),
                    "omega_sq_ci95": intervals.map(|it| ends(it.omega_sq)),
                })
            })
            .collect();
        let of_means = self.of_means.as_ref().map(|it| {
            let terms = it
                .terms
                .iter()
                .map(|it| json!({"term": it.term, "df": it.df, "f": finite(it.f), "p": it.p}));
            json!({
                "cluster": args.data.cluster.0, "terms": terms.collect::<Vec<_>>(),
                "residual": {"ss": it.residual.ss, "df": it.residual.df, "ms": it.residual.ms},
            })
        });
        let residual = self.found.residual;
        json!({
            "response": args.data.response, "n": n, "type": args.kind, "terms": terms,
            "residual": {"ss": residual.ss, "df": residual.df, "ms": residual.ms},
            "of_cluster_means": of_means, "cautions": notes,
        })
    }

    fn show(&self, cluster: &[String]) {
        let Anova { terms, residual } = &self.found;
        let mut rows: Vec<Vec<String>> = terms
            .iter()
            .map(|it| {
                vec![
                    it.term.clone(),
                    show::number(it.ss),
                    show::df(it.df),
                    show::number(it.ms),
                    show::number(it.f),
                    show::p(it.p),
                ]
            })
            .collect();
        let last = [show::number(residual.ss), show::df(residual.df), show::number(residual.ms)];
        rows.push(std::iter::once("residual".to_owned()).chain(last).collect());
        show::table(&["term", "sum of squares", "df", "mean square", "F", "p"], 1, &rows);

        output::print("effect sizes with 95 % intervals");
        let rows: Vec<Vec<String>> = terms
            .iter()
            .zip(&self.intervals)
            .map(|(it, intervals)| {
                let size = |value, interval: Option<Interval>| match interval {
                    Some(Interval { low, high, .. }) => {
                        let [value, low, high] = [value, low, high].map(|it| show::share(it, 4));
                        format!("{value} [{low} to {high}]")
                    }
                    None => show::share(value, 4),
                };
                vec![
                    it.term.clone(),
                    size(it.eta_sq, intervals.map(|it| it.eta_sq)),
                    size(it.partial_eta_sq, intervals.map(|it| it.partial_eta_sq)),
                    size(it.omega_sq, intervals.map(|it| it.omega_sq)),
                ]
            })
            .collect();
        show::table(&["term", "η²", "partial η²", "ω²"], 1, &rows);

        if let Some(Anova { terms, residual }) = &self.of_means {
            let cluster = quoted(cluster);
            output::print(&format!("of the means of each cell and {cluster}, one row a cluster"));
            let rows: Vec<Vec<String>> = terms
                .iter()
                .map(|it| {
                    let df = format!("{}, {}", show::df(it.df), show::df(residual.df));
                    vec![it.term.clone(), df, show::number(it.f), show::p(it.p)]
                })
                .collect();
            show::table(&["term", "df", "F", "p"], 1, &rows);
        }
    }
}
