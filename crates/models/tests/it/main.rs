//! Tests of the public interface.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(clippy::unwrap_used, reason = "a test panics if it cannot continue")]

mod checkpoint;
mod engines;
mod fit;
mod formula;
mod goldens;
mod instruction_sets;
mod int8;
mod int8_list;
mod network_file;
mod nn_misuse;
mod nn_operations;
mod nn_reference;
mod nn_training;
mod onnx;
mod photographs;
mod profile;
mod random_networks;
mod same_padding;
mod study;
mod trainable;
mod vision;
