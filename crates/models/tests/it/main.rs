//! The models, as their users see them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod formula;
mod study;
mod vision;
