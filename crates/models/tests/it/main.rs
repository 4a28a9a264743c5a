//! The models, as their users see them.

mod formula;
mod study;
mod vision;
