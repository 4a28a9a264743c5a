//! A plot with its words.

use super::{Plot, in_words};

/// A plot with its title, its caption and a text for readers who cannot see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Name of its anchor and its files; unique among the figures of a document.
    pub id: String,
    /// What it shows, as a heading.
    pub title: String,
    /// How to read it: what points, bands and intervals are, and from how many observations.
    pub caption: String,
    /// What it shows, for a reader who cannot see it.
    pub alt: String,
    /// The drawing.
    pub plot: Plot,
}

impl Figure {
    /// The alternative text and the values, for a reader who cannot see the drawing.
    pub(crate) fn description(&self) -> String {
        format!("{} {}", self.alt, in_words(&self.plot))
    }

    /// The caption, with how many values could not be drawn, if any.
    pub(crate) fn full_caption(&self) -> String {
        match self.plot.omitted() {
            0 => self.caption.clone(),
            1 => format!(
                "{} One value is not drawn because it is not finite or not positive on a logarithmic axis.",
                self.caption
            ),
            n => format!(
                "{} {n} values are not drawn because they are not finite or not positive on a logarithmic axis.",
                self.caption
            ),
        }
    }
}
