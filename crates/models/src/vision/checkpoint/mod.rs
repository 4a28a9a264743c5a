//! Weights from files: safetensors, and the formats of PyTorch's `torch.save`.

mod format;
mod pickle;
mod safetensors;
mod storage;
mod torch;
mod wrapper;

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use candle_core::Tensor;

use self::format::Format;
use super::VisionError;

/// Reads every tensor of floating-point numbers of a state dict by its name: from a `.safetensors` file, or from a
/// file of `torch.save`, which is a zip file (since PyTorch 1.6) or a sequence of pickles (before). The structure
/// of the file tells the format, not its name. The state dict may be an entry of a training script's checkpoint,
/// under a key such as `state_dict` or `model`. Tensors of other numbers, such as counts of batches, are left out.
///
/// A pickle can call functions by name. Only those that rebuild tensors are supported, and they are
/// implemented here. No code from a file is ever executed, and no object is constructed.
///
/// # Errors
///
/// If the file cannot be read or is not a regular one, has another format, is damaged, or contains no state dict.
pub fn read_weights(path: &Path) -> Result<HashMap<String, Tensor>, VisionError> {
    let fail = |reason: String| VisionError::Weights { path: path.to_owned(), reason };
    let (mut file, size) = regular(path).map_err(fail)?;
    let mut start = Vec::new();
    (&mut file)
        .take(format::START)
        .read_to_end(&mut start)
        .and_then(|_| file.seek(SeekFrom::Start(0)))
        .map_err(|error| fail(error.to_string()))?;
    // One byte more than expected is not read: the file may grow meanwhile.
    let whole = |mut file: File| {
        let mut bytes = Vec::new();
        match file.by_ref().take(size).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(error.to_string()),
        }
    };
    match Format::of(&start, size) {
        Format::Safetensors => whole(file).and_then(|bytes| safetensors::read(&bytes)),
        Format::Zip => torch::zipped(file, size),
        Format::Legacy => whole(file).and_then(|bytes| torch::legacy(&bytes)),
        Format::Other(what) => Err(what.to_owned()),
    }
    .map_err(fail)
}

/// Opens a file and returns its size; pipes, devices and folders are refused without waiting for them.
fn regular(path: &Path) -> Result<(File, u64), String> {
    let file = units::open_regular(path)
        .map_err(|error| format!("{error}; give the path of a file of weights"))?;
    let bytes = file.metadata().map_err(|error| error.to_string())?.len();
    Ok((file, bytes))
}
