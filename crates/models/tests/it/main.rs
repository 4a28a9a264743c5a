//! The models, as their users see them.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod checkpoint;
mod formula;
mod goldens;
mod photographs;
mod profile;
mod study;
mod vision;
