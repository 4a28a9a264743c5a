//! Figures of what a search says about its parameters.

use units::{Dependence, Importance, Share};

use super::{Function, SearchInsight, SearchParameter, TrialPoint};
use crate::{
    number::significant,
    plot::{
        Axis, AxisScale, CategoryPlot, Coordinate, CoordinatePlot, Figure, Line, LinePlot,
        LinePoint, Mark, Plot, Reference, Shape, Trace,
    },
};

/// At most this many trials are drawn as lines; of more, an even selection by rank.
const LINES: usize = 96;
/// Two-sided 95 % of a normal distribution.
const Z95: f64 = 1.96;

impl SearchInsight {
    /// The importance of the parameters, the dependence on each of them, and the trials of each function
    /// in parallel coordinates. Functions with too few trials have no figures.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures: Vec<Figure> = self.importance().into_iter().collect();
        figures.extend((0..self.parameters.len()).filter_map(|at| self.dependence(at)));
        figures.extend(self.told().map(|function| self.coordinates(function)));
        figures
    }

    fn importance(&self) -> Option<Figure> {
        let known =
            || self.told().filter_map(|function| Some((function, function.importance.as_ref()?)));
        let series: Vec<(String, Vec<Option<Mark>>)> = known()
            .map(|(function, importance)| {
                let mut marks: Vec<Option<Mark>> =
                    importance.alone.iter().map(|share| Some(mark(*share))).collect();
                marks.push(Some(Mark { value: 100.0 * together(importance), interval: None }));
                (
                    if function.name.is_empty() {
                        "share".to_owned()
                    } else {
                        function.name.clone()
                    },
                    marks,
                )
            })
            .collect();
        if series.is_empty() {
            return None;
        }
        let mut categories: Vec<String> =
            self.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        categories.push("two together".to_owned());
        Some(Figure {
            id: self.id("importance"),
            title: self.titled("Which parameters matter", ""),
            caption: format!(
                "Share of the variance of the {} over the whole space that each parameter explains \
                 alone, and all pairs beyond that (functional ANOVA of a random forest). Intervals: \
                 1.96 standard deviations over the trees. {}.",
                self.value.title,
                self.basis()
            ),
            alt: format!("A bar per parameter. {}", self.in_words().join(" ")),
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
        let of: Vec<(&Function, &Dependence)> = self
            .told()
            .filter_map(|function| Some((function, function.dependence.get(at)?)))
            .collect();
        if of.is_empty() {
            return None;
        }
        let line_name = |function: &Function| {
            if function.name.is_empty() { "expected".to_owned() } else { function.name.clone() }
        };
        // With one function, its best trial is marked.
        let best = match of.as_slice() {
            [(one, _)] => one.best(self.is_minimized),
            _ => None,
        };
        let best =
            best.map(|trial| Reference { value: trial.value, label: "best trial".to_owned() });
        let value = Axis { title: format!("expected {}", self.value.title), ..self.value.clone() };
        let plot = if parameter.choices.is_empty() {
            let line = |(function, dependence): &(&Function, &Dependence)| Line {
                name: line_name(function),
                shape: Shape::Straight,
                points: self
                    .along(dependence)
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
            let choice =
                |index: f64| parameter.choices.get(index as usize).cloned().unwrap_or_default();
            let places = of.first().map_or(&[][..], |pair| pair.1.at.as_slice());
            let marks = |(function, dependence): &(&Function, &Dependence)| {
                let marks = self
                    .along(dependence)
                    .map(|(_, value, band)| Some(Mark { value, interval: Some(band) }));
                (line_name(function), marks.collect())
            };
            Plot::Dots(CategoryPlot {
                value,
                categories: places.iter().map(|value| choice(*value)).collect(),
                series: of.iter().map(marks).collect(),
                references: best.into_iter().collect(),
            })
        };
        let name = &parameter.name;
        let cut = match self.bounds {
            Some([low, high]) => format!(" Cut at {low} and {high}, the limits of the value."),
            None => String::new(),
        };
        Some(Figure {
            id: self.id(&format!("dependence-{at}")),
            title: self.titled(&format!("Dependence on {name}"), ""),
            caption: format!(
                "Expected {} against {name}, averaged over the other parameters (partial dependence of \
                 a Gaussian process), with a 95 % band that tends to be too wide.{cut} {}.",
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

    /// Where each function is expected to be best, in words.
    fn extremes(&self, parameter: &SearchParameter, of: &[(&Function, &Dependence)]) -> String {
        let each = of.iter().filter_map(|(function, dependence)| {
            let sign = if self.is_minimized { -1.0 } else { 1.0 };
            let places = dependence.at.iter().zip(&dependence.mean);
            let (at, _) = places.max_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)))?;
            let name = parameter.choices.get(*at as usize).cloned();
            let at = name.unwrap_or_else(|| significant(*at, 3));
            let of = if function.name.is_empty() {
                String::new()
            } else {
                format!(" of {}", function.name)
            };
            Some(format!("best{of} at {at}"))
        });
        each.collect::<Vec<_>>().join("; ")
    }

    /// Values of the parameter, expected values and bands, cut at the bounds.
    fn along<'a>(&'a self, of: &'a Dependence) -> impl Iterator<Item = (f64, f64, [f64; 2])> + 'a {
        let cut = |value: f64| self.bounds.map_or(value, |[low, high]| value.clamp(low, high));
        of.at.iter().zip(&of.mean).zip(&of.deviation).map(move |((at, mean), deviation)| {
            let band = [mean - Z95 * deviation, mean + Z95 * deviation];
            (*at, cut(*mean), band.map(cut))
        })
    }

    fn coordinates(&self, function: &Function) -> Figure {
        let mut order: Vec<&TrialPoint> = function.trials.iter().collect();
        order.sort_by(|a, b| a.value.total_cmp(&b.value));
        if self.is_minimized {
            order.reverse();
        }
        let shown = spread(order.len(), LINES);
        let known = function.trials.iter().any(|trial| trial.cost.is_some());
        let cost = self.cost.as_ref().filter(|_| known);
        let trace = |rank: &usize| {
            let trial = order[*rank];
            let mut values = trial.parameters.clone();
            values.extend(cost.map(|_| trial.cost));
            values.push(Some(trial.value));
            let weight = (rank + 1) as f64 / order.len() as f64;
            Trace { name: trial.name.clone(), values, weight }
        };
        let plain =
            |axis: &Axis| Coordinate { axis: axis.clone(), choices: Vec::new(), ends: None };
        let mut axes: Vec<Coordinate> =
            self.parameters.iter().map(SearchParameter::coordinate).collect();
        axes.extend(cost.map(plain));
        axes.push(plain(&self.value));
        let part = if shown.len() < order.len() {
            format!(" Showing {} of {} trials, evenly spaced by rank.", shown.len(), order.len())
        } else {
            String::new()
        };
        let best = function.best(self.is_minimized).map_or("", |trial| trial.name.as_str());
        Figure {
            id: if function.name.is_empty() {
                self.id("parallel-coordinates")
            } else {
                self.id(&format!("coordinates-{}", function.name))
            },
            title: self.titled("Trials in parallel coordinates", &function.name),
            caption: format!(
                "An axis per parameter and a line per trial: the better its {}, the stronger the line.{part} \
                 Best: {best}.",
                self.value.title
            ),
            alt: format!("Lines of {} through {} axes.", function.trials_in_words(), axes.len()),
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

/// At most `most` of the indices 0 to n − 1, evenly spaced, with both ends.
fn spread(n: usize, most: usize) -> Vec<usize> {
    if n <= most {
        return (0..n).collect();
    }
    (0..most).map(|place| place * (n - 1) / (most - 1)).collect()
}

/// A share in percent.
fn mark(share: Share) -> Mark {
    let half = Z95 * share.deviation;
    let ends = [share.mean - half, share.mean + half].map(|end| 100.0 * end.clamp(0.0, 1.0));
    Mark { value: 100.0 * share.mean, interval: Some(ends) }
}

/// The share that all pairs explain beyond their parameters.
fn together(importance: &Importance) -> f64 {
    importance.pairs.iter().map(|pair| pair.2.mean).sum()
}
