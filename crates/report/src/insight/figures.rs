//! A landscape as figures.

use super::{Dependence, Importance, Landscape, SearchParameter, Share, Subject, Tried};
use crate::{
    number::significant,
    plot::{
        Axis, AxisScale, CategoryPlot, Coordinate, CoordinatePlot, Figure, Line, LinePlot,
        LinePoint, Mark, Plot, Reference, Shape, Trace,
    },
};

/// Trials drawn as lines; of more, every so many by rank.
const LINES: usize = 96;
/// Two-sided 95 % of a normal distribution.
const Z95: f64 = 1.96;

impl Landscape {
    /// Importance, a dependence for each parameter, and parallel coordinates for each subject; none
    /// of subjects about which nothing can be said.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures: Vec<Figure> = self.importance().into_iter().collect();
        figures.extend((0..self.parameters.len()).filter_map(|at| self.dependence(at)));
        figures.extend(self.told().map(|it| self.coordinates(it)));
        figures
    }

    fn importance(&self) -> Option<Figure> {
        let known = || self.told().filter_map(|it| Some((it, it.importance.as_ref()?)));
        let series: Vec<(String, Vec<Option<Mark>>)> = known()
            .map(|(subject, it)| {
                let mut marks: Vec<Option<Mark>> =
                    it.alone.iter().map(|it| Some(mark(*it))).collect();
                marks.push(Some(Mark { value: 100.0 * together(it), interval: None }));
                (
                    if subject.name.is_empty() { "share".to_owned() } else { subject.name.clone() },
                    marks,
                )
            })
            .collect();
        if series.is_empty() {
            return None;
        }
        let mut categories: Vec<String> =
            self.parameters.iter().map(|it| it.name.clone()).collect();
        categories.push("two together".to_owned());
        Some(Figure {
            id: self.id("importance"),
            title: self.titled("Which parameters matter", ""),
            caption: format!(
                "Share of the variance of the {} over the whole space that each parameter explains \
                 alone, and all pairs beyond that (functional ANOVA of a random forest). Intervals: \
                 1.96 deviations between its trees. {}.",
                self.value.title,
                self.basis()
            ),
            alt: format!("Bars, one a parameter. {}", self.in_words().join(" ")),
            plot: Plot::Bars(CategoryPlot {
                value: Axis::new("share of the variance", "%").from_zero(),
                categories,
                series,
                references: Vec::new(),
            }),
        })
    }

    fn dependence(&self, at: usize) -> Option<Figure> {
        let parameter = &self.parameters[at];
        let of: Vec<(&Subject, &Dependence)> =
            self.told().filter_map(|it| Some((it, it.dependence.get(at)?))).collect();
        if of.is_empty() {
            return None;
        }
        let line_name = |it: &Subject| {
            if it.name.is_empty() { "expected".to_owned() } else { it.name.clone() }
        };
        // With one subject its best trial is a landmark.
        let best = match of.as_slice() {
            [(one, _)] => one.best(self.is_minimized),
            _ => None,
        };
        let best = best.map(|it| Reference { value: it.value, label: "best trial".to_owned() });
        let value = Axis { title: format!("expected {}", self.value.title), ..self.value.clone() };
        let plot = if parameter.choices.is_empty() {
            let line = |(subject, it): &(&Subject, &Dependence)| Line {
                name: line_name(subject),
                shape: Shape::Straight,
                points: self
                    .along(it)
                    .map(|(x, y, band)| LinePoint { x, y, band: Some(band) })
                    .collect(),
            };
            Plot::Lines(LinePlot {
                x: parameter.axis(),
                y: value,
                lines: of.iter().map(line).collect(),
                references: best.into_iter().collect(),
            })
        } else {
            let choice = |it: f64| parameter.choices.get(it as usize).cloned().unwrap_or_default();
            let places = of.first().map_or(&[][..], |it| it.1.at.as_slice());
            let marks = |(subject, it): &(&Subject, &Dependence)| {
                let marks = self
                    .along(it)
                    .map(|(_, value, band)| Some(Mark { value, interval: Some(band) }));
                (line_name(subject), marks.collect())
            };
            Plot::Dots(CategoryPlot {
                value,
                categories: places.iter().map(|it| choice(*it)).collect(),
                series: of.iter().map(marks).collect(),
                references: best.into_iter().collect(),
            })
        };
        let name = &parameter.name;
        let cut = match self.bounds {
            Some([low, high]) => format!(" Cut at {low} and {high}, beyond which no value can be."),
            None => String::new(),
        };
        Some(Figure {
            id: self.id(&format!("dependence-{at}")),
            title: self.titled(&format!("What depends on {name}"), ""),
            caption: format!(
                "Expected {} along {name}, the other parameters averaged over the space (partial \
                 dependence of a Gaussian process), with its 95 % band, which is rather too wide.{cut} \
                 {}.",
                self.value.title,
                self.basis()
            ),
            alt: format!(
                "Expected {} against {name}: {}.",
                self.value.title,
                self.extremes(parameter, &of)
            ),
            plot,
        })
    }

    /// Where each subject is expected to be best, in words.
    fn extremes(&self, parameter: &SearchParameter, of: &[(&Subject, &Dependence)]) -> String {
        let each = of.iter().filter_map(|(subject, it)| {
            let sign = if self.is_minimized { -1.0 } else { 1.0 };
            let places = it.at.iter().zip(&it.mean);
            let (at, _) = places.max_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)))?;
            let name = parameter.choices.get(*at as usize).cloned();
            let at = name.unwrap_or_else(|| significant(*at, 3));
            let of = if subject.name.is_empty() {
                String::new()
            } else {
                format!(" of {}", subject.name)
            };
            Some(format!("best{of} at {at}"))
        });
        each.collect::<Vec<_>>().join("; ")
    }

    /// Places, expected values and bands, within the bounds.
    fn along<'a>(&'a self, of: &'a Dependence) -> impl Iterator<Item = (f64, f64, [f64; 2])> + 'a {
        let cut = |it: f64| self.bounds.map_or(it, |[low, high]| it.clamp(low, high));
        of.at.iter().zip(&of.mean).zip(&of.deviation).map(move |((at, mean), deviation)| {
            let band = [mean - Z95 * deviation, mean + Z95 * deviation];
            (*at, cut(*mean), band.map(cut))
        })
    }

    fn coordinates(&self, subject: &Subject) -> Figure {
        let mut order: Vec<&Tried> = subject.trials.iter().collect();
        order.sort_by(|a, b| a.value.total_cmp(&b.value));
        if self.is_minimized {
            order.reverse();
        }
        let shown = spread(order.len(), LINES);
        let known = subject.trials.iter().any(|it| it.cost.is_some());
        let cost = self.cost.as_ref().filter(|_| known);
        let trace = |rank: &usize| {
            let it = order[*rank];
            let mut values = it.parameters.clone();
            values.extend(cost.map(|_| it.cost));
            values.push(Some(it.value));
            let weight = (rank + 1) as f64 / order.len() as f64;
            Trace { name: it.name.clone(), values, weight }
        };
        let plain =
            |axis: &Axis| Coordinate { axis: axis.clone(), choices: Vec::new(), ends: None };
        let mut axes: Vec<Coordinate> =
            self.parameters.iter().map(SearchParameter::coordinate).collect();
        axes.extend(cost.map(plain));
        axes.push(plain(&self.value));
        let part = if shown.len() < order.len() {
            format!(
                " Every so many by rank: {} of {}, the best and the worst among them.",
                shown.len(),
                order.len()
            )
        } else {
            String::new()
        };
        let best = subject.best(self.is_minimized).map_or("", |it| it.name.as_str());
        Figure {
            id: if subject.name.is_empty() {
                self.id("parallel-coordinates")
            } else {
                self.id(&format!("coordinates-{}", subject.name))
            },
            title: self.titled("Trials in parallel coordinates", &subject.name),
            caption: format!(
                "An axis a parameter, a line a trial: the better its {}, the stronger.{part} Best: {best}.",
                self.value.title
            ),
            alt: format!("Lines of {} through {} axes.", subject.trials_in_words(), axes.len()),
            plot: Plot::Coordinates(CoordinatePlot {
                axes,
                traces: shown.iter().map(trace).collect(),
            }),
        }
    }
}

impl SearchParameter {
    fn axis(&self) -> Axis {
        let axis = Axis::new(self.name.as_str(), "");
        Axis { scale: if self.is_log { AxisScale::Log } else { AxisScale::Linear }, ..axis }
    }

    fn coordinate(&self) -> Coordinate {
        Coordinate {
            axis: self.axis(),
            choices: self.choices.clone(),
            ends: self.choices.is_empty().then_some([self.low, self.high]),
        }
    }
}

/// At most so many of the places 0 to n − 1, evenly, both ends among them.
fn spread(n: usize, most: usize) -> Vec<usize> {
    if n <= most {
        return (0..n).collect();
    }
    (0..most).map(|it| it * (n - 1) / (most - 1)).collect()
}

/// In percent.
fn mark(share: Share) -> Mark {
    let half = Z95 * share.deviation;
    let ends = [share.mean - half, share.mean + half].map(|it| 100.0 * it.clamp(0.0, 1.0));
    Mark { value: 100.0 * share.mean, interval: Some(ends) }
}

/// What pairs explain beyond their parameters.
fn together(importance: &Importance) -> f64 {
    importance.pairs.iter().map(|it| it.2.mean).sum()
}
