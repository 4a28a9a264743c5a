//! The figures of `--svg`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use report::{
    Axis, CategoryPlot, Figure, Line, LinePoint, Mark, Plot, Point, PointPlot, PointSeries,
    Reference, StripGroup, StripPlot,
    stats::{self, Factor, Formula, PairComparison, Variable},
};

use crate::output;

/// Most observations that a figure shows one by one, and most rows or colors of one.
const MOST_POINTS: usize = 20_000;
const MOST_ROWS: usize = 100;
const MOST_COLORS: usize = 8;

/// Where the figures of a command go.
#[derive(Debug, clap::Args)]
pub(super) struct Svg {
    /// Draw the data or the result as an SVG file. `anova` writes two more beside it, `NAME-residuals.svg` and
    /// `NAME-normal.svg`.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Svg {
    /// Writes the first figure to the file of the flag, and each other under its name with the figure's id.
    /// Nothing is computed without the flag.
    pub(super) fn write(
        &self,
        figures: impl FnOnce() -> Result<Vec<Figure>, anyhow::Error>,
    ) -> Result<(), anyhow::Error> {
        let Some(file) = &self.svg else { return Ok(()) };
        for (at, figure) in figures().context("flag `--svg`")?.iter().enumerate() {
            let path = if at == 0 { file.clone() } else { beside(file, &figure.id) };
            output::write_whole(&path, report::svg(figure).as_bytes()).with_context(|| {
                format!("failed to write `{}`; choose another file with `--svg`", path.display())
            })?;
            output::line(&format!("figure: {}", path.display()));
        }
        Ok(())
    }
}

fn beside(file: &Path, id: &str) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}-{id}.svg"))
}

fn check_points(points: usize) -> Result<(), anyhow::Error> {
    ensure!(
        points <= MOST_POINTS,
        "{points} rows are too many points for a figure, expected at most {MOST_POINTS}; leave the flag out"
    );
    Ok(())
}

fn check_rows(rows: usize) -> Result<(), anyhow::Error> {
    ensure!(
        rows <= MOST_ROWS,
        "a figure would have {rows} rows, expected at most {MOST_ROWS}; leave the flag out"
    );
    Ok(())
}

/// Every observation with a box of quartiles, a row for each level.
pub(super) fn groups(
    response: &str,
    factor: &Factor,
    values: &[f64],
) -> Result<Figure, anyhow::Error> {
    check_points(values.len())?;
    check_rows(factor.levels.len())?;
    let groups = factor.levels.iter().zip(factor.split(values)?);
    let groups = groups.map(|(name, values)| StripGroup { name: name.clone(), values });
    Ok(Figure {
        id: "groups".to_owned(),
        title: format!("{response} by {}", factor.name),
        caption: "Each dot is a row; boxes have the quartiles.".to_owned(),
        alt: format!("Values of {response} for each level of {}.", factor.name),
        plot: Plot::Strip(StripPlot {
            value: Axis::new(response, ""),
            groups: groups.collect(),
            references: Vec::new(),
        }),
    })
}

/// Differences with their intervals, a row for each pair.
pub(super) fn forest(response: &str, pairs: &[PairComparison]) -> Result<Figure, anyhow::Error> {
    check_rows(pairs.len())?;
    let marks = pairs.iter().map(|pair| {
        let interval = pair.interval.map(|interval| [interval.low, interval.high]);
        Some(Mark { value: pair.difference, interval })
    });
    let title =
        format!("Differences of {response} between all pairs, with simultaneous 95 % intervals");
    Ok(dots(
        title,
        Axis::new(format!("difference of {response}"), "").from_zero(),
        pairs.iter().map(|pair| format!("{} − {}", pair.a, pair.b)).collect(),
        vec![(String::new(), marks.collect())],
        vec![Reference { value: 0.0, label: "no difference".to_owned() }],
    ))
}

/// Mean ranks with half a critical difference to both sides.
pub(super) fn critical_differences(
    names: &[String],
    ranks: &[f64],
    critical_difference: f64,
) -> Result<Figure, anyhow::Error> {
    check_rows(names.len())?;
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|a, b| ranks[*a].total_cmp(&ranks[*b]));
    let half = critical_difference / 2.0;
    let mark = |at: &usize| {
        let value = ranks[*at];
        Some(Mark { value, interval: Some([value - half, value + half]) })
    };
    let marks = order.iter().map(mark).collect();
    Ok(dots(
        "Mean ranks: treatments whose bars do not overlap differ significantly at 5 % (Nemenyi)"
            .to_owned(),
        Axis::new("mean rank (1: smallest value), ± half a critical difference", ""),
        order.iter().map(|at| names[*at].clone()).collect(),
        vec![(String::new(), marks)],
        Vec::new(),
    ))
}

/// Means of cells with 95 % intervals: a row for each level of the first factor, a color for each of the second.
pub(super) fn interaction(
    response: &str,
    factors: &[Factor],
    values: &[f64],
) -> Result<Figure, anyhow::Error> {
    let shown: Vec<Factor> = factors
        .iter()
        .enumerate()
        .filter(|(at, factor)| *at == 0 || factor.levels.len() <= MOST_COLORS)
        .map(|(_, factor)| factor.clone())
        .take(2)
        .collect();
    let first = &shown[0];
    check_rows(first.levels.len())?;
    let mut found: BTreeMap<(String, String), Mark> = BTreeMap::new();
    for cell in stats::cell_means(values, &shown)? {
        let interval = cell.interval(0.95)?.map(|interval| [interval.low, interval.high]);
        let series = cell.levels.get(1).cloned().unwrap_or_default();
        found.insert((series, cell.levels[0].clone()), Mark { value: cell.mean, interval });
    }
    let series: Vec<String> =
        shown.get(1).map_or_else(|| vec![String::new()], |factor| factor.levels.clone());
    let series = series
        .into_iter()
        .map(|series| {
            let key = |level: &String| (series.clone(), level.clone());
            let marks = first.levels.iter().map(|level| found.get(&key(level)).copied()).collect();
            let name =
                shown.get(1).map_or_else(String::new, |factor| format!("{} {series}", factor.name));
            (name, marks)
        })
        .collect();
    let names: Vec<&str> = shown.iter().map(|factor| factor.name.as_str()).collect();
    Ok(dots(
        format!("Means of {response} by {}, with 95 % intervals", names.join(" and ")),
        Axis::new(response, ""),
        first.levels.iter().map(|level| format!("{} {level}", first.name)).collect(),
        series,
        Vec::new(),
    ))
}

fn dots(
    title: String,
    value: Axis,
    categories: Vec<String>,
    series: Vec<(String, Vec<Option<Mark>>)>,
    references: Vec<Reference>,
) -> Figure {
    Figure {
        id: "values".to_owned(),
        alt: title.clone(),
        caption: title.clone(),
        title,
        plot: Plot::Dots(CategoryPlot { value, categories, series, references }),
    }
}

/// The residuals of a model beside its values, and beside the quantiles of a normal distribution.
pub(super) fn residuals(
    title: &str,
    formula: &Formula,
    response: &[f64],
    variables: &[Variable],
) -> Result<[Figure; 2], anyhow::Error> {
    check_points(response.len())?;
    let rows = stats::fitted_rows(formula, response, variables)?;
    let residuals: Vec<f64> = rows.iter().map(|row| row.residual).collect();
    let points =
        rows.iter().map(|row| Point { x: row.fitted, y: row.residual, ..Point::default() });
    let beside_values = Figure {
        id: "residuals".to_owned(),
        title: format!("Residuals of {formula}"),
        caption: "Each dot is a row. A pattern or a funnel shows that the model does not fit."
            .to_owned(),
        alt: "The residual of each row beside its value in the model.".to_owned(),
        plot: Plot::Points(points_of(
            title,
            Axis::new(format!("{title} in the model"), ""),
            points.collect(),
            Vec::new(),
        )),
    };
    let quantiles = stats::normal_plot(&residuals)?;
    let sd = stats::standard_deviation(&residuals).unwrap_or(0.0);
    let ends = quantiles.first().zip(quantiles.last());
    let line = ends.map(|(first, last)| Line {
        name: "normal".to_owned(),
        points: [first[0], last[0]].map(|x| LinePoint { x, y: x * sd, band: None }).to_vec(),
        ..Line::default()
    });
    let points = quantiles.iter().map(|[x, y]| Point { x: *x, y: *y, ..Point::default() });
    let beside_normal = Figure {
        id: "normal".to_owned(),
        title: format!("Normal plot of the residuals of {formula}"),
        caption: "Each dot is a row. Normal residuals lie on the line.".to_owned(),
        alt: "The residuals beside the quantiles of a normal distribution.".to_owned(),
        plot: Plot::Points(points_of(
            title,
            Axis::new("normal quantile", ""),
            points.collect(),
            line.into_iter().collect(),
        )),
    };
    Ok([beside_values, beside_normal])
}

fn points_of(title: &str, x: Axis, points: Vec<Point>, trends: Vec<Line>) -> PointPlot {
    let series = vec![PointSeries { name: String::new(), points, faded: false }];
    PointPlot { x, y: Axis::new(format!("residual of {title}"), "").from_zero(), series, trends }
}

/// A formula of crossed factors.
pub(super) fn crossed(
    response: &str,
    factors: &[Factor],
    sign: &str,
) -> Result<Formula, anyhow::Error> {
    let names: Vec<String> = factors.iter().map(|factor| format!("`{}`", factor.name)).collect();
    Ok(format!("`{response}` ~ {}", names.join(sign)).parse()?)
}
