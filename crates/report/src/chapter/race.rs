//! RQ1, beyond the study: wasted energy, the price of a target accuracy, and ranks of the strategies.

use std::collections::HashMap;

use record::{NetworkKind, Origin, SamplerKind};

use crate::{
    claim::{Search, estimate, mean, unique},
    plot::{Axis, CategoryPlot, Figure, Line, LinePlot, LinePoint, Mark, Plot, Shape},
    stats::{self, kaplan_meier},
};

/// The test accuracy whose price in joules is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// A share, in (0, 1], of the best test accuracy that any search on the same data and network found.
    OfBest(f64),
    /// A test accuracy, in [0, 1].
    Accuracy(f64),
}

impl Default for Target {
    fn default() -> Self {
        Self::OfBest(0.95)
    }
}

impl Target {
    fn in_words(self) -> String {
        match self {
            Self::OfBest(share) => format!(
                "{} % of the best test accuracy that any search on the same data and network found",
                percent(share)
            ),
            Self::Accuracy(share) => format!("a test accuracy of {} %", percent(share)),
        }
    }
}

/// `95`, `87.5`.
fn percent(share: f64) -> f64 {
    (share * 1e4).round() / 100.0
}

/// Energy of the trainings that did not improve on the best before them.
pub(super) fn wasted(of: &[&Search<'_>], samplers: &[SamplerKind], id: &str, name: &str) -> Figure {
    let marks = samplers.iter().map(|sampler| {
        let shares: Option<Vec<f64>> = of
            .iter()
            .filter(|search| search.sampler == *sampler)
            .map(|search| search.wasted_share())
            .collect();
        let shares = shares?;
        let found = estimate(shares.len(), |units| mean(units.iter().map(|unit| shares[*unit])))?;
        let interval = found.ci95.map(|ends| ends.map(|end| end * 100.0));
        Some(Mark { value: found.value * 100.0, interval })
    });
    Figure {
        id: format!("rq1-wasted-{id}"),
        title: format!("Energy spent on trials that did not improve ({name})"),
        caption: "Share of a search's training energy that went into trials whose validation \
                  accuracy was not better than the best before: mean over searches, with a 95 % \
                  bootstrap interval if there are at least five searches."
            .to_owned(),
        alt: "Bars: the wasted share of each strategy.".to_owned(),
        plot: Plot::Bars(CategoryPlot {
            value: Axis::new("share of the energy that was wasted", "%").from_zero(),
            categories: samplers.iter().map(|sampler| sampler.title().to_owned()).collect(),
            series: vec![("wasted".to_owned(), marks.collect())],
            references: Vec::new(),
        }),
    }
}

/// Share of the searches that have not reached the target, by joules spent (Kaplan-Meier).
pub(super) fn survival(
    of: &[&Search<'_>],
    samplers: &[SamplerKind],
    id: &str,
    name: &str,
    origin: Origin,
    target: Target,
) -> Option<Figure> {
    let mut bests: HashMap<(&str, NetworkKind), f64> = HashMap::new();
    for search in of {
        let best = bests.entry((search.data, search.network)).or_insert(0.0);
        *best = best.max(search.best());
    }
    let line = |sampler: &SamplerKind| {
        let outcomes: Vec<(f64, bool)> = of
            .iter()
            .filter(|search| search.sampler == *sampler)
            .filter_map(|search| {
                let target = match target {
                    Target::OfBest(share) => share * bests[&(search.data, search.network)],
                    Target::Accuracy(share) => share,
                };
                let joules = search.joules_so_far();
                let reached = search.best_so_far().iter().position(|best| *best >= target);
                match reached {
                    Some(trial) => Some((joules[trial], true)),
                    None => Some((*joules.last()?, false)),
                }
            })
            .collect();
        let (times, happened): (Vec<f64>, Vec<bool>) = outcomes.iter().copied().unzip();
        let steps = kaplan_meier(&times, &happened, 0.95).ok()?;
        let last = times.iter().copied().fold(0.0, f64::max);
        let mut points = vec![LinePoint { x: 0.0, y: 100.0, band: None }];
        points.extend(steps.iter().map(|step| LinePoint {
            x: step.time,
            y: step.share * 100.0,
            band: step.interval.map(|interval| [interval.low * 100.0, interval.high * 100.0]),
        }));
        // Level until the last search ended.
        if let Some(end) = points.last().copied().filter(|point| point.x < last) {
            points.push(LinePoint { x: last, ..end });
        }
        let reached = happened.iter().filter(|reached| **reached).count();
        Some((Line { name: sampler.title().to_owned(), shape: Shape::Step, points }, reached))
    };
    let lines: Vec<(Line, usize)> = samplers.iter().filter_map(line).collect();
    if lines.is_empty() {
        return None;
    }
    let alt: Vec<String> = lines
        .iter()
        .map(|(line, reached)| format!("{}: {reached} searches reach the target", line.name))
        .collect();
    Some(Figure {
        id: format!("rq1-target-{id}"),
        title: format!("Searches that have not reached the target yet ({name})"),
        caption: format!(
            "The target is {}. Kaplan-Meier estimate with a 95 % band (Greenwood, log-log); a search \
             that ended before it reached the target is censored at its total energy.",
            target.in_words()
        ),
        alt: format!("Falling step lines, one per strategy. {}.", alt.join("; ")),
        plot: Plot::Lines(LinePlot {
            x: Axis::energy("energy of the search", "J", origin),
            y: Axis::new("searches below the target", "%").from_zero(),
            lines: lines.into_iter().map(|line| line.0).collect(),
            references: Vec::new(),
        }),
    })
}

fn p_text(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("= {p:.3}") }
}

/// Mean ranks over blocks (data, network, repetition) with Nemenyi's critical difference.
pub(super) fn ranks(
    of: &[&Search<'_>],
    samplers: &[SamplerKind],
    id: &str,
    name: &str,
) -> Option<Figure> {
    let blocks = unique(of.iter().map(|search| (search.data, search.network, search.repetition)));
    let mut by_cell = HashMap::new();
    for search in of {
        let key = ((search.data, search.network, search.repetition), search.sampler);
        by_cell.entry(key).or_insert_with(|| search.best());
    }
    let rows: Vec<Vec<f64>> = blocks
        .into_iter()
        .filter_map(|block| {
            let best = |sampler: &SamplerKind| by_cell.get(&(block, *sampler)).copied();
            samplers.iter().map(best).collect()
        })
        .collect();
    let columns: Vec<Vec<f64>> =
        (0..samplers.len()).map(|at| rows.iter().map(|row| row[at]).collect()).collect();
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let found = stats::mean_ranks(&columns, 0.95).ok()?;
    let friedman = stats::friedman(&columns).ok();
    let mut order: Vec<usize> = (0..samplers.len()).collect();
    order.sort_by(|a, b| found.ranks[*a].total_cmp(&found.ranks[*b]));
    let half = found.critical_difference / 2.0;
    let marks = order.iter().map(|index| {
        let rank = found.ranks[*index];
        Some(Mark { value: rank, interval: Some([rank - half, rank + half]) })
    });
    let names: Vec<String> =
        order.iter().map(|index| samplers[*index].title().to_owned()).collect();
    let test = friedman.map_or_else(String::new, |test| {
        format!(" Friedman's test: χ² = {:.2}, p {}.", test.statistic, p_text(test.p))
    });
    Some(Figure {
        id: format!("rq1-ranks-{id}"),
        title: format!("Strategies ranked by their best configuration ({name})"),
        caption: format!(
            "Mean rank of the test accuracy over {} blocks (data set, network, repetition); rank 1 is \
             best. The bars extend half of Nemenyi's critical difference ({:.2}) to either side: \
             strategies whose bars overlap do not differ significantly (p ≥ 0.05).{test}",
            found.blocks, found.critical_difference
        ),
        alt: format!("Dots: mean ranks, best first: {}.", names.join(", ")),
        plot: Plot::Dots(CategoryPlot {
            value: Axis::new("mean rank", ""),
            categories: names,
            series: vec![("rank".to_owned(), marks.collect())],
            references: Vec::new(),
        }),
    })
}
