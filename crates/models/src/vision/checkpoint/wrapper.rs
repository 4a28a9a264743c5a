//! Where the state dict is in a file that contains more.

use super::pickle::{Pickle, ReadResult, Value};

/// Keys under which training scripts save a state dict, the preferred ones first.
const KEYS: [&str; 12] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "params",
    "weights",
    "ema",
    "model_ema",
    "state_dict_ema",
];

/// How deeply a state dict may be nested in other dictionaries.
const DEPTH: u32 = 4;

/// The names of a state dict's tensors with their indices. The file contains either the state dict, or a
/// dictionary that has it under one of the usual keys, or one that has a single dictionary of tensors.
pub(super) fn state_dict(pickle: &Pickle, value: Value) -> ReadResult<Vec<(String, usize)>> {
    match find(pickle, value, DEPTH) {
        Some(tensors) => Ok(tensors),
        None => Err(match value {
            Value::Opaque(name) => format!(
                "it contains an object of class `{}` instead of a state dict, and no code of a file is \
                 executed; save the tensors alone by `torch.save(model.state_dict(), FILE)`",
                pickle.texts[name]
            ),
            Value::Dict(at) => {
                let opaque = pickle.dicts[at].iter().find_map(|(key, value)| match (key, value) {
                    (Value::Text(key), Value::Opaque(name)) => Some((key, name)),
                    _ => None,
                });
                match opaque {
                    Some((key, name)) => format!(
                        "its entry `{}` is an object of class `{}` instead of a state dict, and no code \
                         of a file is executed; save the tensors alone by \
                         `torch.save(model.state_dict(), FILE)`",
                        pickle.texts[*key], pickle.texts[*name]
                    ),
                    None => {
                        "it contains no tensors; expected a state dict, or a dictionary with one \
                             under a key such as `state_dict` or `model`"
                            .to_owned()
                    }
                }
            }
            other => format!("it contains {other:?} instead of a state dict"),
        }),
    }
}

fn find(pickle: &Pickle, value: Value, depth: u32) -> Option<Vec<(String, usize)>> {
    let Value::Dict(at) = value else { return None };
    let entries = &pickle.dicts[at];
    if depth > 0 {
        for key in KEYS {
            let inner = entries.iter().rev().find(|(name, _)| pickle.string(*name) == Ok(key));
            if let Some(found) = inner.and_then(|(_, value)| find(pickle, *value, depth - 1)) {
                return Some(found);
            }
        }
    }
    let tensors: Vec<(String, usize)> = entries
        .iter()
        .filter_map(|(name, value)| match value {
            Value::Tensor(at) => Some((pickle.string(*name).ok()?.to_owned(), *at)),
            _ => None,
        })
        .collect();
    if !tensors.is_empty() {
        return Some(tensors);
    }
    // Another key: the only dictionary of tensors that is not an optimizer's.
    let others = entries.iter().filter(|(name, _)| {
        depth > 0 && pickle.string(*name).is_ok_and(|name| !name.contains("optim"))
    });
    let mut found = others.filter_map(|(_, value)| find(pickle, *value, depth - 1));
    let only = found.next()?;
    found.next().is_none().then_some(only)
}
