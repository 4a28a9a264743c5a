//! A file for each kind of plot.

mod categories;
mod coordinates;
mod lines;
mod matrix;
mod points;
mod shapes;
mod strip;

use super::{
    Plot,
    frame::{Drawing, Width},
};

/// Draws a plot all of whose values can be drawn.
pub(super) fn draw(plot: &Plot, width: Width) -> Drawing {
    match plot {
        Plot::Lines(it) => lines::draw(it, width),
        Plot::Points(it) => points::draw(it, width),
        Plot::Dots(it) => categories::draw(it, categories::Style::Dots, width),
        Plot::Bars(it) => categories::draw(it, categories::Style::Bars, width),
        Plot::Strip(it) => strip::draw(it, width),
        Plot::Coordinates(it) => coordinates::draw(it, width),
        Plot::Matrix(it) => matrix::draw(it, width),
    }
}
