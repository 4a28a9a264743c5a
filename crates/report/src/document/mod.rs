//! The report as a value: sections of text, figures and tables, with no markup in it.
//!
//! An exporter turns it into text; nothing here knows an experiment.

mod cell;
mod number;
mod table;
mod term;

use record::{ClaimId, Finding, Origin};

pub use self::{
    cell::{Cell, Number},
    table::{Column, ColumnKind, Table},
};
pub(crate) use self::{
    number::{decimals_for, fixed, grouped, p_value, scientific, significant, with_interval},
    term::{effect, measured, published, test_in_words},
};
use crate::plot::{self, Plot};

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
    /// The claims that it answers; their findings are shown in it.
    pub claims: Vec<ClaimId>,
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
    /// Names its anchor and its file; unique among the figures of a document.
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

impl Document {
    /// The findings on some claims, in the order of the document.
    pub(crate) fn findings_on<'a>(
        &'a self,
        claims: &'a [ClaimId],
    ) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(|it| claims.contains(&it.id))
    }
}

impl Figure {
    /// What it says and then its values, for a reader who cannot see it.
    pub(crate) fn told(&self) -> String {
        format!("{} {}", self.alt, plot::in_words(&self.plot))
    }

    /// The caption, with how many values could not be drawn, if any.
    pub(crate) fn full_caption(&self) -> String {
        match self.plot.omitted() {
            0 => self.caption.clone(),
            1 => format!("{} One value without a place on the axes is not drawn.", self.caption),
            n => format!("{} {n} values without a place on the axes are not drawn.", self.caption),
        }
    }
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
