//! RQ1, beyond the study: what searches waste, what a target accuracy costs, who ranks first.

use std::collections::HashMap;

use record::{NetworkKind, Origin, SamplerKind};

use crate::{
    claim::{Search, estimate, mean, unique},
    document::Figure,
    plot::{Axis, CategoryPlot, Line, LinePlot, LinePoint, Mark, Plot, Shape},
    stats::{self, kaplan_meier},
};

/// The accuracy whose price in joules is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This share of the best test accuracy that any search on the same data and network found.
    OfBest(f64),
    /// This test accuracy, in [0, 1].
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

/// Joules that trainings took that did not improve on the best so far.
pub(super) fn wasted(of: &[&Search<'_>], samplers: &[SamplerKind], id: &str, name: &str) -> Figure {
    let marks = samplers.iter().map(|sampler| {
        let shares: Option<Vec<f64>> =
            of.iter().filter(|it| it.sampler == *sampler).map(|it| it.wasted_share()).collect();
        let shares = shares?;
        let found = estimate(shares.len(), |units| mean(units.iter().map(|it| shares[*it])))?;
        let interval = found.ci95.map(|it| it.map(|end| end * 100.0));
        Some(Mark { value: found.value * 100.0, interval })
    });
    Figure {
        id: format!("rq1-wasted-{id}"),
        title: format!("Energy spent on trials that did not improve ({name})"),
        caption: "Share of a search's training energy that went into trials whose validation \
                  accuracy did not beat the best before: mean over searches with its 95 % bootstrap \
                  interval, where there are at least five."
            .to_owned(),
        alt: "Bars of the wasted share, one a strategy.".to_owned(),
        plot: Plot::Bars(CategoryPlot {
            value: Axis::new("wasted share of the energy", "%").from_zero(),
            categories: samplers.iter().map(|it| it.title().to_owned()).collect(),
            series: vec![("wasted".to_owned(), marks.collect())],
            references: Vec::new(),
        }),
    }
}

/// Searches that have not reached the target after so many joules (Kaplan-Meier).
pub(super) fn survival(
    of: &[&Search<'_>],
    samplers: &[SamplerKind],
    id: &str,
    name: &str,
    origin: Origin,
    target: Target,
) -> Option<Figure> {
    let mut bests: HashMap<(&str, NetworkKind), f64> = HashMap::new();
    for it in of {
        let best = bests.entry((it.data, it.network)).or_insert(0.0);
        *best = best.max(it.best());
    }
    let line = |sampler: &SamplerKind| {
        let outcomes: Vec<(f64, bool)> = of
            .iter()
            .filter(|it| it.sampler == *sampler)
            .filter_map(|it| {
                let target = match target {
                    Target::OfBest(share) => share * bests[&(it.data, it.network)],
                    Target::Accuracy(share) => share,
                };
                let joules = it.joules_so_far();
                let reached = it.best_so_far().iter().position(|it| *it >= target);
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
        points.extend(steps.iter().map(|it| LinePoint {
            x: it.time,
            y: it.share * 100.0,
            band: it.interval.map(|it| [it.low * 100.0, it.high * 100.0]),
        }));
        // Level until the last search was given up.
        if let Some(end) = points.last().copied().filter(|it| it.x < last) {
            points.push(LinePoint { x: last, ..end });
        }
        let reached = happened.iter().filter(|it| **it).count();
        Some((Line { name: sampler.title().to_owned(), shape: Shape::Step, points }, reached))
    };
    let lines: Vec<(Line, usize)> = samplers.iter().filter_map(line).collect();
    if lines.is_empty() {
        return None;
    }
    let alt: Vec<String> = lines
        .iter()
        .map(|(line, reached)| format!("{}: {reached} searches reach it", line.name))
        .collect();
    Some(Figure {
        id: format!("rq1-target-{id}"),
        title: format!("Searches that have not reached the target yet ({name})"),
        caption: format!(
            "The target is {}. Kaplan-Meier estimate with its 95 % band (Greenwood, log-log); a search \
             that ended without the target is censored at its last joule.",
            target.in_words()
        ),
        alt: format!("Falling steps by strategy. {}.", alt.join("; ")),
        plot: Plot::Lines(LinePlot {
            x: Axis::energy("energy of the search", "J", origin),
            y: Axis::new("searches without the target", "%").from_zero(),
            lines: lines.into_iter().map(|it| it.0).collect(),
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
    let blocks = unique(of.iter().map(|it| (it.data, it.network, it.repetition)));
    let mut by_cell = HashMap::new();
    for it in of {
        let key = ((it.data, it.network, it.repetition), it.sampler);
        by_cell.entry(key).or_insert_with(|| it.best());
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
    let marks = order.iter().map(|it| {
        let rank = found.ranks[*it];
        Some(Mark { value: rank, interval: Some([rank - half, rank + half]) })
    });
    let names: Vec<String> = order.iter().map(|it| samplers[*it].title().to_owned()).collect();
    let test = friedman.map_or_else(String::new, |it| {
        format!(" Friedman's test: χ² = {:.2}, p {}.", it.statistic, p_text(it.p))
    });
    Some(Figure {
        id: format!("rq1-ranks-{id}"),
        title: format!("Strategies ranked by their best configuration ({name})"),
        caption: format!(
            "Mean rank of the test accuracy over {} blocks (data, network, repetition); 1 is best. \
             Bars are half of Nemenyi's critical difference ({:.2}) to either side: strategies whose \
             bars overlap are not told apart (p ≥ 0.05).{test}",
            found.blocks, found.critical_difference
        ),
        alt: format!("Ranks, best first: {}.", names.join(", ")),
        plot: Plot::Dots(CategoryPlot {
            value: Axis::new("mean rank", ""),
            categories: names,
            series: vec![("rank".to_owned(), marks.collect())],
            references: Vec::new(),
        }),
    })
}
