//! The report as a value: sections of text, figures and tables, with no markup in it.
//!
//! An exporter turns it into text. It does not depend on any experiment.

mod assessed_claim;
mod cell;
mod sentence;
mod table;
mod text;
mod unit;

use record::{ClaimId, Origin};

use crate::plot::Figure;

pub(crate) use self::{
    assessed_claim::test_in_words,
    sentence::sentence,
    text::{cell_text, plain_text},
};
pub use self::{
    assessed_claim::{AssessedClaim, ClaimEffect, KeyFigure},
    cell::{Cell, Number},
    table::{Column, ColumnKind, Table},
    unit::Unit,
};

/// A whole report: findings first, then a section for each question.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Heading of the page.
    pub title: String,
    /// Paragraphs under the title: what was done, in two or three sentences.
    pub lead: Vec<String>,
    /// A warning that applies to every number; `None` if there is none.
    pub banner: Option<Banner>,
    /// The answers in a sentence each, above the verdicts.
    pub answers: Vec<ShortAnswer>,
    /// The claims with their verdicts, in the order shown.
    pub findings: Vec<AssessedClaim>,
    /// Facts about the runs, as names and values: data, machine, sensors, runs, joules, duration.
    pub facts: Vec<(String, String)>,
    /// One section per question.
    pub sections: Vec<Section>,
}

/// A warning across the top of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// The warning in a few words: `Every joule in this report is estimated`.
    pub headline: String,
    /// The reason, and what to do about it.
    pub text: String,
}

/// The answer to a question in a sentence, with its numbers and advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortAnswer {
    /// What it is about, in a word.
    pub heading: String,
    /// The sentence.
    pub text: String,
    /// The id of the section that says more.
    pub section: String,
    /// Origin of the joules behind it; `None` if there are none.
    pub origin: Option<Origin>,
}

/// How to read a report with findings: four sentences that every exporter shows beside the answers.
pub(crate) const HOW_TO_READ: [&str; 4] = [
    "A verdict is “supported” if the whole interval agrees with the published claim, “contradicted” if the whole \
     interval disagrees, and “inconclusive” otherwise.",
    "Square brackets hold 95 % intervals: over many such studies, they contain the true value 19 times out of 20.",
    "Every energy is marked by its origin; an estimate is good for ratios between runs and less for absolute figures.",
    "The verdicts are about the sizes and the machine of these runs; the caveats say what differs from the studies.",
];

/// A question with its answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Anchor in the page; every character but letters, digits, `-` and `_` becomes `-`.
    pub id: String,
    /// Heading.
    pub heading: String,
    /// The question in a sentence.
    pub question: String,
    /// Claims whose findings are shown in this section.
    pub claims: Vec<ClaimId>,
    /// The answer in words, with the tests.
    pub paragraphs: Vec<String>,
    /// In the order shown.
    pub figures: Vec<Figure>,
    /// In the order shown, after the figures.
    pub tables: Vec<Table>,
    /// What a reader should know before quoting the answer.
    pub caveats: Vec<String>,
}

impl Document {
    /// The findings on some claims, in the order of the document.
    pub(crate) fn findings_on<'a>(
        &'a self,
        claims: &'a [ClaimId],
    ) -> impl Iterator<Item = &'a AssessedClaim> {
        self.findings.iter().filter(|claim| claims.contains(&claim.finding.id))
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
