//! Pruners: which trials go on, and for how many steps.

mod advance;
mod bracket;
mod kind;
mod rank;
mod trust;

pub(crate) use self::advance::{Advance, advance, first_until, goes_on, next_until};
pub use self::kind::{Pruner, Rungs};
