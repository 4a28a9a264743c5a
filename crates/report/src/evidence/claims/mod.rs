//! What each claim needs of a set, and how it is tested there.

mod answered;
mod batches;
mod elasticity;
mod halving;
mod list;
mod need;
mod searches;
mod years;

pub(super) use self::list::{EVIDENCE_CLAIMS, EvidenceClaim};
