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

/// How a file of PyTorch before 1.6 begins: the pickle of a number that says so.
pub(super) const LEGACY: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// A state dict's structure is smaller than that; its numbers lie elsewhere.
const LONGEST_PICKLE: u64 = 64 << 20;

type Outcome<T> = Result<T, String>;

fn io(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A zip file: `NAME/data.pkl` beside a file for each storage, `NAME/data/KEY`.
pub(super) fn zipped(path: &Path) -> Outcome<HashMap<String, Tensor>> {
    let damaged = |error: ZipError| format!("a damaged zip file ({error})");
    let mut zip =
        ZipArchive::new(BufReader::new(File::open(path).map_err(io)?)).map_err(damaged)?;
    let root =
        zip.file_names().flatten().find_map(|it| Some(it.strip_suffix("data.pkl")?.to_owned()));
    let root = root.ok_or("a zip file without `data.pkl`, so not of PyTorch's `torch.save`")?;
    let mut read = |name: &str, most: u64| -> Outcome<Option<Vec<u8>>> {
        let file = match zip.by_name(&format!("{root}{name}")) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(damaged(error)),
        };
        let mut bytes = Vec::new();
        // One byte further than needed: the checksum is only compared at a file's end.
        let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| format!("`{name}` is damaged ({error})"))?;
        Ok(Some(bytes))
    };
    if read("constants.pkl", 1)?.is_some() {
        return Err("a TorchScript program and not a state dict; save \
                    `torch.jit.load(FILE).state_dict()` instead"
            .to_owned());
    }
    if read("byteorder", 8)?.is_some_and(|it| it != b"little") {
        return Err("written on a big-endian machine, which is not read".to_owned());
    }
    let bytes = read("data.pkl", LONGEST_PICKLE)?.unwrap_or_default();
    let (pickle, value) = Pickle::read(&mut bytes.as_slice())?;
    collect(&pickle, value, |storage| {
        let (name, bytes) = (format!("data/{}", storage.key), storage.bytes()?);
        let found = read(&name, bytes as u64)?.filter(|it| it.len() == bytes);
        found.map(Cow::Owned).ok_or_else(|| format!("`{name}` is missing or of another length"))
    })
}

/// Pickles one after the other (a magic number, the protocol, the machine, the state dict, the
/// storages' keys), then the storages in the order of their keys, each after its length.
pub(super) fn legacy(path: &Path) -> Outcome<HashMap<String, Tensor>> {
    let bytes = fs::read(path).map_err(io)?;
    let mut rest = &bytes[LEGACY.len()..];
    let (_, protocol) = Pickle::read(&mut rest)?;
    if protocol != Value::Int(1001) {
        return Err(format!("a file of PyTorch's protocol {protocol:?}, expected 1001"));
    }
    let (machine, value) = Pickle::read(&mut rest)?;
    if dict(&machine, value)?.contains(&("little_endian".to_owned(), Value::Bool(false))) {
        return Err("written on a big-endian machine, which is not read".to_owned());
    }
    let (pickle, value) = Pickle::read(&mut rest)?;
    let (keys, order) = Pickle::read(&mut rest)?;
    let lengths: HashMap<&str, &Storage> =
        pickle.storages.iter().map(|it| (it.key.as_str(), it)).collect();
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
        let numbers = found.get(storage.key.as_str()).filter(|it| it.len() == bytes);
        let numbers = numbers.ok_or_else(|| format!("storage `{}` is missing", storage.key))?;
        Ok(Cow::Borrowed(*numbers))
    })
}

fn dict(pickle: &Pickle, value: Value) -> Outcome<Vec<(String, Value)>> {
    let Value::Dict(at) = value else {
        return Err(format!("it holds {value:?} in the place of a state dict"));
    };
    let pairs = pickle.dicts[at].iter();
    pairs.map(|(key, value)| Ok((pickle.string(*key)?.to_owned(), *value))).collect()
}

/// The tensors of a state dict, which may lie under `state_dict` or `model` as training scripts save
/// it, their numbers by `read(storage)`.
fn collect<'a>(
    pickle: &Pickle,
    value: Value,
    mut read: impl FnMut(&Storage) -> Outcome<Cow<'a, [u8]>>,
) -> Outcome<HashMap<String, Tensor>> {
    let mut entries = dict(pickle, value)?;
    if !entries.iter().any(|(_, value)| matches!(value, Value::Tensor(_))) {
        let inner = entries.iter().find(|(key, _)| ["state_dict", "model"].contains(&key.as_str()));
        let (_, inner) = inner.ok_or("it holds no tensors")?;
        entries = dict(pickle, *inner)?;
    }
    let mut tensors = HashMap::new();
    for (name, value) in entries {
        let Value::Tensor(at) = value else { continue };
        let view = &pickle.tensors[at];
        let storage = &pickle.storages[view.storage];
        if let Some(dtype) = storage.kind.dtype() {
            let found = read(storage).and_then(|it| tensor(view, dtype, &it));
            tensors.insert(name.clone(), found.map_err(|it| format!("tensor `{name}`: {it}"))?);
        }
    }
    if tensors.is_empty() {
        return Err("it holds no tensors".to_owned());
    }
    Ok(tensors)
}
