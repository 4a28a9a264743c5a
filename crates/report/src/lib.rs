//! Statistics and the report.
