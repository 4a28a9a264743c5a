//! Tensors of ONNX files as candle tensors: floats of any width become float32, whole numbers int64, and
//! truth values uint8.

use std::{
    io::{Read, Seek, SeekFrom},
    path::{Component, Path},
};

use candle_core::{DType, Device, Tensor};

use super::proto::TensorProto;

/// Most values of a tensor in a file.
const MOST_VALUES: usize = 1 << 31;

/// The number of values of a shape. No candle operation overflows for a shape that this accepts.
pub(super) fn count(dims: &[usize]) -> Option<usize> {
    // An axis of size 0 must not hide an overflow of the strides.
    dims.iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size.max(&1)))
        .filter(|count| *count <= MOST_VALUES)?;
    Some(dims.iter().product())
}

/// An element type as ONNX numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    U8,
    I8,
    U16,
    I16,
    I32,
    I64,
    Bool,
    F16,
    F64,
    U32,
    U64,
    Bf16,
}

impl Element {
    pub(super) fn of(number: i64) -> Result<Self, String> {
        Ok(match number {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            4 => Self::U16,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            12 => Self::U32,
            13 => Self::U64,
            16 => Self::Bf16,
            other => {
                return Err(format!(
                    "element type {other} is not supported, expected floats, whole numbers or truth values"
                ));
            }
        })
    }

    /// Bytes of a value.
    fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::I64 | Self::F64 | Self::U64 => 8,
        }
    }

    /// The type of candle's tensor.
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::F32 | Self::F16 | Self::F64 | Self::Bf16 => DType::F32,
            Self::Bool => DType::U8,
            _ => DType::I64,
        }
    }
}

/// The values of a tensor; those in another file are read from the folder of the model.
pub(super) fn tensor(proto: &TensorProto, folder: &Path) -> Result<Tensor, String> {
    let element = Element::of(proto.data_type.into())?;
    let dims: Vec<usize> = proto
        .dims
        .iter()
        .map(|size| usize::try_from(*size).map_err(|_| format!("an axis has size {size}")))
        .collect::<Result<_, _>>()?;
    let values =
        count(&dims).ok_or_else(|| format!("shape {dims:?} has more than {MOST_VALUES} values"))?;
    let kept;
    let raw: &[u8] = if proto.data_location == 1 {
        kept = external(proto, folder, values * element.size())?;
        &kept
    } else {
        &proto.raw_data
    };
    if raw.is_empty() && values > 0 {
        return listed(proto, element, &dims, values);
    }
    if raw.len() != values * element.size() {
        return Err(format!(
            "shape {dims:?} needs {} bytes, found {}",
            values * element.size(),
            raw.len()
        ));
    }
    let made = match element {
        Element::F32 => floats(raw, &dims, f32::from_le_bytes),
        Element::F64 => floats(raw, &dims, |bytes| f64::from_le_bytes(bytes) as f32),
        Element::F16 => floats(raw, &dims, |bytes| half(u16::from_le_bytes(bytes))),
        Element::Bf16 => {
            floats(raw, &dims, |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16))
        }
        Element::Bool => {
            let values: Vec<u8> = raw.iter().map(|byte| u8::from(*byte != 0)).collect();
            Tensor::from_vec(values, dims, &Device::Cpu)
        }
        Element::U8 => wholes(raw, &dims, |[byte]| byte.into()),
        Element::I8 => wholes(raw, &dims, |[byte]: [u8; 1]| byte.cast_signed().into()),
        Element::U16 => wholes(raw, &dims, |bytes| u16::from_le_bytes(bytes).into()),
        Element::I16 => wholes(raw, &dims, |bytes| i16::from_le_bytes(bytes).into()),
        Element::U32 => wholes(raw, &dims, |bytes| u32::from_le_bytes(bytes).into()),
        Element::I32 => wholes(raw, &dims, |bytes| i32::from_le_bytes(bytes).into()),
        Element::I64 | Element::U64 => wholes(raw, &dims, i64::from_le_bytes),
    };
    made.map_err(|error| error.to_string())
}

fn floats<const N: usize>(
    raw: &[u8],
    dims: &[usize],
    of: impl Fn([u8; N]) -> f32,
) -> candle_core::Result<Tensor> {
    let values: Vec<f32> = raw.as_chunks::<N>().0.iter().map(|bytes| of(*bytes)).collect();
    Tensor::from_vec(values, dims, &Device::Cpu)
}

fn wholes<const N: usize>(
    raw: &[u8],
    dims: &[usize],
    of: impl Fn([u8; N]) -> i64,
) -> candle_core::Result<Tensor> {
    let values: Vec<i64> = raw.as_chunks::<N>().0.iter().map(|bytes| of(*bytes)).collect();
    Tensor::from_vec(values, dims, &Device::Cpu)
}

/// A half-precision number.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    }
}

/// The values of a tensor that lists them one by one.
fn listed(
    proto: &TensorProto,
    element: Element,
    dims: &[usize],
    values: usize,
) -> Result<Tensor, String> {
    let found = match element {
        Element::F32 => proto.float_data.len(),
        Element::F64 => proto.double_data.len(),
        Element::I64 => proto.int64_data.len(),
        Element::U32 | Element::U64 => 0,
        _ => proto.int32_data.len(),
    };
    if found != values {
        return Err(format!("shape {dims:?} needs {values} values, found {found}"));
    }
    let dims = dims.to_vec();
    let ints = || proto.int32_data.iter();
    let cpu = &Device::Cpu;
    let made = match element {
        Element::F32 => Tensor::from_vec(proto.float_data.clone(), dims, cpu),
        Element::F64 => {
            let values: Vec<f32> = proto.double_data.iter().map(|value| *value as f32).collect();
            Tensor::from_vec(values, dims, cpu)
        }
        Element::F16 => {
            let values: Vec<f32> = ints().map(|value| half(*value as u16)).collect();
            Tensor::from_vec(values, dims, cpu)
        }
        Element::Bf16 => {
            let values: Vec<f32> =
                ints().map(|value| f32::from_bits((*value as u32) << 16)).collect();
            Tensor::from_vec(values, dims, cpu)
        }
        Element::I64 => Tensor::from_vec(proto.int64_data.clone(), dims, cpu),
        Element::Bool => {
            let values: Vec<u8> = ints().map(|value| u8::from(*value != 0)).collect();
            Tensor::from_vec(values, dims, cpu)
        }
        _ => {
            let values: Vec<i64> = ints().map(|value| (*value).into()).collect();
            Tensor::from_vec(values, dims, cpu)
        }
    };
    made.map_err(|error| error.to_string())
}

/// Values in another file, which must be in the folder of the model.
fn external(proto: &TensorProto, folder: &Path, bytes: usize) -> Result<Vec<u8>, String> {
    let entry = |key: &str| {
        proto.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    };
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(text) => text
            .parse::<u64>()
            .map(Some)
            .map_err(|_| format!("`{key}` of its external data is `{text}`, expected a number")),
    };
    let location = entry("location").ok_or("its external data have no `location`")?;
    let inside = Path::new(location).components().all(|part| matches!(part, Component::Normal(_)));
    let refused = || {
        format!("its values are in `{location}`, expected a file in the folder of the ONNX file")
    };
    if !inside || location.is_empty() {
        return Err(refused());
    }
    let path = folder.join(location);
    let fail =
        |error: std::io::Error| format!("failed to read its values from `{location}`: {error}");
    let (real, home) = (path.canonicalize().map_err(fail)?, folder.canonicalize().map_err(fail)?);
    if !real.starts_with(home) {
        return Err(refused());
    }
    if let Some(length) = number("length")?
        && length != bytes as u64
    {
        return Err(format!("it needs {bytes} bytes of `{location}`, which gives it {length}"));
    }
    let offset = number("offset")?.unwrap_or(0);
    let mut file = units::open_regular(&real).map_err(fail)?;
    let about = file.metadata().map_err(fail)?;
    let end = offset.checked_add(bytes as u64);
    if !about.is_file() || end.is_none_or(|end| end > about.len()) {
        return Err(format!(
            "it needs {bytes} bytes from byte {offset} of `{location}` on, which has {} bytes",
            about.len()
        ));
    }
    file.seek(SeekFrom::Start(offset)).map_err(fail)?;
    let mut values = vec![0; bytes];
    file.read_exact(&mut values).map_err(fail)?;
    Ok(values)
}
