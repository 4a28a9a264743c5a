//! Hyper-parameter optimisation.
