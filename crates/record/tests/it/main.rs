//! The journal, as its users see it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod journal;
mod spec;
