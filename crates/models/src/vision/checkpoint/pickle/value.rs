//! The values of a pickle.

/// A result, or the problem with the pickle in words.
pub(in super::super) type ReadResult<T> = Result<T, String>;

/// A value on the stack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A number or bytes that cannot be part of a tensor's description, such as a float.
    Other,
    /// The number that PyTorch's files without a zip archive begin with.
    Magic,
    /// Index in [`super::Pickle::texts`].
    Text(usize),
    /// Index in [`super::Pickle::lists`]; tuples and sets are lists too.
    List(usize),
    /// Index in [`super::Pickle::dicts`].
    Dict(usize),
    Global(Global),
    /// Index in [`super::Pickle::storages`].
    Storage(usize),
    /// Index in [`super::Pickle::tensors`].
    Tensor(usize),
    /// An object that is not rebuilt: index of its class's name in [`super::Pickle::texts`].
    Opaque(usize),
    Mark,
}

/// A function or class that a pickle names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Global {
    OrderedDict,
    /// `torch._utils._rebuild_tensor` and its second version.
    RebuildTensor,
    /// The third version, whose storage has bytes and whose last arguments contain the type of number.
    RebuildTypedTensor,
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2`: a function, a class, the function's arguments, and a state.
    RebuildFromType,
    Storage(NumberType),
    /// A type of numbers, such as `torch.float32`.
    Type(NumberType),
    /// `torch.Size`, `set` and others whose only argument is the value.
    Sequence,
    /// Any other: index of its full name in [`super::Pickle::texts`]. It is never called.
    Unknown(usize),
}

/// The type of a storage's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum NumberType {
    F64,
    F32,
    F16,
    Bf16,
    /// Numbers that no weight of ours consists of (integers, booleans, complex and quantized numbers), with
    /// their number of bytes.
    Unused(u8),
}

/// An array of numbers in the file.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Storage {
    /// Name of the storage in the file.
    pub(in super::super) key: String,
    pub(in super::super) kind: NumberType,
    /// How many numbers it has.
    pub(in super::super) length: usize,
}

/// A tensor, as a view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct TensorView {
    /// Index in [`super::Pickle::storages`].
    pub(in super::super) storage: usize,
    /// The type of its numbers, which the storage may not know.
    pub(in super::super) kind: NumberType,
    /// Index of its first number in the storage.
    pub(in super::super) offset: usize,
    pub(in super::super) shape: Vec<usize>,
    pub(in super::super) strides: Vec<usize>,
}

impl Global {
    /// What a name means; `None` for names that mean nothing here.
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") | ("__builtin__" | "builtins", "dict") => {
                Self::OrderedDict
            }
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::RebuildTypedTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Self::RebuildParameter
            }
            ("torch._tensor", "_rebuild_from_type_v2") => Self::RebuildFromType,
            ("torch", "Size")
            | ("__builtin__" | "builtins", "set" | "frozenset" | "list" | "tuple") => {
                Self::Sequence
            }
            ("torch" | "torch.cuda" | "torch.storage", name) => {
                match name.strip_suffix("Storage") {
                    Some(stored) => Self::Storage(NumberType::of_storage(stored)?),
                    None => Self::Type(NumberType::of_type(name)?),
                }
            }
            _ => return None,
        })
    }
}

impl NumberType {
    /// The type of a storage by its name without `Storage`.
    fn of_storage(name: &str) -> Option<Self> {
        Some(match name {
            "Double" => Self::F64,
            "Float" => Self::F32,
            "Half" => Self::F16,
            "BFloat16" => Self::Bf16,
            "ComplexDouble" => Self::Unused(16),
            "Long" | "ComplexFloat" => Self::Unused(8),
            "Int" | "QInt32" => Self::Unused(4),
            "Short" => Self::Unused(2),
            "Char" | "Byte" | "Bool" | "QInt8" | "QUInt8" | "QUInt4x2" | "QUInt2x4" | "Untyped" => {
                Self::Unused(1)
            }
            _ => return None,
        })
    }

    /// The type by PyTorch's name, such as `float32`.
    fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "float64" | "double" => Self::F64,
            "float32" | "float" => Self::F32,
            "float16" | "half" => Self::F16,
            "bfloat16" => Self::Bf16,
            "complex128" => Self::Unused(16),
            "int64" | "uint64" | "complex64" | "long" => Self::Unused(8),
            "int32" | "uint32" | "complex32" => Self::Unused(4),
            "int16" | "uint16" => Self::Unused(2),
            "int8" | "uint8" | "bool" => Self::Unused(1),
            name if name.starts_with("float8_") || name.starts_with("float4_") => Self::Unused(1),
            _ => return None,
        })
    }

    /// Bytes of a number.
    pub(in super::super) fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Unused(bytes) => bytes.into(),
        }
    }
}
