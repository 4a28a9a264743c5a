//! The two formats of `torch.save`.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::{self, File},
    io::{BufReader, Read},
    path::Path,
};

use candle_core::Tensor;
use zip::{ZipArchive, result::ZipError};

use super::{
    pickle::{Pickle, Storage, Value},
    storage::tensor,
};

/// The first bytes of a file of PyTorch before 1.6: the pickle of a magic number.
pub(super) const LEGACY: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// Largest pickle that is read from a zip file, in bytes. It holds the structure of a state dict, without
/// its numbers.
const LARGEST_PICKLE: u64 = 64 << 20;

const BIG_ENDIAN: &str = "it was written on a big-endian machine, which is not supported";
const NO_TENSORS: &str = "it contains no tensors";

type ReadResult<T> = Result<T, String>;

fn io(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Reads a zip file with the pickle `NAME/data.pkl` and one file `NAME/data/KEY` for each storage.
pub(super) fn zipped(path: &Path) -> ReadResult<HashMap<String, Tensor>> {
    let damaged = |error: ZipError| format!("the zip file is damaged ({error})");
    let mut zip =
        ZipArchive::new(BufReader::new(File::open(path).map_err(io)?)).map_err(damaged)?;
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
    if read("constants.pkl", 1)?.is_some() {
        return Err("it is a TorchScript program, not a state dict; save \
                    `torch.jit.load(FILE).state_dict()` instead"
            .to_owned());
    }
    if read("byteorder", 8)?.is_some_and(|order| order != b"little") {
        return Err(BIG_ENDIAN.to_owned());
    }
    let bytes = read("data.pkl", LARGEST_PICKLE)?.unwrap_or_default();
    let (pickle, value) = Pickle::read(&mut bytes.as_slice())?;
    collect(&pickle, value, |storage| {
        let (name, bytes) = (format!("data/{}", storage.key), storage.bytes()?);
        let found = read(&name, bytes as u64)?.filter(|found| found.len() == bytes);
        found.map(Cow::Owned).ok_or_else(|| format!("`{name}` is missing or has a wrong length"))
    })
}

/// Reads a sequence of pickles (a magic number, the protocol, the machine, the state dict, the keys of the
/// storages), followed by the storages in the order of their keys, each with its length in front.
pub(super) fn legacy(path: &Path) -> ReadResult<HashMap<String, Tensor>> {
    let bytes = fs::read(path).map_err(io)?;
    let mut rest = &bytes[LEGACY.len()..];
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
    collect(&pickle, value, |storage| {
        let bytes = storage.bytes()?;
        let numbers = found.get(storage.key.as_str()).filter(|numbers| numbers.len() == bytes);
        let numbers = numbers.ok_or_else(|| format!("storage `{}` is missing", storage.key))?;
        Ok(Cow::Borrowed(*numbers))
    })
}

fn dict(pickle: &Pickle, value: Value) -> ReadResult<Vec<(String, Value)>> {
    let Value::Dict(at) = value else {
        return Err(format!("it contains {value:?} instead of a state dict"));
    };
    let pairs = pickle.dicts[at].iter();
    pairs.map(|(key, value)| Ok((pickle.string(*key)?.to_owned(), *value))).collect()
}

/// The tensors of a state dict; `read` returns the bytes of a storage. As training scripts save it, the state
/// dict may be the entry `state_dict` or `model` of another dictionary.
fn collect<'a>(
    pickle: &Pickle,
    value: Value,
    mut read: impl FnMut(&Storage) -> ReadResult<Cow<'a, [u8]>>,
) -> ReadResult<HashMap<String, Tensor>> {
    let mut entries = dict(pickle, value)?;
    if !entries.iter().any(|(_, value)| matches!(value, Value::Tensor(_))) {
        let inner = entries.iter().find(|(key, _)| ["state_dict", "model"].contains(&key.as_str()));
        let (_, inner) = inner.ok_or(NO_TENSORS)?;
        entries = dict(pickle, *inner)?;
    }
    let mut tensors = HashMap::new();
    for (name, value) in entries {
        let Value::Tensor(at) = value else { continue };
        let view = &pickle.tensors[at];
        let storage = &pickle.storages[view.storage];
        if let Some(dtype) = storage.kind.dtype() {
            let found = read(storage).and_then(|bytes| tensor(view, dtype, &bytes));
            let found = found.map_err(|problem| format!("tensor `{name}`: {problem}"))?;
            tensors.insert(name, found);
        }
    }
    if tensors.is_empty() {
        return Err(NO_TENSORS.to_owned());
    }
    Ok(tensors)
}
