//! A span as a context manager and as a decorator.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meter::Energy;
use pyo3::{
    exceptions::{PyGeneratorExit, PyTypeError},
    prelude::*,
    sync::PyOnceLock,
    types::{PyDict, PyType},
};

use crate::{
    energy::{Ended, by_domain, span_json},
    fault::Fault,
    owned::Owned,
    shared_core::Core,
    wait::guarded,
};

enum State {
    New,
    Open {
        span: Owned<meter::Span>,
        path: String,
        token: Option<Py<PyAny>>,
        thread: String,
    },
    Ending,
    Ended(Arc<Ended>),
    /// It began in a process and ended in another one, a fork of it.
    Elsewhere,
}

/// A stretch of work whose energy is measured: `with meter.span("epoch") as span: ...`.
#[pyclass(frozen, module = "wattlab", name = "Span", weakref)]
pub(crate) struct PySpan {
    core: Arc<Core>,
    /// As it was given.
    own_name: String,
    /// The span that was open around it when it began.
    around: PyOnceLock<Py<Self>>,
    state: Mutex<State>,
}

impl PySpan {
    pub(crate) fn new(core: Arc<Core>, own_name: String) -> Self {
        Self { core, own_name, around: PyOnceLock::new(), state: Mutex::new(State::New) }
    }

    /// Only held for a moment and with the interpreter's lock, so a fork finds it free.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of the spans around it, and its own.
    fn path(&self) -> String {
        match &*self.state() {
            State::Open { path, .. } => path.clone(),
            State::Ended(ended) => ended.report.name.clone(),
            _ => self.own_name.clone(),
        }
    }

    /// The first of a span and those around it that is open. Where spans do not end in the reverse order of
    /// their beginnings, as those of generators, the current one may have ended.
    fn innermost_open(mut span: Option<Bound<'_, Self>>) -> Option<Bound<'_, Self>> {
        while let Some(found) = &span {
            if matches!(&*found.get().state(), State::Open { .. }) {
                break;
            }
            span = found.get().around.get(found.py()).map(|around| around.bind(found.py()).clone());
        }
        span
    }

    /// Begins the span inside the current one of its meter. `scoped`: it becomes the current one.
    pub(crate) fn begin(slf: &Bound<'_, Self>, scoped: bool) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        if !matches!(&*this.state(), State::New) {
            return Err(Fault::span(format!(
                "span `{}` has begun already; make a new one with `meter.span(..)`",
                this.own_name
            ))
            .into());
        }
        let around = Self::innermost_open(this.core.current(py)?.cast_into::<Self>().ok());
        let path = match &around {
            Some(around) => format!("{}/{}", around.get().path(), this.own_name),
            None => this.own_name.clone(),
        };
        if let Some(around) = around {
            // It begins once, so nothing is there.
            let _ = this.around.set(py, around.unbind());
        }
        let thread = std::thread::current();
        let thread = match thread.name() {
            Some(name) => name.to_owned(),
            None => format!("{:?}", thread.id()),
        };
        let token = if scoped { Some(this.core.enter(slf.as_any())?) } else { None };
        match this.core.begin(py, &path) {
            Ok(span) => {
                let (span, token) = (Owned::new(span), token.map(Bound::unbind));
                *this.state() = State::Open { span, path, token, thread };
                Ok(())
            }
            Err(error) => {
                token.map_or(Ok(()), |token| this.core.leave(&token))?;
                Err(error)
            }
        }
    }

    /// Ends the span.
    pub(crate) fn finish(slf: &Bound<'_, Self>, error: Option<String>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let (span, token, thread) = {
            let mut state = this.state();
            match std::mem::replace(&mut *state, State::Ending) {
                State::Open { span, token, thread, .. } => (span, token, thread),
                other => {
                    let problem = match other {
                        State::New => "has not begun",
                        _ => "has ended already",
                    };
                    *state = other;
                    return Err(Fault::span(format!("span `{}` {problem}", this.own_name)).into());
                }
            }
        };
        let report = match span.take() {
            Some(span) if this.core.may_wait() => py.detach(|| guarded(|| Ok(Some(span.end())))),
            Some(span) => guarded(|| Ok(Some(span.end()))),
            None => Ok(None),
        };
        if let Some(token) = token {
            this.core.leave(token.bind(py))?;
        }
        let ended =
            report.map(|report| report.map(|report| Arc::new(Ended { report, error, thread })));
        *this.state() = match &ended {
            Ok(Some(ended)) => State::Ended(Arc::clone(ended)),
            _ => State::Elsewhere,
        };
        if let Some(ended) = ended? {
            this.core.keep(ended);
        }
        Ok(())
    }

    /// Looks at the report; `None` for a span that ended in a fork of its process.
    fn read<T>(&self, look: impl FnOnce(&Ended) -> T) -> PyResult<Option<T>> {
        let ended = match &*self.state() {
            State::Ended(ended) => Arc::clone(ended),
            State::Elsewhere => return Ok(None),
            _ => {
                return Err(Fault::span(format!(
                    "span `{}` has not ended; read it after its `with` block",
                    self.own_name
                ))
                .into());
            }
        };
        Ok(Some(look(&ended)))
    }

    fn total(&self) -> PyResult<Option<Energy>> {
        Ok(self.read(|ended| ended.report.total)?.flatten())
    }
}

#[pymethods]
impl PySpan {
    fn __enter__(slf: &Bound<'_, Self>) -> PyResult<Py<Self>> {
        Self::begin(slf, true)?;
        Ok(slf.clone().unbind())
    }

    fn __exit__(
        slf: &Bound<'_, Self>,
        class: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        // A generator that its consumer leaves early has not failed.
        let is_failure = !class.is_none() && !error.is_instance_of::<PyGeneratorExit>();
        let text = is_failure.then(|| described(class, error));
        Self::finish(slf, text)?;
        Ok(false)
    }

    /// A span of the same meter and name that has not begun.
    fn another(&self) -> Self {
        Self::new(Arc::clone(&self.core), self.own_name.clone())
    }

    /// Ends a span that `meter.begin` began. Returns the span.
    #[pyo3(signature = (error=None))]
    fn end(slf: &Bound<'_, Self>, error: Option<String>) -> PyResult<Py<Self>> {
        Self::finish(slf, error)?;
        Ok(slf.clone().unbind())
    }

    /// Measures each call of a function in a span of this name.
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wrap = slf.py().import("wattlab._decorate")?.getattr("measured")?;
        wrap.call1((slf, function))
    }

    /// The path: its own name after those of the spans that contain it.
    #[getter]
    fn name(&self) -> String {
        self.path()
    }

    /// Joules, of devices that do not overlap; `None` if nothing could be read.
    #[getter]
    fn joules(&self) -> PyResult<Option<f64>> {
        Ok(self.total()?.map(|total| total.joules.0))
    }

    /// Half-width of the 95 % interval of `joules`.
    #[getter]
    fn uncertainty(&self) -> PyResult<Option<f64>> {
        Ok(self.total()?.map(|total| total.uncertainty.0))
    }

    /// `measured`, `estimated` or `mixed`; `None` without joules.
    #[getter]
    fn origin(&self) -> PyResult<Option<&'static str>> {
        Ok(self.total()?.map(|total| total.origin.word()))
    }

    /// Length in seconds.
    #[getter]
    fn duration(&self) -> PyResult<Option<f64>> {
        self.read(|ended| ended.report.duration.0)
    }

    /// The exception that ended the span, as `ValueError: text`; else `None`.
    #[getter]
    fn error(&self) -> PyResult<Option<String>> {
        Ok(self.read(|ended| ended.error.clone())?.flatten())
    }

    /// Reasons to doubt the joules.
    #[getter]
    fn warnings(&self) -> PyResult<Vec<String>> {
        let texts = self.read(|ended| {
            ended.report.warnings.iter().map(|warning| warning.text.clone()).collect()
        })?;
        let elsewhere = || {
            vec![
                "the span began in the process that this one was forked from, which measures it"
                    .to_owned(),
            ]
        };
        Ok(texts.unwrap_or_else(elsewhere))
    }

    /// Energy by domain: `{"cpu-package": Energy(..), "dram": ..}`.
    #[getter]
    fn by_domain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = self.read(|ended| by_domain(&ended.report))?.unwrap_or_default();
        let class = py.import("wattlab._energy")?.getattr("Energy")?;
        let domains = PyDict::new(py);
        for (word, energy) in found {
            let (joules, uncertainty) = (energy.joules.0, energy.uncertainty.0);
            domains.set_item(word, class.call1((joules, uncertainty, energy.origin.word()))?)?;
        }
        Ok(domains)
    }

    /// The whole report as a JSON text.
    fn json(&self) -> PyResult<Option<String>> {
        self.read(|ended| span_json(ended).to_string())
    }

    /// The whole report as a dictionary; None for a span that ended in a fork of its process.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = self.json()?.unwrap_or_else(|| "null".to_owned());
        py.import("json")?.call_method1("loads", (text,))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a span cannot be pickled; pass on `span.to_dict()`, which is plain data",
        ))
    }

    fn __repr__(&self) -> String {
        match &*self.state() {
            State::Ended(ended) => format!("<Span {}>", ended.report),
            State::New => format!("<Span {}: not begun>", self.own_name),
            State::Elsewhere => format!("<Span {}: of another process>", self.own_name),
            _ => format!("<Span {}: open>", self.own_name),
        }
    }
}

/// An exception as `ValueError: text`, the text shortened to a line.
fn described(class: &Bound<'_, PyAny>, error: &Bound<'_, PyAny>) -> String {
    const MOST: usize = 500;
    let class = class.cast::<PyType>().ok().and_then(|class| class.name().ok());
    let class = class.map_or_else(|| "exception".to_owned(), |name| name.to_string());
    let text = error.str().map(|text| text.to_string()).unwrap_or_default();
    let text: String = text.lines().next().unwrap_or_default().chars().take(MOST).collect();
    if text.is_empty() { class } else { format!("{class}: {text}") }
}
