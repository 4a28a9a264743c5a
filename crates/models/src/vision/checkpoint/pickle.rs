//! A reader for the part of Python's pickle protocol 2 that `torch.save` writes (described in
//! `pickletools.py`).
//!
//! A pickle is a program for a stack machine that can call any function by name. This machine supports only
//! the functions that rebuild tensors and ordered dictionaries; any other name is an error. Values refer to
//! each other by index, so that no file can make them large, deeply nested or cyclic in memory.

use std::collections::HashMap;

/// A value on the stack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A number that cannot be part of a tensor, such as a float.
    Number,
    /// Index in [`Pickle::texts`].
    Text(usize),
    /// Index in [`Pickle::lists`]; tuples are lists too.
    List(usize),
    /// Index in [`Pickle::dicts`].
    Dict(usize),
    Global(Global),
    /// Index in [`Pickle::storages`].
    Storage(usize),
    /// Index in [`Pickle::tensors`].
    Tensor(usize),
    Mark,
}

/// A supported function or class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(NumberType),
}

/// The type of a storage's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberType {
    F64,
    F32,
    F16,
    Bf16,
    /// Integers or booleans, with their number of bytes.
    Integer(u8),
}

fn global(module: &str, name: &str) -> Result<Global, String> {
    Ok(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
        ("torch", "DoubleStorage") => Global::Storage(NumberType::F64),
        ("torch", "FloatStorage") => Global::Storage(NumberType::F32),
        ("torch", "HalfStorage") => Global::Storage(NumberType::F16),
        ("torch", "BFloat16Storage") => Global::Storage(NumberType::Bf16),
        ("torch", "LongStorage") => Global::Storage(NumberType::Integer(8)),
        ("torch", "IntStorage") => Global::Storage(NumberType::Integer(4)),
        ("torch", "ShortStorage") => Global::Storage(NumberType::Integer(2)),
        ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => {
            Global::Storage(NumberType::Integer(1))
        }
        _ => {
            return Err(format!(
                "it uses `{module}.{name}`, which does not belong to a state dict and is not \
                 executed; save the tensors alone by `torch.save(model.state_dict(), FILE)`"
            ));
        }
    })
}

/// An array of numbers in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    /// Name of the storage in the file.
    pub(super) key: String,
    pub(super) kind: NumberType,
    /// How many numbers it has.
    pub(super) length: usize,
}

/// A tensor, as a view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TensorView {
    /// Index in [`Pickle::storages`].
    pub(super) storage: usize,
    /// Index of its first number in the storage.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// The values of a pickle, and the state of the machine that reads it.
#[derive(Debug, Default)]
pub(super) struct Pickle {
    pub(super) texts: Vec<String>,
    pub(super) lists: Vec<Vec<Value>>,
    pub(super) dicts: Vec<Vec<(Value, Value)>>,
    pub(super) storages: Vec<Storage>,
    pub(super) tensors: Vec<TensorView>,
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
}

type ReadResult<T> = Result<T, String>;

/// Removes bytes from the front.
fn take<'a>(from: &mut &'a [u8], count: usize) -> ReadResult<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(count).ok_or("the pickle ends too early")?;
    *from = rest;
    Ok(taken)
}

fn number<const N: usize>(from: &mut &[u8]) -> ReadResult<[u8; N]> {
    take(from, N)?.try_into().map_err(|_| "the pickle ends too early".to_owned())
}

fn line<'a>(from: &mut &'a [u8]) -> ReadResult<&'a str> {
    let end = from.iter().position(|byte| *byte == b'\n').ok_or("the pickle ends too early")?;
    let line = &take(from, end + 1)?[..end];
    std::str::from_utf8(line).map_err(|_| "the pickle has a name that is not UTF-8".to_owned())
}

impl Pickle {
    /// Reads a pickle at the front of `from` and removes it. Returns the value that is left on top of the
    /// stack.
    pub(super) fn read(from: &mut &[u8]) -> ReadResult<(Self, Value)> {
        let mut this = Self::default();
        loop {
            let code = take(from, 1)?[0];
            if code == b'.' {
                let value = this.pop()?;
                return Ok((this, value));
            }
            this.step(code, from)?;
        }
    }

    fn step(&mut self, code: u8, from: &mut &[u8]) -> ReadResult<()> {
        let value = match code {
            0x80 => {
                let version = take(from, 1)?[0];
                if version > 2 {
                    return Err(format!("its pickle has protocol {version}, expected 2"));
                }
                return Ok(());
            }
            b'c' => Value::Global(global(line(from)?, line(from)?)?),
            b'q' => return self.remember(take(from, 1)?[0].into()),
            b'r' => return self.remember(u32::from_le_bytes(number(from)?)),
            b'h' => self.recall(take(from, 1)?[0].into())?,
            b'j' => self.recall(u32::from_le_bytes(number(from)?))?,
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(take(from, 1)?[0].into()),
            b'M' => Value::Int(u16::from_le_bytes(number(from)?).into()),
            b'J' => Value::Int(i32::from_le_bytes(number(from)?).into()),
            0x8a => long(from)?,
            b'G' => {
                take(from, 8)?;
                Value::Number
            }
            b'X' => {
                let length = u32::from_le_bytes(number(from)?) as usize;
                let text = std::str::from_utf8(take(from, length)?);
                self.text(text.map_err(|_| "the pickle has a text that is not UTF-8")?)
            }
            b'(' => Value::Mark,
            b')' | b']' => self.list(Vec::new()),
            b't' => {
                let items = self.pop_to_mark()?;
                self.list(items)
            }
            0x85..=0x87 => {
                let start = self.stack.len().checked_sub(usize::from(code - 0x84));
                let items = self.stack.split_off(start.ok_or("the pickle's stack is empty")?);
                self.list(items)
            }
            b'a' => {
                let item = self.pop()?;
                return self.append(vec![item]);
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                return self.append(items);
            }
            b'}' => self.dict(),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                return self.set(&[key, value]);
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                return self.set(&items);
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?
            }
            // Attributes of a dictionary (the versions of a state dict's modules) are ignored.
            b'b' => {
                let (_, value) = (self.pop()?, self.pop()?);
                value
            }
            b'Q' => {
                let identity = self.pop()?;
                self.storage(identity)?
            }
            other => return Err(format!("its pickle has an unknown instruction {other:#04x}")),
        };
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> ReadResult<Value> {
        self.stack.pop().ok_or_else(|| "the pickle's stack is empty".to_owned())
    }

    fn pop_to_mark(&mut self) -> ReadResult<Vec<Value>> {
        let mark = self.stack.iter().rposition(|value| *value == Value::Mark);
        let items = self.stack.split_off(mark.ok_or("the pickle lacks a mark")? + 1);
        self.stack.pop();
        Ok(items)
    }

    fn remember(&mut self, at: u32) -> ReadResult<()> {
        let value = *self.stack.last().ok_or("the pickle's stack is empty")?;
        self.memo.insert(at, value);
        Ok(())
    }

    fn recall(&self, at: u32) -> ReadResult<Value> {
        let value = self.memo.get(&at).copied();
        value.ok_or_else(|| format!("the pickle refers to value {at}, which it has not stored"))
    }

    fn text(&mut self, text: &str) -> Value {
        self.texts.push(text.to_owned());
        Value::Text(self.texts.len() - 1)
    }

    fn list(&mut self, items: Vec<Value>) -> Value {
        self.lists.push(items);
        Value::List(self.lists.len() - 1)
    }

    fn dict(&mut self) -> Value {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() - 1)
    }

    fn append(&mut self, items: Vec<Value>) -> ReadResult<()> {
        match self.stack.last() {
            Some(Value::List(at)) => self.lists[*at].extend(items),
            other => return Err(format!("the pickle appends to {other:?}")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Value]) -> ReadResult<()> {
        match (self.stack.last(), items.as_chunks::<2>()) {
            (Some(Value::Dict(at)), (pairs, [])) => {
                self.dicts[*at].extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            (other, _) => {
                return Err(format!("the pickle sets {} items of {other:?}", items.len()));
            }
        }
        Ok(())
    }

    /// The items of a list or tuple.
    pub(super) fn items(&self, value: Value) -> ReadResult<&[Value]> {
        match value {
            Value::List(at) => Ok(&self.lists[at]),
            other => Err(format!("the pickle has {other:?} instead of a tuple")),
        }
    }

    pub(super) fn string(&self, value: Value) -> ReadResult<&str> {
        match value {
            Value::Text(at) => Ok(&self.texts[at]),
            other => Err(format!("the pickle has {other:?} instead of a string")),
        }
    }

    fn call(&mut self, callable: Value, arguments: Value) -> ReadResult<Value> {
        let items = self.items(arguments)?;
        match (callable, items) {
            (Value::Global(Global::OrderedDict), []) => Ok(self.dict()),
            (
                Value::Global(Global::RebuildTensor),
                [Value::Storage(storage), offset, shape, strides, ..],
            ) => {
                let counts = |value: Value| -> ReadResult<Vec<usize>> {
                    self.items(value)?.iter().map(|value| count(*value)).collect()
                };
                let tensor = TensorView {
                    storage: *storage,
                    offset: count(*offset)?,
                    shape: counts(*shape)?,
                    strides: counts(*strides)?,
                };
                self.tensors.push(tensor);
                Ok(Value::Tensor(self.tensors.len() - 1))
            }
            (Value::Global(Global::RebuildParameter), [tensor @ Value::Tensor(_), ..]) => {
                Ok(*tensor)
            }
            _ => Err(format!("the pickle calls {callable:?} with {} arguments", items.len())),
        }
    }

    /// Reads `("storage", kind, key, device, length)`; older files add a sixth item, which must be `None`.
    fn storage(&mut self, identity: Value) -> ReadResult<Value> {
        let [tag, Value::Global(Global::Storage(kind)), key, _, length, view @ ..] =
            self.items(identity)?
        else {
            return Err("the pickle has a persistent object that is not a storage".to_owned());
        };
        if self.string(*tag)? != "storage" || !matches!(view, [] | [Value::None]) {
            return Err("the pickle has a persistent object that is not a storage".to_owned());
        }
        let storage =
            Storage { key: self.string(*key)?.to_owned(), kind: *kind, length: count(*length)? };
        self.storages.push(storage);
        Ok(Value::Storage(self.storages.len() - 1))
    }
}

fn count(value: Value) -> ReadResult<usize> {
    match value {
        Value::Int(number) => {
            usize::try_from(number).map_err(|_| format!("the pickle has a negative size {number}"))
        }
        other => Err(format!("the pickle has {other:?} instead of a size")),
    }
}

/// Reads an integer of up to 255 bytes; one of more than 8 bytes becomes [`Value::Number`].
fn long(from: &mut &[u8]) -> ReadResult<Value> {
    let length = take(from, 1)?[0].into();
    let bytes = take(from, length)?;
    if length > 8 {
        return Ok(Value::Number);
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 > 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..length].copy_from_slice(bytes);
    Ok(Value::Int(i64::from_le_bytes(all)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(mut bytes: &[u8]) -> ReadResult<(Pickle, Value)> {
        Pickle::read(&mut bytes)
    }

    #[test]
    fn integers_are_read_with_their_signs() {
        for (bytes, expected) in [
            (&b"K\xff."[..], Value::Int(255)),
            (b"M\x01\x02.", Value::Int(513)),
            (b"J\xfe\xff\xff\xff.", Value::Int(-2)),
            (b"\x8a\x01\xff.", Value::Int(-1)),
            (b"\x8a\x02\xff\x00.", Value::Int(255)),
            (b"\x8a\x00.", Value::Int(0)),
            (b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.", Value::Number),
        ] {
            assert_eq!(read(bytes).unwrap().1, expected);
        }
    }

    /// A thousand nested tuples, each of which contains the one below twice. Memory grows with the size of
    /// the file only.
    #[test]
    fn references_do_not_copy_values() {
        let mut bytes = b")".to_vec();
        for _ in 0..1000 {
            bytes.extend_from_slice(b"q\x00h\x00\x86");
        }
        bytes.push(b'.');
        let (pickle, _) = read(&bytes).unwrap();
        assert_eq!(pickle.lists.len(), 1001);
    }

    #[test]
    fn only_supported_names_are_accepted() {
        assert!(read(b"cos\nsystem\n.").unwrap_err().contains("`os.system`"));
        assert!(read(b"ccollections\nOrderedDict\n)R.").is_ok());
        // Supported functions with other arguments are refused.
        assert!(read(b"ccollections\nOrderedDict\nK\x01R.").is_err());
        assert!(read(b"ctorch._utils\n_rebuild_tensor_v2\n)R.").is_err());
        // Newer protocols have other instructions for names.
        assert!(read(b"\x80\x04.").unwrap_err().contains("protocol 4"));
        assert!(read(b"\x93.").unwrap_err().contains("0x93"));
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        /// Random instructions get further than random bytes.
        #[test]
        fn no_instructions_cause_a_panic(
            codes in prop::collection::vec(
                prop::sample::select(b"(t)]}aeusRbQN\x85\x86\x87\x88q\x00h\x00K\x01.".to_vec()), 0..200,
            ),
        ) {
            let _ = read(&codes);
        }
    }
}
