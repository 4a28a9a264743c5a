//! Batching simulator.
