//! Changing a value of a file by its path.

use toml::{Table, Value};

use super::error::Wrong;

/// Sets the value at a path such as `values.width` or `layers.3.out`. The last part may be a key of a layer that
/// has its default so far; all parts before it must exist.
pub(super) fn set(table: &mut Table, key: &str, value: Value) -> Result<(), Wrong> {
    let (path, last) = key.rsplit_once('.').unwrap_or(("", key));
    let parts = path.split('.').filter(|part| !part.is_empty());
    let mut level = Level::Table(table);
    let mut inside_layer = false;
    for part in parts {
        inside_layer |= part == "layers";
        let next = match level {
            Level::Table(table) => {
                let keys = keys(table);
                table.get_mut(part).ok_or_else(|| missing(part, &keys))?
            }
            Level::Array(array) => {
                let count = array.len();
                let found = part.parse().ok().and_then(|index: usize| array.get_mut(index));
                found.ok_or_else(|| uncounted(part, count))?
            }
        };
        level = match next {
            Value::Table(table) => Level::Table(table),
            Value::Array(array) => Level::Array(array),
            _ => return Err(Wrong(format!("`{part}` has no parts"))),
        };
    }
    match level {
        Level::Table(table) => {
            if !inside_layer && !table.contains_key(last) {
                return Err(missing(last, &keys(table)));
            }
            table.insert(last.to_owned(), value);
        }
        Level::Array(array) => {
            let count = array.len();
            let found = last.parse().ok().and_then(|index: usize| array.get_mut(index));
            *found.ok_or_else(|| uncounted(last, count))? = value;
        }
    }
    Ok(())
}

enum Level<'a> {
    Table(&'a mut Table),
    Array(&'a mut Vec<Value>),
}

fn keys(table: &Table) -> String {
    table.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

fn missing(part: &str, keys: &str) -> Wrong {
    Wrong(format!("`{part}` is not there; expected one of {keys}"))
}

fn uncounted(part: &str, count: usize) -> Wrong {
    Wrong(format!("`{part}` is not the number of one of {count}, counted from 0"))
}
