//! The two formats of `torch.save`.

use std::{
    borrow::Cow,
    collections::HashMap,
    io::{BufReader, Read, Seek},
};

use candle_core::Tensor;
use zip::{ZipArchive, result::ZipError};

use super::{
    pickle::{Pickle, Storage, TensorView, Value},
    storage::tensor,
    wrapper::state_dict,
};

/// Largest pickle that is read from a zip file, in bytes. It holds the structure of a state dict, without
/// its numbers.
const LARGEST_PICKLE: u64 = 64 << 20;

const BIG_ENDIAN: &str = "it was written on a big-endian machine, which is not supported";
type ReadResult<T> = Result<T, String>;

/// Reads a zip file with the pickle `NAME/data.pkl` and one file `NAME/data/KEY` for each storage.
pub(super) fn zipped(file: impl Read + Seek, size: u64) -> ReadResult<HashMap<String, Tensor>> {
    let damaged = |error: ZipError| format!("the zip file is damaged ({error})");
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let root =
        zip.file_names().flatten().find_map(|name| Some(name.strip_suffix("data.pkl")?.to_owned()));
    let root = root.ok_or("it is a zip file without `data.pkl`, so not one of `torch.save`")?;
    let mut read = |name: &str, most: u64| -> ReadResult<Option<Vec<u8>>> {
        let file = match zip.by_name(&format!("{root}{name}")) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(damaged(error)),
        };
        let mut bytes = Vec::new();
        // Read one byte more than needed, because the checksum is verified at the end of a file only.
        let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| format!("`{name}` is damaged ({error})"))?;
        Ok(Some(bytes))
    };
    if read("constants.pkl", 1)?.is_some()
        || read("version", 1)?.is_none() && read("code/__torch__.py", 1)?.is_some()
    {
        return Err("it is a TorchScript program, not a state dict; save \
                    `torch.jit.load(FILE).state_dict()` instead"
            .to_owned());
    }
    if read("byteorder", 8)?.is_some_and(|order| order != b"little") {
        return Err(BIG_ENDIAN.to_owned());
    }
    let bytes = read("data.pkl", LARGEST_PICKLE)?.unwrap_or_default();
    let (pickle, value) = Pickle::read(&mut bytes.as_slice())?;
    collect(&pickle, value, size, |storage| {
        let (name, bytes) = (format!("data/{}", storage.key), storage.bytes()?);
        let found = read(&name, bytes as u64)?.filter(|found| found.len() == bytes);
        found.map(Cow::Owned).ok_or_else(|| format!("`{name}` is missing or has a wrong length"))
    })
}

/// Whether these bytes begin with the pickle of PyTorch's magic number, as files before PyTorch 1.6 do, and as
/// those of `_use_new_zipfile_serialization=False` do.
pub(super) fn is_legacy(mut start: &[u8]) -> bool {
    Pickle::read(&mut start).is_ok_and(|(_, value)| value == Value::Magic)
}

/// Reads a sequence of pickles (a magic number, the protocol, the machine, the state dict, the keys of the
/// storages), followed by the storages in the order of their keys, each with its length in front.
pub(super) fn legacy(bytes: &[u8]) -> ReadResult<HashMap<String, Tensor>> {
    let mut rest = bytes;
    Pickle::read(&mut rest)?;
    let (_, protocol) = Pickle::read(&mut rest)?;
    if protocol != Value::Int(1001) {
        return Err(format!("it has PyTorch's protocol {protocol:?}, expected 1001"));
    }
    let (machine, value) = Pickle::read(&mut rest)?;
    if dict(&machine, value)?.contains(&("little_endian".to_owned(), Value::Bool(false))) {
        return Err(BIG_ENDIAN.to_owned());
    }
    let (pickle, value) = Pickle::read(&mut rest)?;
    let (keys, order) = Pickle::read(&mut rest)?;
    let lengths: HashMap<&str, &Storage> =
        pickle.storages.iter().map(|storage| (storage.key.as_str(), storage)).collect();
    let mut found = HashMap::new();
    for key in keys.items(order)? {
        let key = keys.string(*key)?;
        let short = || format!("storage `{key}` is missing or too short");
        let storage = lengths.get(key).ok_or_else(short)?;
        let (length, after) = rest.split_first_chunk().ok_or_else(short)?;
        let size = storage.bytes()?;
        if u64::from_le_bytes(*length) != storage.length as u64 || after.len() < size {
            return Err(short());
        }
        let (numbers, after) = after.split_at(size);
        found.insert(key, numbers);
        rest = after;
    }
    collect(&pickle, value, bytes.len() as u64, |storage| {
        let bytes = storage.bytes()?;
        let numbers = found.get(storage.key.as_str()).filter(|numbers| numbers.len() == bytes);
        let numbers = numbers.ok_or_else(|| format!("storage `{}` is missing", storage.key))?;
        Ok(Cow::Borrowed(*numbers))
    })
}

fn dict(pickle: &Pickle, value: Value) -> ReadResult<Vec<(String, Value)>> {
    let Value::Dict(at) = value else {
        return Err(format!("it contains {value:?} instead of a dictionary"));
    };
    let pairs = pickle.dicts[at].iter();
    pairs.map(|(key, value)| Ok((pickle.string(*key)?.to_owned(), *value))).collect()
}

/// How many bytes of float32 the tensors of a file may have for each of its bytes: float16 doubles.
const MOST_BYTES: u64 = 4;

/// The tensors of the state dict in a file of `size` bytes; `read` returns the bytes of a storage. Entries that
/// are the same tensor, such as tied weights, share it.
fn collect<'a>(
    pickle: &Pickle,
    value: Value,
    size: u64,
    mut read: impl FnMut(&Storage) -> ReadResult<Cow<'a, [u8]>>,
) -> ReadResult<HashMap<String, Tensor>> {
    let most = size.saturating_mul(MOST_BYTES).saturating_add(1 << 20);
    let mut left = most;
    let mut seen: Vec<(&TensorView, Tensor)> = Vec::new();
    let mut by_storage: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut tensors = HashMap::new();
    for (name, at) in state_dict(pickle, value)? {
        let view = &pickle.tensors[at];
        let storage = &pickle.storages[view.storage];
        let Some(dtype) = view.kind.dtype() else { continue };
        let of_storage = by_storage.entry(view.storage).or_default();
        if let Some(same) = of_storage.iter().find(|index| seen[**index].0 == view) {
            tensors.insert(name, seen[*same].1.clone());
            continue;
        }
        let numbers =
            view.shape.iter().try_fold(4_u64, |bytes, size| bytes.checked_mul(*size as u64));
        let needed = numbers.unwrap_or(u64::MAX).max(storage.bytes()? as u64);
        left = left.checked_sub(needed).ok_or_else(|| {
            format!("its tensors have more than {most} bytes, far more than the file itself")
        })?;
        let found = read(storage).and_then(|bytes| tensor(view, dtype, &bytes));
        let found = found.map_err(|problem| format!("tensor `{name}`: {problem}"))?;
        of_storage.push(seen.len());
        seen.push((view, found.clone()));
        tensors.insert(name, found);
    }
    if tensors.is_empty() {
        return Err("it contains no tensors of floating-point numbers".to_owned());
    }
    Ok(tensors)
}
