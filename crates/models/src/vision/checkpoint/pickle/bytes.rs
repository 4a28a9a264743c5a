//! The arguments of a pickle's instructions.

use super::value::{ReadResult, Value};

const SHORT: &str = "the pickle ends too early";

/// PyTorch's magic number, `0x1950a86a20f9469cfc6c`, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Removes bytes from the front.
pub(super) fn take<'a>(from: &mut &'a [u8], count: usize) -> ReadResult<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(count).ok_or(SHORT)?;
    *from = rest;
    Ok(taken)
}

fn array<const N: usize>(from: &mut &[u8]) -> ReadResult<[u8; N]> {
    take(from, N)?.try_into().map_err(|_| SHORT.to_owned())
}

/// A little-endian number of that many bytes (1, 2, 4 or 8) without a sign.
pub(super) fn unsigned(from: &mut &[u8], bytes: usize) -> ReadResult<usize> {
    let mut all = [0; 8];
    all[..bytes].copy_from_slice(take(from, bytes)?);
    usize::try_from(u64::from_le_bytes(all)).map_err(|_| SHORT.to_owned())
}

/// A little-endian number of four bytes with a sign.
pub(super) fn signed(from: &mut &[u8]) -> ReadResult<i64> {
    Ok(i32::from_le_bytes(array(from)?).into())
}

/// Bytes after their number, which itself has `width` bytes.
pub(super) fn counted<'a>(from: &mut &'a [u8], width: usize) -> ReadResult<&'a [u8]> {
    let length = unsigned(from, width)?;
    take(from, length)
}

/// Text after its number of bytes.
pub(super) fn text<'a>(from: &mut &'a [u8], width: usize) -> ReadResult<&'a str> {
    std::str::from_utf8(counted(from, width)?)
        .map_err(|_| "the pickle has a text that is not UTF-8".to_owned())
}

/// The bytes up to the next line break.
pub(super) fn line<'a>(from: &mut &'a [u8]) -> ReadResult<&'a str> {
    let end = from.iter().position(|byte| *byte == b'\n').ok_or(SHORT)?;
    let line = &take(from, end + 1)?[..end];
    std::str::from_utf8(line).map_err(|_| "the pickle has a name that is not UTF-8".to_owned())
}

/// The number of a line, such as `12` or `12L`. A boolean is `01` or `00`.
pub(super) fn decimal(from: &mut &[u8]) -> ReadResult<Value> {
    Ok(match line(from)? {
        "00" => Value::Bool(false),
        "01" => Value::Bool(true),
        text => text.trim_end_matches('L').parse().map_or(Value::Other, Value::Int),
    })
}

/// An index in a line.
pub(super) fn index(from: &mut &[u8]) -> ReadResult<usize> {
    line(from)?.parse().map_err(|_| "the pickle has an index that is not a number".to_owned())
}

/// An integer of any number of bytes; one of more than 8 bytes becomes [`Value::Other`].
pub(super) fn long(bytes: &[u8]) -> Value {
    if bytes == MAGIC {
        return Value::Magic;
    }
    if bytes.len() > 8 {
        return Value::Other;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 > 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(all))
}
