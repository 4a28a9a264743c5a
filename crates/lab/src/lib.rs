//! Experiments and commands.
