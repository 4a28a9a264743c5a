//! `wattlab stats anova`.

use anyhow::{Context, bail};
use report::stats::{self, Anova, EffectIntervals, Effects, Interval, SumsOfSquares, Variable};
use serde_json::json;
use units::limits;

use super::{
    columns::Columns,
    data::{Data, Rows},
    figure::{self, Svg},
    formula::Model,
    mixed, repeated,
    show::{self, finite},
    table::quoted,
    warn,
};
use crate::output;

/// Arguments of `wattlab stats anova`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    svg: Svg,
    /// Column with the numbers to analyze.
    #[arg(long, value_name = "COL", required_unless_present = "formula")]
    response: Option<String>,
    /// Columns whose values are the levels of a factor. Quote a name that contains a comma.
    #[arg(long, value_name = "A,B,C", required_unless_present = "formula")]
    factors: Option<Columns>,
    /// Model in R's notation, in place of response and factors: `y ~ block + a*b`, `y ~ a/b` for `b` nested in
    /// `a`, `y ~ a + (1|run)` for a mixed model with random runs, `y ~ a*time + Error(id/time)` for repeated
    /// measures. Few different whole numbers are levels; `factor(x)` and `covariate(x)` decide it.
    #[arg(long, conflicts_with_all = ["response", "factors", "main_effects"])]
    formula: Option<String>,
    /// Type of the sums of squares: 1 adjusts a term for those before it, 2 for those that do not contain it,
    /// 3 for all others.
    #[arg(long = "type", value_name = "1|2|3", default_value_t = 3, value_parser = limits::SUMS_OF_SQUARES.parser::<u8>())]
    kind: u8,
    /// Fit the factors without interactions, for data with one row per cell or with empty cells.
    #[arg(long)]
    main_effects: bool,
}

pub(super) fn run(args: &Args) -> Result<(), anyhow::Error> {
    let kind = match args.kind {
        1 => SumsOfSquares::TypeI,
        2 => SumsOfSquares::TypeII,
        _ => SumsOfSquares::TypeIII,
    };
    if let Some(text) = &args.formula {
        let model = Model::read(&args.rows, text)?;
        args.svg.write(|| model.figures())?;
        return if model.formula.repeated.is_some() {
            only_type_three(args)?;
            repeated::run(&model)
        } else if model.formula.random.is_empty() {
            by_formula(&model, kind)
        } else {
            only_type_three(args)?;
            mixed::run(&model)
        };
    }
    let (Some(response), Some(factors)) = (&args.response, &args.factors) else {
        bail!("expected `--formula`, or `--response` and `--factors`");
    };
    let data = &args.rows.of(response);
    let table = data.table(&factors.names())?;
    let response = table.numbers(&data.response)?;
    let factors = table.factors(&factors.0, &data.response)?;
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
    let of_means = match warn::clusters(&table, data)? {
        Some(clusters) => {
            let (means, levels) = stats::cluster_means(&response, &clusters.codes, &factors)
                .map_err(|error| table.complaint(error, data, &factors))?;
            let context = || format!("the means of the clusters by `{}`", clusters.name);
            Some(stats::anova_of(&means, &levels, kind, effects).with_context(context)?)
        }
        None => None,
    };
    args.svg.write(|| {
        let sign = if args.main_effects { "+" } else { "*" };
        let formula = figure::crossed(&data.response, &factors, sign)?;
        let variables: Vec<Variable> = factors.iter().cloned().map(Variable::Factor).collect();
        let means = figure::interaction(&table.title(&data.response), &factors, &response)?;
        let [residuals, normal] =
            figure::residuals(&table.title(&data.response), &formula, &response, &variables)?;
        Ok(vec![means, residuals, normal])
    })?;
    let names: Vec<String> = factors.iter().map(|factor| factor.name.clone()).collect();
    Found::new(kind, found, of_means, notes)?.print(data, &format!("by {}", quoted(&names)), None)
}

fn only_type_three(args: &Args) -> Result<(), anyhow::Error> {
    if args.kind == 3 {
        return Ok(());
    }
    bail!(
        "flag `--type` is {}, but tests of this model are of type 3; leave the flag out",
        args.kind
    )
}

/// A model with fixed effects.
fn by_formula(model: &Model, kind: SumsOfSquares) -> Result<(), anyhow::Error> {
    let found = stats::anova_by_formula(&model.formula, &model.response, &model.variables, kind)
        .map_err(|error| model.complaint(error))?;
    let notes = model.screened(&found.aliased)?;
    let text = model.formula.to_string();
    Found::new(kind, found, None, notes)?.print(&model.data, &format!("by `{text}`"), Some(&text))
}

/// The table, the intervals of its effect sizes and, if clusters are given, the analysis of their
/// means.
struct Found {
    kind: u8,
    found: Anova,
    intervals: Vec<Option<EffectIntervals>>,
    of_means: Option<Anova>,
    notes: Vec<warn::Note>,
}

impl Found {
    fn new(
        kind: SumsOfSquares,
        found: Anova,
        of_means: Option<Anova>,
        notes: Vec<warn::Note>,
    ) -> Result<Self, stats::StatsError> {
        let intervals = (0..found.terms.len())
            .map(|index| found.effect_intervals(index, 0.95))
            .collect::<Result<_, _>>()?;
        let kind = match kind {
            SumsOfSquares::TypeI => 1,
            SumsOfSquares::TypeII => 2,
            _ => 3,
        };
        Ok(Self { kind, found, intervals, of_means, notes })
    }

    fn print(&self, data: &Data, by: &str, formula: Option<&str>) -> Result<(), anyhow::Error> {
        if data.json {
            return output::print_json(&self.json(data, formula))
                .map_err(|failure| anyhow::anyhow!("{failure}"));
        }
        let roman = ["I", "II", "III"][usize::from(self.kind) - 1];
        output::print(&format!(
            "Type {roman} ANOVA of `{}` {by} ({} rows)",
            data.response, self.found.observations
        ));
        self.show(&data.cluster.0);
        warn::print(&self.notes);
        Ok(())
    }

    fn json(&self, data: &Data, formula: Option<&str>) -> serde_json::Value {
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
                "cluster": data.cluster.0, "terms": terms.collect::<Vec<_>>(),
                "residual": {"ss": means.residual.ss, "df": means.residual.df, "ms": means.residual.ms},
            })
        });
        let residual = self.found.residual;
        let mut document = json!({
            "response": data.response, "n": self.found.observations, "type": self.kind, "terms": terms,
            "residual": {"ss": residual.ss, "df": residual.df, "ms": residual.ms},
            "of_cluster_means": of_means, "cautions": self.notes,
        });
        if let Some(formula) = formula {
            document["formula"] = json!(formula);
        }
        document
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
