//! The part of Python's pickle protocol 2 that `torch.save` writes (`pickletools.py` describes it),
//! and nothing else.
//!
//! A pickle is a program for a stack machine that can call any function by name. This one knows what
//! rebuilds tensors and ordered dictionaries; another name is an error. Values refer to one another
//! by their place in a few lists, so that no file can make them large, nested without end or cyclic
//! in memory.

use std::collections::HashMap;

/// Something on the stack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A number that no tensor needs.
    Number,
    /// Place in [`Pickle::texts`].
    Text(usize),
    /// Place in [`Pickle::lists`]; tuples are lists too.
    List(usize),
    /// Place in [`Pickle::dicts`].
    Dict(usize),
    Global(Global),
    /// Place in [`Pickle::storages`].
    Storage(usize),
    /// Place in [`Pickle::tensors`].
    Tensor(usize),
    Mark,
}

/// A name that a file may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Kind),
}

/// What a storage holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F64,
    F32,
    F16,
    Bf16,
    /// Whole numbers or truth values of so many bytes.
    Whole(u8),
}

fn global(module: &str, name: &str) -> Result<Global, String> {
    Ok(match (module, name) {
        ("collections", "OrderedDict") => Global::OrderedDict,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Global::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
        ("torch", "DoubleStorage") => Global::Storage(Kind::F64),
        ("torch", "FloatStorage") => Global::Storage(Kind::F32),
        ("torch", "HalfStorage") => Global::Storage(Kind::F16),
        ("torch", "BFloat16Storage") => Global::Storage(Kind::Bf16),
        ("torch", "LongStorage") => Global::Storage(Kind::Whole(8)),
        ("torch", "IntStorage") => Global::Storage(Kind::Whole(4)),
        ("torch", "ShortStorage") => Global::Storage(Kind::Whole(2)),
        ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => Global::Storage(Kind::Whole(1)),
        _ => {
            return Err(format!(
                "it calls for `{module}.{name}`, which is no part of a state dict and is not run; \
                 save the tensors alone, `torch.save(model.state_dict(), FILE)`"
            ));
        }
    })
}

/// A run of numbers in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) kind: Kind,
    /// Numbers, not bytes.
    pub(super) length: usize,
}

/// A tensor within a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    /// Place in [`Pickle::storages`].
    pub(super) storage: usize,
    /// Numbers before the first.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// What a pickle says.
#[derive(Debug, Default)]
pub(super) struct Pickle {
    pub(super) texts: Vec<String>,
    pub(super) lists: Vec<Vec<Value>>,
    pub(super) dicts: Vec<Vec<(Value, Value)>>,
    pub(super) storages: Vec<Storage>,
    pub(super) tensors: Vec<View>,
    stack: Vec<Value>,
    memo: HashMap<u32, Value>,
}

type Outcome<T> = Result<T, String>;

/// Takes bytes from the front.
fn take<'a>(from: &mut &'a [u8], count: usize) -> Outcome<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(count).ok_or("the pickle breaks off")?;
    *from = rest;
    Ok(taken)
}

fn number<const N: usize>(from: &mut &[u8]) -> Outcome<[u8; N]> {
    take(from, N)?.try_into().map_err(|_| "the pickle breaks off".to_owned())
}

fn line<'a>(from: &mut &'a [u8]) -> Outcome<&'a str> {
    let end = from.iter().position(|it| *it == b'\n').ok_or("the pickle breaks off")?;
    let line = &take(from, end + 1)?[..end];
    std::str::from_utf8(line).map_err(|_| "the pickle has a name that is not UTF-8".to_owned())
}

impl Pickle {
    /// Reads a pickle from the front of `from` and takes it off.
    pub(super) fn read(from: &mut &[u8]) -> Outcome<(Self, Value)> {
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

    fn step(&mut self, code: u8, from: &mut &[u8]) -> Outcome<()> {
        let value = match code {
            0x80 => {
                let version = take(from, 1)?[0];
                if version > 2 {
                    return Err(format!("a pickle of protocol {version}, expected 2"));
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
            // An attribute of a dictionary (the versions of a state dict's modules) is of no use here.
            b'b' => {
                let (_, value) = (self.pop()?, self.pop()?);
                value
            }
            b'Q' => {
                let identity = self.pop()?;
                self.storage(identity)?
            }
            other => return Err(format!("the pickle has an instruction {other:#04x}")),
        };
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Outcome<Value> {
        self.stack.pop().ok_or_else(|| "the pickle's stack is empty".to_owned())
    }

    fn pop_to_mark(&mut self) -> Outcome<Vec<Value>> {
        let mark = self.stack.iter().rposition(|it| *it == Value::Mark);
        let items = self.stack.split_off(mark.ok_or("the pickle lacks a mark")? + 1);
        self.stack.pop();
        Ok(items)
    }

    fn remember(&mut self, at: u32) -> Outcome<()> {
        let value = *self.stack.last().ok_or("the pickle's stack is empty")?;
        self.memo.insert(at, value);
        Ok(())
    }

    fn recall(&self, at: u32) -> Outcome<Value> {
        self.memo.get(&at).copied().ok_or_else(|| format!("the pickle recalls {at}, unknown"))
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

    fn append(&mut self, items: Vec<Value>) -> Outcome<()> {
        match self.stack.last() {
            Some(Value::List(at)) => self.lists[*at].extend(items),
            other => return Err(format!("the pickle appends to {other:?}")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Value]) -> Outcome<()> {
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
    pub(super) fn items(&self, value: Value) -> Outcome<&[Value]> {
        match value {
            Value::List(at) => Ok(&self.lists[at]),
            other => Err(format!("the pickle has {other:?} in the place of a tuple")),
        }
    }

    pub(super) fn string(&self, value: Value) -> Outcome<&str> {
        match value {
            Value::Text(at) => Ok(&self.texts[at]),
            other => Err(format!("the pickle has {other:?} in the place of a text")),
        }
    }

    fn call(&mut self, callable: Value, arguments: Value) -> Outcome<Value> {
        let items = self.items(arguments)?;
        match (callable, items) {
            (Value::Global(Global::OrderedDict), []) => Ok(self.dict()),
            (
                Value::Global(Global::RebuildTensor),
                [Value::Storage(storage), offset, shape, strides, ..],
            ) => {
                let counts = |value: Value| -> Outcome<Vec<usize>> {
                    self.items(value)?.iter().map(|it| count(*it)).collect()
                };
                let tensor = View {
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

    /// `("storage", kind, key, device, length)`, and of old files a view on it, which is none.
    fn storage(&mut self, identity: Value) -> Outcome<Value> {
        let [tag, Value::Global(Global::Storage(kind)), key, _, length, view @ ..] =
            self.items(identity)?
        else {
            return Err("the pickle refers to something else than a storage".to_owned());
        };
        if self.string(*tag)? != "storage" || !matches!(view, [] | [Value::None]) {
            return Err("the pickle refers to something else than a storage".to_owned());
        }
        let storage =
            Storage { key: self.string(*key)?.to_owned(), kind: *kind, length: count(*length)? };
        self.storages.push(storage);
        Ok(Value::Storage(self.storages.len() - 1))
    }
}

fn count(value: Value) -> Outcome<usize> {
    match value {
        Value::Int(it) => {
            usize::try_from(it).map_err(|_| format!("the pickle has a count of {it}"))
        }
        other => Err(format!("the pickle has {other:?} in the place of a count")),
    }
}

/// A whole number of up to 255 bytes; one that no count can be is only a number.
fn long(from: &mut &[u8]) -> Outcome<Value> {
    let length = take(from, 1)?[0].into();
    let bytes = take(from, length)?;
    if length > 8 {
        return Ok(Value::Number);
    }
    let negative = bytes.last().is_some_and(|it| it & 0x80 > 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..length].copy_from_slice(bytes);
    Ok(Value::Int(i64::from_le_bytes(all)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(mut bytes: &[u8]) -> Outcome<(Pickle, Value)> {
        Pickle::read(&mut bytes)
    }

    #[test]
    fn whole_numbers_have_signs() {
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

    /// A thousand levels, each twice the one below: the memory stays that of the file.
    #[test]
    fn references_are_not_copies() {
        let mut bytes = b")".to_vec();
        for _ in 0..1000 {
            bytes.extend_from_slice(b"q\x00h\x00\x86");
        }
        bytes.push(b'.');
        let (pickle, _) = read(&bytes).unwrap();
        assert_eq!(pickle.lists.len(), 1001);
    }

    #[test]
    fn only_known_names_are_called() {
        assert!(read(b"cos\nsystem\n.").unwrap_err().contains("`os.system`"));
        assert!(read(b"ccollections\nOrderedDict\n)R.").is_ok());
        // Not even known ones with something else than they take.
        assert!(read(b"ccollections\nOrderedDict\nK\x01R.").is_err());
        assert!(read(b"ctorch._utils\n_rebuild_tensor_v2\n)R.").is_err());
        // Newer protocols name functions in other ways.
        assert!(read(b"\x80\x04.").unwrap_err().contains("protocol 4"));
        assert!(read(b"\x93.").unwrap_err().contains("0x93"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        /// Instructions alone get further than random bytes do.
        #[test]
        fn no_program_makes_it_panic(
            codes in prop::collection::vec(
                prop::sample::select(b"(t)]}aeusRbQN\x85\x86\x87\x88q\x00h\x00K\x01.".to_vec()), 0..200,
            ),
        ) {
            let _ = read(&codes);
        }
    }
}
