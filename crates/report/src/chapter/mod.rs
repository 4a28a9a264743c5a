//! Fills the document: for each question a file that turns rows into figures and tables.

mod accuracy;
mod answers;
mod batching;
mod elsewhere;
mod engines;
mod frontier;
mod layers;
mod not_run;
mod own;
mod race;
mod reference;
mod report;
mod timeline;
mod tuning;

use self::not_run::not_run;
pub use self::{
    elsewhere::{elsewhere_document, elsewhere_section},
    race::Target,
    reference::{reference_document, reference_findings},
    report::document,
};
