//! The report as a value: sections of text, figures and tables, with no markup in it.
//!
//! An exporter turns it into text; nothing here knows an experiment.

mod cell;
mod number;
mod table;

use record::{Finding, Origin};

pub use self::{
    cell::{Cell, Number},
    table::{Column, ColumnKind, Table},
};
pub(crate) use self::number::{decimals_for, fixed, p_value, significant};
use crate::plot::Plot;

/// A whole report: findings on top, then a section for each question.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Heading of the page.
    pub title: String,
    /// Paragraphs under the title: what was done, in two or three sentences.
    pub lead: Vec<String>,
    /// What a reader must know before any number; `None` if there is no such thing.
    pub banner: Option<Banner>,
    /// The claims with their verdicts, in the order shown.
    pub findings: Vec<Finding>,
    /// Facts of the run by name: data, machine, sensors, runs, joules, duration.
    pub facts: Vec<(String, String)>,
    /// One section a question.
    pub sections: Vec<Section>,
}

/// A warning across the top of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// In a few words: `Every joule in this report is estimated`.
    pub headline: String,
    /// How so, and what to do about it.
    pub text: String,
}

/// One question with its answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Anchor in the page; other characters than letters, digits, `-` and `_` become `-`.
    pub id: String,
    /// Heading.
    pub heading: String,
    /// The question in a sentence.
    pub question: String,
    /// The answer in words, the test included.
    pub paragraphs: Vec<String>,
    /// In the order shown.
    pub figures: Vec<Figure>,
    /// In the order shown, after the figures.
    pub tables: Vec<Table>,
    /// What a reader should know before quoting the answer.
    pub caveats: Vec<String>,
}

/// A plot with the words that belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Names its anchor and its file.
    pub id: String,
    /// What it shows, as a heading.
    pub title: String,
    /// How to read it: what points, bands and intervals are, and how many observations are behind them.
    pub caption: String,
    /// What it says, for a reader who cannot see it.
    pub alt: String,
    /// The drawing.
    pub plot: Plot,
}

/// The mark that an energy carries in every exporter.
pub(crate) fn origin_mark(origin: Origin) -> &'static str {
    match origin {
        Origin::Measured => "meas.",
        Origin::Estimated => "est.",
        Origin::Mixed => "mixed",
    }
}

/// An id that is safe as an anchor and as a file name: letters, digits, `-` and `_`, lower case.
pub(crate) fn slug(id: &str) -> String {
    let slug: String = id
        .chars()
        .map(|it| match it {
            'a'..='z' | '0'..='9' | '-' | '_' => it,
            'A'..='Z' => it.to_ascii_lowercase(),
            _ => '-',
        })
        .collect();
    if slug.is_empty() { "untitled".to_owned() } else { slug }
}
