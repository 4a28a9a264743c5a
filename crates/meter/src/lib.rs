//! Measures the energy of spans of work.
