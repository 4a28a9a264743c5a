//! What calls in a pickle mean. None of them runs code.

use super::{
    machine::Pickle,
    value::{Global, NumberType, ReadResult, Storage, TensorView, Value},
};

impl Pickle {
    /// The value of a call: a tensor or a dictionary, or an opaque object.
    pub(super) fn call(&mut self, callable: Value, arguments: Value) -> ReadResult<Value> {
        let Value::List(at) = arguments else { return Ok(self.opaque(callable)) };
        let Value::Global(global) = callable else { return Ok(self.opaque(callable)) };
        // Calls of other functions may have any number of arguments.
        let items: Vec<Value> = self.lists[at].iter().copied().take(8).collect();
        Ok(match (global, &items[..]) {
            (Global::OrderedDict, []) => self.dict(),
            // Python 2 writes the pairs as the argument.
            (Global::OrderedDict, [Value::List(pairs)]) => self.pairs(*pairs)?,
            (Global::Sequence, []) => self.list(Vec::new()),
            (Global::Sequence, [list @ Value::List(_)])
            | (Global::OrderedDict, [list @ Value::Dict(_)]) => *list,
            (Global::RebuildTensor, [Value::Storage(storage), offset, shape, strides, ..]) => {
                let kind = self.storages[*storage].kind;
                self.tensor(*storage, kind, [*offset, *shape, *strides])?
            }
            (
                Global::RebuildTypedTensor,
                [
                    Value::Storage(storage),
                    offset,
                    shape,
                    strides,
                    _,
                    _,
                    Value::Global(Global::Type(kind)),
                    ..,
                ],
            ) => self.tensor(*storage, *kind, [*offset, *shape, *strides])?,
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => *tensor,
            (Global::RebuildFromType, [function, class, arguments, ..]) => {
                match self.call(*function, *arguments)? {
                    tensor @ Value::Tensor(_) => tensor,
                    _ => self.opaque(*class),
                }
            }
            _ => self.opaque(callable),
        })
    }

    /// An object that is not rebuilt.
    fn opaque(&mut self, class: Value) -> Value {
        match class {
            Value::Global(Global::Unknown(name)) => Value::Opaque(name),
            other => {
                self.texts.push(format!("{other:?}"));
                Value::Opaque(self.texts.len() - 1)
            }
        }
    }

    fn pairs(&mut self, list: usize) -> ReadResult<Value> {
        let pairs = self.lists[list].clone();
        let pairs: ReadResult<Vec<(Value, Value)>> = pairs
            .into_iter()
            .map(|pair| match self.items(pair)? {
                [key, value] => Ok((*key, *value)),
                other => Err(format!("the pickle has {} values instead of a pair", other.len())),
            })
            .collect();
        let pairs = pairs?;
        self.count(pairs.len())?;
        self.dicts.push(pairs);
        Ok(Value::Dict(self.dicts.len() - 1))
    }

    fn tensor(
        &mut self,
        storage: usize,
        kind: NumberType,
        [offset, shape, strides]: [Value; 3],
    ) -> ReadResult<Value> {
        let counts = |value: Value| -> ReadResult<Vec<usize>> {
            self.items(value)?.iter().map(|value| count(*value)).collect()
        };
        let (shape, strides) = (counts(shape)?, counts(strides)?);
        self.count(shape.len() + strides.len())?;
        self.tensors.push(TensorView { storage, kind, offset: count(offset)?, shape, strides });
        Ok(Value::Tensor(self.tensors.len() - 1))
    }

    /// Reads `("storage", kind, key, device, length)`; older files add a sixth item, which must be `None`.
    pub(super) fn storage(&mut self, identity: Value) -> ReadResult<Value> {
        let other = "the pickle has a persistent object that is not a storage";
        let items: Vec<Value> = self.items(identity)?.iter().copied().take(7).collect();
        let [tag, kind, key, _, length, view @ ..] = &items[..] else {
            // A whole module: ("module", class, source file, source).
            return Ok(self.opaque(items.get(1).copied().unwrap_or(Value::Other)));
        };
        let kind = match kind {
            Value::Global(Global::Storage(kind)) => *kind,
            Value::Global(Global::Unknown(name)) => {
                return Err(format!("storages of type `{}` cannot be read", self.texts[*name]));
            }
            _ => return Err(other.to_owned()),
        };
        if self.string(*tag)? != "storage" || !matches!(view, [] | [Value::None]) {
            return Err(other.to_owned());
        }
        let storage = Storage { key: self.string(*key)?.to_owned(), kind, length: count(*length)? };
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
