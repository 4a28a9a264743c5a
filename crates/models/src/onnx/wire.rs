//! Counts the fields of an ONNX file before they are decoded, because a field of two bytes can become a
//! message of hundreds.

/// Fields that a file may have. Each becomes at most 300 bytes.
const MOST_FIELDS: usize = 1_000_000;
/// Bytes of packed whole numbers that a file may have. Each becomes at most 8 bytes.
const MOST_PACKED: usize = 16 << 20;

/// The kind of a message.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    /// Any other message, such as a name with a type.
    Other,
}

impl Kind {
    /// The kind of the message in a field.
    fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5) => Some(Self::Tensor),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Model, 8) | (Self::Graph, 11 | 12) | (Self::Tensor, 13) => Some(Self::Other),
            _ => None,
        }
    }

    /// Whether a field holds many whole numbers.
    fn packed(self, field: u64) -> bool {
        matches!((self, field), (Self::Attribute, 8) | (Self::Tensor, 1 | 5 | 7))
    }
}

/// What has been counted.
#[derive(Default)]
struct Count {
    fields: usize,
    packed: usize,
}

/// Checks that a file is a sequence of protobuf fields, and that it does not have too many.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    message(bytes, Kind::Model, &mut Count::default())
}

fn message(mut bytes: &[u8], kind: Kind, count: &mut Count) -> Result<(), String> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        count.fields += 1;
        if count.fields > MOST_FIELDS {
            return Err(format!("it has more than {MOST_FIELDS} fields"));
        }
        let field = key >> 3;
        match key & 7 {
            0 => {
                varint(&mut bytes)?;
            }
            1 => {
                take(&mut bytes, 8)?;
            }
            2 => {
                let len = varint(&mut bytes)?;
                let inside = take(&mut bytes, len)?;
                if kind.packed(field) {
                    count.packed += inside.len();
                    if count.packed > MOST_PACKED {
                        return Err(format!(
                            "it has more than {MOST_PACKED} bytes of whole numbers outside of raw data"
                        ));
                    }
                }
                match kind.child(field) {
                    Some(child) => message(inside, child, count)?,
                    // Names, types and shapes. As a message, they have at most a field in two bytes.
                    None if matches!(kind, Kind::Other) => count.fields += inside.len() / 2,
                    None => {}
                }
            }
            5 => {
                take(&mut bytes, 4)?;
            }
            _ => return Err("it is not an ONNX model, or is damaged".to_owned()),
        }
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let [byte] = *take(bytes, 1)? else { break };
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("it is not an ONNX model, or is damaged".to_owned())
}

fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Result<&'a [u8], String> {
    let cut = usize::try_from(len).ok().and_then(|len| bytes.split_at_checked(len));
    let Some((head, rest)) = cut else {
        return Err("it is not an ONNX model, or is cut off".to_owned());
    };
    *bytes = rest;
    Ok(head)
}
