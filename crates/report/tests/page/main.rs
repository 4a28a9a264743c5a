//! Tests of documents, plots, the page and the exporters.

#![expect(clippy::unwrap_used, reason = "also outside of the test functions themselves")]
#![expect(clippy::print_stdout, reason = "says that something was skipped")]

mod accuracy;
mod archive;
mod browser;
mod caveats;
mod colors;
mod compare;
mod engines;
mod export;
mod fixture;
mod hostile;
mod html;
mod insight;
mod markup;
mod paper;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "pdf")]
mod pdf;
mod plots;
mod precision;
mod synthetic;
mod tables;
