//! Weights from files: safetensors, and what PyTorch's `torch.save` writes.

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

/// How a zip file begins.
const ZIP: &[u8] = b"PK\x03\x04";

/// Every tensor of a state dict by its name: a `.safetensors` file, or one of PyTorch's, as a zip file
/// (since 1.6) or as pickles one after the other (before). What the file holds tells which it is, not
/// its name. Integers, such as counts of batches, are left out of PyTorch's.
///
/// A pickle can name functions to call. Those that rebuild tensors are known here, everything else is
/// refused; nothing that a file says is ever run.
///
/// # Errors
///
/// If the file cannot be read, is none of these, is damaged, or holds something else than tensors.
pub fn read_weights(path: &Path) -> Result<HashMap<String, Tensor>, VisionError> {
    let fail = |reason: String| VisionError::Weights { path: path.to_owned(), reason };
    let mut start = [0; torch::LEGACY.len()];
    let length = File::open(path)
        .and_then(|mut it| read_up_to(&mut it, &mut start))
        .map_err(|error| fail(error.to_string()))?;
    let start = &start[..length];
    if start.starts_with(ZIP) {
        return torch::zipped(path).map_err(fail);
    }
    if start == torch::LEGACY {
        return torch::legacy(path).map_err(fail);
    }
    if start.first() == Some(&0x80) {
        return Err(fail("a pickle, but not of `torch.save`".to_owned()));
    }
    candle_core::safetensors::load(path, &Device::Cpu).map_err(|error| {
        fail(format!("neither safetensors ({error}) nor a file of PyTorch's `torch.save`"))
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
