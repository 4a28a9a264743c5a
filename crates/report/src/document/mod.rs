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
