//! Pruners: which trials go on, and for how many steps.

mod advance;
mod bracket;
mod kind;
mod rank;
mod trust;

pub(crate) use self::advance::{Advance, advance, goes_on};
pub use self::kind::{Pruner, Rungs};
