//! Weights from files: safetensors, and the formats of PyTorch's `torch.save`.

mod pickle;
mod storage;
mod torch;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use candle_core::{Device, Tensor};

use super::VisionError;

/// The first bytes of a zip file.
const ZIP: &[u8] = b"PK\x03\x04";

/// Reads every tensor of a state dict by its name: from a `.safetensors` file, or from a file of
/// `torch.save`, which is a zip file (since PyTorch 1.6) or a sequence of pickles (before). The first bytes
/// of the file tell the format, not its name. Tensors of integers in PyTorch's files, such as counts of
/// batches, are left out.
///
/// A pickle can call functions by name. Only those that rebuild tensors are supported, and they are
/// implemented here; a file with any other function is refused. No code from a file is ever executed.
///
/// # Errors
///
/// If the file cannot be read, has another format, is damaged, or contains objects other than tensors.
pub fn read_weights(path: &Path) -> Result<HashMap<String, Tensor>, VisionError> {
    let fail = |reason: String| VisionError::Weights { path: path.to_owned(), reason };
    let mut start = [0; torch::LEGACY.len()];
    let length = File::open(path)
        .and_then(|mut file| read_up_to(&mut file, &mut start))
        .map_err(|error| fail(error.to_string()))?;
    let start = &start[..length];
    if start.starts_with(ZIP) {
        return torch::zipped(path).map_err(fail);
    }
    if start == torch::LEGACY {
        return torch::legacy(path).map_err(fail);
    }
    if start.first() == Some(&0x80) {
        return Err(fail("it is a pickle, but not one of `torch.save`".to_owned()));
    }
    candle_core::safetensors::load(path, &Device::Cpu).map_err(|error| {
        fail(format!(
            "it is neither a safetensors file ({error}) nor a file of PyTorch's `torch.save`"
        ))
    })
}

fn read_up_to(from: &mut impl Read, to: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < to.len() {
        match from.read(&mut to[done..])? {
            0 => break,
            more => done += more,
        }
    }
    Ok(done)
}
