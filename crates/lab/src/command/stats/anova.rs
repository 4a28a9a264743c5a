//! `wattlab stats anova`.

use anyhow::Context;
use report::stats::{self, Anova, EffectIntervals, Effects, Interval, SumsOfSquares};
use serde_json::json;
use units::limits;

use super::{
    columns::Columns,
    data::Data,
    show::{self, finite},
    table::quoted,
    warn,
};
use crate::output;

/// Arguments of `wattlab stats anova`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: Data,
    /// Columns whose values are the levels of a factor. Quote a name that contains a comma.
    #[arg(long, value_name = "A,B,C")]
    factors: Columns,
    /// Type of the sums of squares: 2 adjusts a term for the terms that do not contain it, 3 for all
    /// other terms.
    #[arg(long = "type", value_name = "2|3", default_value_t = 3, value_parser = limits::SUMS_OF_SQUARES.parser::<u8>())]
    kind: u8,
    /// Fit the factors without interactions, for data with one row per cell or with empty cells.
    #[arg(long)]
    main_effects: bool,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    let data = &args.data;
    let table = data.table(&args.factors.names())?;
    let response = table.numbers(&data.response)?;
    let factors = table.factors(&args.factors.0, &data.response)?;
    let kind = if args.kind == 2 { SumsOfSquares::TypeII } else { SumsOfSquares::TypeIII };
    let effects = if args.main_effects { Effects::Main } else { Effects::Factorial };
    let found = stats::anova_of(&response, &factors, kind, effects).map_err(|error| {
        let lacks_rows = matches!(
            error,
            stats::StatsError::NoResidual { .. } | stats::StatsError::EmptyCell { .. }
        );
        let error = table.complaint(error, data, &factors);
        if lacks_rows && !args.main_effects {
            anyhow::anyhow!("{error:#} (flag `--main-effects`)")
        } else {
            error
        }
    })?;
    let notes = warn::notes(&table, data, &response, &factors)?;
    let intervals: Vec<Option<EffectIntervals>> = (0..found.terms.len())
        .map(|index| found.effect_intervals(index, 0.95))
        .collect::<Result<_, _>>()?;
    let of_means = match warn::clusters(&table, data)? {
        Some(clusters) => {
            let (means, levels) = stats::cluster_means(&response, &clusters.codes, &factors)
                .map_err(|error| table.complaint(error, data, &factors))?;
            let context = || format!("the means of the clusters by `{}`", clusters.name);
            Some(stats::anova_of(&means, &levels, kind, effects).with_context(context)?)
        }
        None => None,
    };
    let found = Found { found, intervals, of_means };
    if data.json {
        return output::print_json(&found.json(args, response.len(), &notes))
            .map_err(|failure| anyhow::anyhow!("{failure}"));
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

/// The table, the intervals of its effect sizes and, if clusters are given, the analysis of their
/// means.
struct Found {
    found: Anova,
    intervals: Vec<Option<EffectIntervals>>,
    of_means: Option<Anova>,
}

impl Found {
    fn json(&self, args: &Args, n: usize, notes: &[warn::Note]) -> serde_json::Value {
        let ends = |interval: Interval| [interval.low, interval.high];
        let terms: Vec<_> = self
            .found
            .terms
            .iter()
            .zip(&self.intervals)
            .map(|(found, intervals)| {
                json!({
                    "term": found.term, "ss": found.ss, "df": found.df, "ms": found.ms, "f": finite(found.f),
                    "p": found.p, "eta_sq": found.eta_sq, "partial_eta_sq": found.partial_eta_sq,
                    "omega_sq": found.omega_sq,
                    "eta_sq_ci95": intervals.map(|sizes| ends(sizes.eta_sq)),
                    "partial_eta_sq_ci95": intervals.map(|sizes| ends(sizes.partial_eta_sq)),
                    "omega_sq_ci95": intervals.map(|sizes| ends(sizes.omega_sq)),
                })
            })
            .collect();
        let of_means = self.of_means.as_ref().map(|means| {
            let terms = means
                .terms
                .iter()
                .map(|found| json!({"term": found.term, "df": found.df, "f": finite(found.f), "p": found.p}));
            json!({
                "cluster": args.data.cluster.0, "terms": terms.collect::<Vec<_>>(),
                "residual": {"ss": means.residual.ss, "df": means.residual.df, "ms": means.residual.ms},
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
        let Anova { terms, residual, .. } = &self.found;
        let mut rows: Vec<Vec<String>> = terms
            .iter()
            .map(|term| {
                vec![
                    term.term.clone(),
                    show::number(term.ss),
                    show::df(term.df),
                    show::number(term.ms),
                    show::number(term.f),
                    show::p(term.p),
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
            .map(|(term, intervals)| {
                let size = |value, interval: Option<Interval>| match interval {
                    Some(Interval { low, high, .. }) => {
                        let [value, low, high] =
                            [value, low, high].map(|size| show::share(size, 4));
                        format!("{value} [{low} to {high}]")
                    }
                    None => show::share(value, 4),
                };
                vec![
                    term.term.clone(),
                    size(term.eta_sq, intervals.map(|sizes| sizes.eta_sq)),
                    size(term.partial_eta_sq, intervals.map(|sizes| sizes.partial_eta_sq)),
                    size(term.omega_sq, intervals.map(|sizes| sizes.omega_sq)),
                ]
            })
            .collect();
        show::table(&["term", "η²", "partial η²", "ω²"], 1, &rows);

        if let Some(Anova { terms, residual, .. }) = &self.of_means {
            let cluster = quoted(cluster);
            output::print(&format!("on the means of {cluster} in each cell, one row per cluster"));
            let rows: Vec<Vec<String>> = terms
                .iter()
                .map(|term| {
                    let df = format!("{}, {}", show::df(term.df), show::df(residual.df));
                    vec![term.term.clone(), df, show::number(term.f), show::p(term.p)]
                })
                .collect();
            show::table(&["term", "df", "F", "p"], 1, &rows);
        }
    }
}
