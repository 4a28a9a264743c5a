//! A reader of Python's pickles (protocols 0 to 5, described in `pickletools.py`), as far as files of tensors
//! need it.
//!
//! A pickle is a program for a stack machine that can call any function by name. This machine calls nothing:
//! functions that rebuild tensors, storages and ordered dictionaries are implemented here, and the result of any
//! other call is an opaque object that has the name of its class and nothing else. Values refer to each other by
//! index, so that no file can make them large, deeply nested or cyclic in memory.

mod bytes;
mod call;
mod machine;
mod value;

pub(super) use self::{
    machine::Pickle,
    value::{NumberType, ReadResult, Storage, TensorView, Value},
};
