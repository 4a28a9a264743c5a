//! Formats that other programs read: pure functions from readings and reports to text.

pub mod csv;
pub mod emissions;
pub mod openmetrics;
pub mod otlp;
