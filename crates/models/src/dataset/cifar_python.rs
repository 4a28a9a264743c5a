//! The python version of CIFAR-10: pickled dictionaries with `data`, a numpy array of `n × 3072` bytes, and
//! `labels`, a list of numbers. The same images in the same order as in the binary version.
//!
//! Only the operations that such a file consists of are read. No object is constructed and no code runs: a
//! constructor's arguments are kept as plain values, and the array's bytes are found among them.

use std::collections::HashMap;

/// First byte of a pickle of protocol 2 or later; as a label of the binary version it would be out of range.
pub(super) const PROTOCOL: u8 = 0x80;

/// Values of an image, without its label.
const IMAGE: usize = 3 * 32 * 32;
/// Values that a file may consist of; a batch has 20,000 labels and names, and a few more.
const MOST_VALUES: usize = 1 << 18;
/// Containers within containers; a batch has 6.
const MOST_DEPTH: u8 = 32;

/// A value on the stack. Containers are not remembered by the memo, so that reading needs little memory
/// whatever the file says.
#[derive(Clone)]
enum Value<'a> {
    Bytes(&'a [u8]),
    Number(i64),
    /// A list, a tuple, the keys and values of a dictionary, or the arguments of a constructor.
    Many(Container<'a>),
    Mark,
    /// Anything else: a class, `None`, a number that does not matter.
    Other,
}

/// Values, and how deep containers are nested in it.
#[derive(Clone, Default)]
struct Container<'a> {
    values: Vec<Value<'a>>,
    depth: u8,
}

impl<'a> Container<'a> {
    fn extend(&mut self, values: Vec<Value<'a>>) -> Result<(), String> {
        let inside = values.iter().map(|value| match value {
            Value::Many(container) => container.depth + 1,
            _ => 0,
        });
        self.depth = self.depth.max(inside.max().unwrap_or(0));
        if self.depth > MOST_DEPTH {
            return Err(format!("the pickle nests values more than {MOST_DEPTH} deep"));
        }
        self.values.extend(values);
        Ok(())
    }
}

impl<'a> Value<'a> {
    /// The bytes of that length in this value.
    fn bytes(&self, length: usize) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) if bytes.len() == length => Some(bytes),
            Self::Many(Container { values, .. }) => {
                values.iter().find_map(|value| value.bytes(length))
            }
            _ => None,
        }
    }
}

/// The records of the binary version: for each image its label, then its pixels.
pub(super) fn records(pickle: &[u8], images: usize) -> Result<Vec<u8>, String> {
    let mut reader = Reader { rest: pickle, stack: Vec::new(), memo: HashMap::new(), values: 0 };
    let Value::Many(Container { values: entries, .. }) = reader.run()? else {
        return Err("it is a pickle, but not of a dictionary".to_owned());
    };
    let entry = |key: &[u8]| {
        let found = entries.as_chunks::<2>().0.iter().find_map(|[name, value]| match name {
            Value::Bytes(name) if *name == key => Some(value),
            _ => None,
        });
        found.ok_or_else(|| format!("its dictionary has no `{}`", key.escape_ascii()))
    };
    let pixels = entry(b"data")?
        .bytes(images * IMAGE)
        .ok_or_else(|| format!("its `data` are not {images} rows of {IMAGE} bytes"))?;
    let labels = match entry(b"labels")? {
        Value::Many(Container { values, .. }) if values.len() == images => values,
        _ => return Err(format!("its `labels` are not a list of {images} numbers")),
    };
    let mut records = Vec::with_capacity(images * (IMAGE + 1));
    for (label, pixels) in labels.iter().zip(pixels.chunks_exact(IMAGE)) {
        match label {
            Value::Number(label @ 0..=9) => records.push(*label as u8),
            _ => return Err("it has a label that is not a number from 0 to 9".to_owned()),
        }
        records.extend_from_slice(pixels);
    }
    Ok(records)
}

struct Reader<'a> {
    rest: &'a [u8],
    stack: Vec<Value<'a>>,
    memo: HashMap<u64, Value<'a>>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("the pickle ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    /// A little-endian number of up to 8 bytes.
    fn number(&mut self, bytes: u64) -> Result<u64, String> {
        let taken = self.take(bytes)?;
        Ok(taken.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn line(&mut self) -> Result<(), String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or("a line has no end")?;
        self.take(end as u64 + 1).map(drop)
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(format!("the pickle has more than {MOST_VALUES} values"));
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value<'a>, String> {
        self.stack.pop().ok_or_else(|| "the pickle takes a value that is not there".to_owned())
    }

    /// The last `count` values as one.
    fn join(&mut self, count: usize) -> Result<(), String> {
        let start = self.stack.len().checked_sub(count).ok_or("a value is not there")?;
        let values = self.stack.split_off(start);
        self.push_many(values)
    }

    /// The values since the last mark, without it.
    fn since_mark(&mut self) -> Result<Vec<Value<'a>>, String> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark));
        let values = self.stack.split_off(mark.ok_or("a mark is missing")? + 1);
        self.stack.pop();
        Ok(values)
    }

    fn push_many(&mut self, values: Vec<Value<'a>>) -> Result<(), String> {
        let mut container = Container::default();
        container.extend(values)?;
        self.push(Value::Many(container))
    }

    fn extend(&mut self, values: Vec<Value<'a>>) -> Result<(), String> {
        match self.stack.last_mut() {
            Some(Value::Many(all)) => all.extend(values),
            _ => Err("values are added to something that is not a list".to_owned()),
        }
    }

    fn remember(&mut self, key: u64) -> Result<(), String> {
        let value = match self.stack.last() {
            Some(value @ (Value::Bytes(_) | Value::Number(_))) => value.clone(),
            Some(_) => Value::Other,
            None => return Err("the pickle remembers a value that is not there".to_owned()),
        };
        self.memo.insert(key, value);
        if self.memo.len() > MOST_VALUES {
            return Err(format!("the pickle remembers more than {MOST_VALUES} values"));
        }
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), String> {
        let value = self.memo.get(&key).cloned();
        self.push(value.ok_or("the pickle recalls a value that it does not remember")?)
    }

    /// Reads until the end of the pickle and returns its value.
    fn run(&mut self) -> Result<Value<'a>, String> {
        loop {
            let operation = self.number(1)? as u8;
            match operation {
                b'.' => return self.pop(),
                PROTOCOL => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'(' => self.push(Value::Mark)?,
                b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
                b']' | b'}' | b')' => self.push_many(Vec::new())?,
                b'K' | b'M' | b'J' => {
                    let width = match operation {
                        b'K' => 1,
                        b'M' => 2,
                        _ => 4,
                    };
                    let number = self.number(width)?;
                    // Only the widest number has a sign.
                    let number =
                        if width == 4 { i64::from(number as u32 as i32) } else { number as i64 };
                    self.push(Value::Number(number))?;
                }
                0x8a => {
                    let length = self.number(1)?;
                    self.take(length)?;
                    self.push(Value::Other)?;
                }
                b'U' | b'C' | 0x8c => self.text(1)?,
                b'T' | b'B' | b'X' => self.text(4)?,
                0x8d | 0x8e | 0x96 => self.text(8)?,
                b'c' => {
                    self.line()?;
                    self.line()?;
                    self.push(Value::Other)?;
                }
                0x93 => {
                    self.pop()?;
                    self.pop()?;
                    self.push(Value::Other)?;
                }
                // The arguments or the state, in place of the object.
                b'R' | b'b' | 0x81 => self.join(2)?,
                0x85..=0x87 => self.join(usize::from(operation - 0x84))?,
                b't' => {
                    let values = self.since_mark()?;
                    self.push_many(values)?;
                }
                b'e' | b'u' => {
                    let values = self.since_mark()?;
                    self.extend(values)?;
                }
                b'a' => {
                    let value = self.pop()?;
                    self.extend(vec![value])?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.extend(vec![key, value])?;
                }
                b'q' | b'r' => {
                    let key = self.number(if operation == b'q' { 1 } else { 4 })?;
                    self.remember(key)?;
                }
                0x94 => self.remember(self.memo.len() as u64)?,
                b'h' | b'j' => {
                    let key = self.number(if operation == b'h' { 1 } else { 4 })?;
                    self.recall(key)?;
                }
                other => {
                    return Err(format!(
                        "its pickle has the operation {other:#04x}, which CIFAR-10's python version \
                         does not use; use the binary version"
                    ));
                }
            }
        }
    }

    /// Pushes bytes whose length is a number of `width` bytes.
    fn text(&mut self, width: u64) -> Result<(), String> {
        let length = self.number(width)?;
        let bytes = self.take(length)?;
        self.push(Value::Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A batch as Python 2 pickled it.
    fn batch(images: usize) -> (Vec<u8>, Vec<u8>) {
        let pixels: Vec<u8> = (0..images * IMAGE).map(|i| (i * 7 % 251) as u8).collect();
        let labels: Vec<u8> = (0..images).map(|i| (i * 3 % 10) as u8).collect();
        let mut pickle =
            b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03".to_vec();
        pickle.extend(b"U\x06labelsq\x04]q\x05(");
        labels.iter().for_each(|label| pickle.extend([b'K', *label]));
        pickle.extend(
            b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08",
        );
        pickle.extend(b"K\x00\x85q\x09U\x01bq\x0a\x87q\x0bRq\x0c(K\x01M");
        pickle.extend((images as u16).to_le_bytes());
        pickle
            .extend(b"M\x00\x0c\x86q\x0dcnumpy\ndtype\nq\x0eU\x02u1q\x0fK\x00K\x01\x87q\x10Rq\x11");
        pickle.extend(b"(K\x03U\x01|q\x12NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
        pickle.extend((pixels.len() as u32).to_le_bytes());
        pickle.extend(&pixels);
        pickle.extend(b"q\x13tbU\x09filenamesq\x14]q\x15(");
        (0..images).for_each(|i| pickle.extend(format!("U\x0dphoto_{i:03}.png").as_bytes()));
        pickle.extend(b"eu.");
        let records = labels.iter().zip(pixels.chunks(IMAGE));
        let records = records.flat_map(|(label, image)| [&[*label], image].concat()).collect();
        (pickle, records)
    }

    #[test]
    fn the_python_version_has_the_records_of_the_binary_version() {
        let (pickle, expected) = batch(3);
        assert_eq!(records(&pickle, 3).unwrap(), expected);
        assert!(records(&pickle, 4).unwrap_err().contains("4 rows of 3072 bytes"));
        assert!(records(&pickle[..pickle.len() / 2], 3).unwrap_err().contains("too early"));
        let mut wrong = pickle;
        let label = wrong.windows(2).position(|two| two == b"K\x06").unwrap();
        wrong[label + 1] = 200;
        assert!(records(&wrong, 3).unwrap_err().contains("from 0 to 9"));
    }

    #[test]
    fn hostile_pickles_need_little_memory_and_stack() {
        let nested = [&b"\x80\x02N"[..], &[0x85; 100_000], b"."].concat();
        assert!(records(&nested, 1).unwrap_err().contains("deep"));
        let many = [&b"\x80\x02"[..], &[b'N'; 1 << 20], b"."].concat();
        assert!(records(&many, 1).unwrap_err().contains("more than"));
        let code = b"\x80\x02cos\nsystem\nU\x02ls\x85R.";
        assert!(records(code, 1).unwrap_err().contains("no `data`"));
    }

    proptest! {
        #[test]
        fn mutated_files_cause_no_panic(
            changes in prop::collection::vec((0_usize..10_000, any::<u8>()), 1..8),
        ) {
            let (mut pickle, _) = batch(2);
            for (at, byte) in changes {
                let at = at % pickle.len();
                pickle[at] = byte;
            }
            drop(records(&pickle, 2));
        }

        #[test]
        fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            drop(records(&bytes, 1));
        }
    }
}
