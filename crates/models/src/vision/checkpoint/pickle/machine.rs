//! The stack machine.

use std::collections::HashMap;

use super::{
    bytes::{counted, decimal, index, line, long, signed, take, text, unsigned},
    value::{Global, ReadResult, Storage, TensorView, Value},
};

/// The most values of a pickle. The state dict of a network with 1,000 tensors has about 50,000.
const MOST_VALUES: usize = 4_000_000;

/// The values of a pickle, and the state of the machine that reads it.
#[derive(Debug, Default)]
pub(in super::super) struct Pickle {
    pub(in super::super) texts: Vec<String>,
    pub(in super::super) lists: Vec<Vec<Value>>,
    pub(in super::super) dicts: Vec<Vec<(Value, Value)>>,
    pub(in super::super) storages: Vec<Storage>,
    pub(in super::super) tensors: Vec<TensorView>,
    stack: Vec<Value>,
    memo: HashMap<usize, Value>,
    /// Values made so far.
    made: usize,
}

impl Pickle {
    /// Reads a pickle at the front of `from` and removes it. Returns the value that is left on top of the
    /// stack.
    pub(in super::super) fn read(from: &mut &[u8]) -> ReadResult<(Self, Value)> {
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
                if version > 5 {
                    return Err(format!("its pickle has protocol {version}; 0 to 5 can be read"));
                }
                return Ok(());
            }
            // The length of the next instructions.
            0x95 => return take(from, 8).map(|_| ()),
            b'c' => self.global(line(from)?, line(from)?),
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (module, name) =
                    (self.string(module)?.to_owned(), self.string(name)?.to_owned());
                self.global(&module, &name)
            }
            b'q' | b'r' => {
                let at = unsigned(from, if code == b'q' { 1 } else { 4 })?;
                return self.remember(at);
            }
            b'p' => {
                let at = index(from)?;
                return self.remember(at);
            }
            0x94 => return self.remember(self.memo.len()),
            b'h' => self.recall(unsigned(from, 1)?)?,
            b'j' => self.recall(unsigned(from, 4)?)?,
            b'g' => self.recall(index(from)?)?,
            b'0' => return self.pop().map(|_| ()),
            b'1' => return self.pop_to_mark().map(|_| ()),
            b'2' => *self.stack.last().ok_or("the pickle's stack is empty")?,
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(unsigned(from, 1)? as i64),
            b'M' => Value::Int(unsigned(from, 2)? as i64),
            b'J' => Value::Int(signed(from)?),
            b'I' | b'L' => decimal(from)?,
            0x8a => long(counted(from, 1)?),
            0x8b => long(counted(from, 4)?),
            b'F' => line(from).map(|_| Value::Other)?,
            b'G' => take(from, 8).map(|_| Value::Other)?,
            // Bytes, and texts of Python 2, which are bytes.
            b'B' => counted(from, 4).map(|_| Value::Other)?,
            b'C' => counted(from, 1).map(|_| Value::Other)?,
            0x8e | 0x96 => counted(from, 8).map(|_| Value::Other)?,
            b'U' => self.bytes(counted(from, 1)?),
            b'T' => self.bytes(counted(from, 4)?),
            b'S' => {
                let quoted = line(from)?;
                self.text(quoted.trim_matches(['\'', '"']))
            }
            b'V' => self.text(line(from)?),
            b'X' => self.text(text(from, 4)?),
            0x8c => self.text(text(from, 1)?),
            0x8d => self.text(text(from, 8)?),
            b'(' => Value::Mark,
            b')' | b']' | 0x8f => self.list(Vec::new()),
            b't' | b'l' | 0x91 => {
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
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                return self.append(items);
            }
            b'}' => self.dict(),
            b'd' => {
                let items = self.pop_to_mark()?;
                let dict = self.dict();
                self.stack.push(dict);
                return self.set(&items);
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                return self.set(&[key, value]);
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                return self.set(&items);
            }
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)?
            }
            0x92 => {
                let (_, arguments, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(callable, arguments)?
            }
            b'o' => {
                let mut items = self.pop_to_mark()?.into_iter();
                let callable = items.next().ok_or("the pickle makes an object of no class")?;
                let arguments = self.list(items.collect());
                self.call(callable, arguments)?
            }
            b'i' => {
                let callable = self.global(line(from)?, line(from)?);
                let items = self.pop_to_mark()?;
                let arguments = self.list(items);
                self.call(callable, arguments)?
            }
            // The state of an object, such as the versions of a state dict's modules, is ignored.
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
        self.count(1)?;
        self.stack.push(value);
        Ok(())
    }

    /// Counts values, so that a small file cannot fill the memory.
    pub(super) fn count(&mut self, more: usize) -> ReadResult<()> {
        self.made = self.made.saturating_add(more);
        if self.made > MOST_VALUES {
            return Err(format!("its pickle has more than {MOST_VALUES} values"));
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Value {
        Value::Global(Global::named(module, name).unwrap_or_else(|| {
            self.texts.push(format!("{module}.{name}"));
            Global::Unknown(self.texts.len() - 1)
        }))
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

    fn remember(&mut self, at: usize) -> ReadResult<()> {
        self.count(1)?;
        let value = *self.stack.last().ok_or("the pickle's stack is empty")?;
        self.memo.insert(at, value);
        Ok(())
    }

    fn recall(&self, at: usize) -> ReadResult<Value> {
        let value = self.memo.get(&at).copied();
        value.ok_or_else(|| format!("the pickle refers to value {at}, which it has not stored"))
    }

    /// A text of Python 2, in which a name of a tensor is ASCII.
    fn bytes(&mut self, bytes: &[u8]) -> Value {
        std::str::from_utf8(bytes).map_or(Value::Other, |text| self.text(text))
    }

    fn text(&mut self, text: &str) -> Value {
        self.texts.push(text.to_owned());
        Value::Text(self.texts.len() - 1)
    }

    pub(super) fn list(&mut self, items: Vec<Value>) -> Value {
        self.lists.push(items);
        Value::List(self.lists.len() - 1)
    }

    pub(super) fn dict(&mut self) -> Value {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() - 1)
    }

    fn append(&mut self, items: Vec<Value>) -> ReadResult<()> {
        self.count(items.len())?;
        match self.stack.last() {
            Some(Value::List(at)) => self.lists[*at].extend(items),
            Some(Value::Opaque(_)) => {}
            other => return Err(format!("the pickle appends to {other:?}")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Value]) -> ReadResult<()> {
        self.count(items.len())?;
        match (self.stack.last(), items.as_chunks::<2>()) {
            (Some(Value::Dict(at)), (pairs, [])) => {
                self.dicts[*at].extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            (Some(Value::Opaque(_)), (_, [])) => {}
            (other, _) => {
                return Err(format!("the pickle sets {} items of {other:?}", items.len()));
            }
        }
        Ok(())
    }

    /// The items of a list or tuple.
    pub(in super::super) fn items(&self, value: Value) -> ReadResult<&[Value]> {
        match value {
            Value::List(at) => Ok(&self.lists[at]),
            other => Err(format!("the pickle has {other:?} instead of a tuple")),
        }
    }

    pub(in super::super) fn string(&self, value: Value) -> ReadResult<&str> {
        match value {
            Value::Text(at) => Ok(&self.texts[at]),
            other => Err(format!("the pickle has {other:?} instead of a string")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vision::checkpoint::pickle::value::NumberType;

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
            (b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.", Value::Other),
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
    fn no_function_is_called_and_its_result_is_opaque() {
        let name = |bytes: &[u8]| {
            let (pickle, value) = read(bytes).unwrap();
            match value {
                Value::Opaque(at) => pickle.texts[at].clone(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(name(b"cos\nsystem\n(S'id'\ntR."), "os.system");
        assert_eq!(name(b"\x80\x04\x8c\x02os\x8c\x06system\x93)R."), "os.system");
        assert_eq!(
            name(b"cargparse\nNamespace\n)\x81}S'lr'\nG\0\0\0\0\0\0\0\0sb."),
            "argparse.Namespace"
        );
        assert_eq!(name(b"(S'a'\nios\nsystem\n."), "os.system");
        assert!(matches!(read(b"ccollections\nOrderedDict\n)R.").unwrap().1, Value::Dict(_)));
        // Known functions with other arguments are not called either.
        assert!(matches!(
            read(b"ctorch._utils\n_rebuild_tensor_v2\n)R.").unwrap().1,
            Value::Opaque(_)
        ));
    }

    #[test]
    fn newer_protocols_are_read() {
        // pickle.dumps({"a": [1, 2.5, b"x"]}, protocol=4)
        let bytes = b"\x80\x04\x95\x1a\0\0\0\0\0\0\0}\x94\x8c\x01a\x94]\x94(K\x01G@\x04\0\0\0\0\0\0C\x01x\x94es.";
        let (pickle, value) = read(bytes).unwrap();
        let Value::Dict(at) = value else { panic!("{value:?}") };
        let [(key, list)] = pickle.dicts[at][..] else { panic!("{pickle:?}") };
        assert_eq!(pickle.string(key), Ok("a"));
        assert_eq!(pickle.items(list).unwrap(), [Value::Int(1), Value::Other, Value::Other]);
        assert!(read(b"\x80\x06.").unwrap_err().contains("protocol 6"));
        assert!(read(b"\xff.").unwrap_err().contains("0xff"));
    }

    #[test]
    fn types_without_a_storage_of_their_own_are_unused() {
        let types = [
            (("torch", "float8_e4m3fn"), Global::Type(NumberType::Unused(1))),
            (("torch", "float32"), Global::Type(NumberType::F32)),
            (("torch.storage", "UntypedStorage"), Global::Storage(NumberType::Unused(1))),
            (("torch", "ComplexFloatStorage"), Global::Storage(NumberType::Unused(8))),
        ];
        for ((module, name), expected) in types {
            assert_eq!(Global::named(module, name), Some(expected));
        }
        assert_eq!(Global::named("torch", "device"), None);
    }

    /// 60 million empty tuples, and a memo that grows without end.
    #[test]
    fn a_pickle_with_too_many_values_is_refused() {
        let tuples = vec![b')'; MOST_VALUES + 1];
        assert!(read(&tuples).unwrap_err().contains("values"));
        let mut memo = b")".to_vec();
        (0..MOST_VALUES).for_each(|_| memo.push(0x94));
        assert!(read(&memo).unwrap_err().contains("values"));
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
                prop::sample::select(b"(t)]}aeusRbQNoidl012\x81\x85\x86\x87\x88\x8f\x90\x91\x92\x93\x94q\x00h\x00K\x01.".to_vec()), 0..200,
            ),
        ) {
            let _ = read(&codes);
        }
    }
}
