//! The statistics, against other people's implementations and the study's published tables.

#[path = "stats/agreement.rs"]
mod agreement;
#[path = "stats/errors.rs"]
mod errors;
#[path = "stats/laws.rs"]
mod laws;
#[path = "stats/oracle.rs"]
mod oracle;
#[path = "stats/published.rs"]
mod published;
