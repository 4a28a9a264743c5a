//! Reads the bytes of an ONNX file.

use std::path::Path;

use prost::{Message, bytes::Bytes};

use super::{proto::ModelProto, wire};

/// Most bytes of a file: protobuf's own limit.
const MOST_BYTES: u64 = i32::MAX as u64;

/// The messages of a file.
pub(super) fn read(path: &Path) -> Result<ModelProto, String> {
    let fail = |error: std::io::Error| error.to_string();
    let file = units::open_regular(path).map_err(fail)?;
    let length = file.metadata().map_err(fail)?.len();
    if length > MOST_BYTES {
        return Err(format!(
            "it has {length} bytes, expected at most {MOST_BYTES}; save the weights as external data"
        ));
    }
    decode(units::read_at_most(file, length + 1).map_err(fail)?)
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
