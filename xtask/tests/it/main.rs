//! Rules about the sources of all crates, checked on their syntax.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod code_map;
mod glossary;
mod imports;
mod public_api;
mod source;
