//! Reads the bytes of an ONNX file.

use std::{fs::File, io::Read, path::Path};

use prost::{Message, bytes::Bytes};

use super::{proto::ModelProto, wire};

/// Most bytes of a file: protobuf's own limit.
const MOST_BYTES: u64 = i32::MAX as u64;

/// The messages of a file.
pub(super) fn read(path: &Path) -> Result<ModelProto, String> {
    let fail = |error: std::io::Error| error.to_string();
    let about = std::fs::metadata(path).map_err(fail)?;
    if !about.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if about.len() > MOST_BYTES {
        return Err(format!(
            "it has {} bytes, expected at most {MOST_BYTES}; save the weights as external data",
            about.len()
        ));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(fail)?.take(about.len() + 1).read_to_end(&mut bytes).map_err(fail)?;
    decode(bytes)
}

/// The messages in some bytes.
pub(super) fn decode(bytes: Vec<u8>) -> Result<ModelProto, String> {
    wire::check(&bytes)?;
    let model = ModelProto::decode(Bytes::from(bytes))
        .map_err(|error| format!("it is not an ONNX model, or is damaged: {error}"))?;
    if model.graph.is_none() {
        return Err("it has no graph, so it is not an ONNX model".to_owned());
    }
    Ok(model)
}
