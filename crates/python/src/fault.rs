//! Errors of Rust as exceptions of Python.

use std::error::Error;

use hpo::HpoError;
use pyo3::{prelude::*, types::PyType};
use tuner::TunerError;

/// An error on its way to Python: the class of `wattlab.errors`, and the message.
#[derive(Debug)]
pub(crate) struct Fault {
    class: &'static str,
    message: String,
}

impl Fault {
    /// Input that cannot be used: `InputError`.
    pub(crate) fn input(error: impl Into<Box<dyn Error>>) -> Self {
        Self { class: "InputError", message: with_causes(&*error.into()) }
    }

    /// Sensors that cannot be opened: `SensorError`.
    pub(crate) fn sensor(error: &dyn Error) -> Self {
        Self { class: "SensorError", message: with_causes(error) }
    }

    /// A span or a meter that is used in the wrong order: `SpanError`.
    pub(crate) fn span(message: impl Into<String>) -> Self {
        Self { class: "SpanError", message: message.into() }
    }

    /// A study that refuses what was asked or told: `StudyError`.
    pub(crate) fn study(message: impl Into<String>) -> Self {
        Self { class: "StudyError", message: message.into() }
    }

    /// A fault of this program, such as a panic: `InternalError`.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { class: "InternalError", message: message.into() }
    }
}

impl From<TunerError> for Fault {
    fn from(error: TunerError) -> Self {
        let class = match &error {
            TunerError::Study(HpoError::GridExhausted { .. } | HpoError::SpaceExhausted { .. }) => {
                "ExhaustedError"
            }
            TunerError::Study(
                HpoError::NotRunning { .. } | HpoError::Step { .. } | HpoError::ForeignTrial { .. },
            ) => "StudyError",
            TunerError::Journal(_)
            | TunerError::NotAStudy { .. }
            | TunerError::Replay { .. }
            | TunerError::Read { .. } => "JournalError",
            _ => "InputError",
        };
        Self { class, message: with_causes(&error) }
    }
}

impl From<Fault> for PyErr {
    fn from(Fault { class, message }: Fault) -> Self {
        let message = shortened(message);
        Python::attach(|py| {
            let found = py.import("wattlab.errors").and_then(|module| module.getattr(class));
            match found.and_then(|class| Ok(class.cast_into::<PyType>()?)) {
                Ok(class) => Self::from_type(class, message),
                Err(error) => error,
            }
        })
    }
}

/// A message without its middle if it quotes a huge input.
fn shortened(message: String) -> String {
    const EACH: usize = 1500;
    let count = message.chars().count();
    if count <= 2 * EACH {
        return message;
    }
    let start: String = message.chars().take(EACH).collect();
    let end: String = message.chars().skip(count - EACH).collect();
    format!("{start} … {end}")
}

/// An error and its causes, separated by colons.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
