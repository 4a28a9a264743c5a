//! Networks in ONNX files, run by our own kernels: opsets 7 to 22, on the CPU, in single precision.
//!
//! A file is read in four steps: its bytes become messages (`wire`, `proto`, `file`), the messages become nodes with
//! constants (`nodes`), adjacent nodes become one (`fuse`), and each node becomes a function (`ops`). [`Graph`]
//! calls the functions in order. Images stay channels-last from one operation to the next: a tensor keeps the
//! axes that ONNX gives it, and its strides tell how it lies in memory (`layout`).

mod error;
mod file;
mod fuse;
mod graph;
mod layout;
mod node;
mod nodes;
mod ops;
mod proto;
#[cfg(test)]
mod tests;
mod values;
mod wire;

pub use self::{
    error::OnnxError,
    graph::{Graph, GraphInput},
};
