//! A section before its figures.

use crate::{
    claim::{Question, claims_on},
    document::Section,
};

/// A section without figures, as it is for a question without runs.
pub(super) fn not_run(id: &str, heading: &str, sentence: &str, question: Question) -> Section {
    Section {
        id: id.to_owned(),
        heading: heading.to_owned(),
        question: sentence.to_owned(),
        claims: claims_on(question),
        ..Section::default()
    }
}
