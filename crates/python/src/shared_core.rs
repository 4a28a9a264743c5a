//! What a meter and its spans share: what is read, and the spans that ended.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use meter::{Estimator, Meter};
use pyo3::{exceptions::PyValueError, prelude::*, sync::PyOnceLock};

use crate::{energy::Ended, fault::Fault, owned::Owned, wait::guarded};

/// What a meter reads. A fork opens the same again.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) interval: Duration,
    pub(crate) sysfs: Option<PathBuf>,
    pub(crate) procfs: Option<PathBuf>,
    pub(crate) plugins: Vec<PathBuf>,
    pub(crate) offered: Vec<PathBuf>,
    pub(crate) attribute: bool,
    pub(crate) estimate: bool,
    pub(crate) estimate_memory: bool,
    pub(crate) estimate_gpus: bool,
}

impl Settings {
    pub(crate) fn open(&self) -> Result<Meter, Fault> {
        let mut builder = Meter::builder().interval(self.interval);
        if let Some(path) = &self.sysfs {
            builder = builder.sysfs(path);
        }
        if let Some(path) = &self.procfs {
            builder = builder.procfs(path);
        }
        for path in &self.plugins {
            builder = builder.plugin(path);
        }
        for path in &self.offered {
            builder = builder.offer_plugin(path);
        }
        for (wanted, add) in [
            (self.attribute, meter::Builder::attribute as fn(_) -> _),
            (self.estimate_memory, meter::Builder::estimate_memory as fn(_) -> _),
            (self.estimate_gpus, meter::Builder::estimate_gpus as fn(_) -> _),
        ] {
            if wanted {
                builder = add(builder);
            }
        }
        if !self.estimate {
            builder = builder.estimator(Estimator::none());
        }
        guarded(|| builder.start().map_err(|error| Fault::sensor(&error)))
    }
}

struct Inner {
    /// `None` once it is closed.
    meter: Option<Owned<Meter>>,
    /// The latest spans that ended.
    ended: VecDeque<Arc<Ended>>,
    /// Number of spans that ended.
    count: u64,
}

/// The parts of a meter.
pub(crate) struct Core {
    settings: Settings,
    /// Number of spans that are remembered.
    keep: usize,
    /// The current span: a `contextvars.ContextVar`.
    current: Py<PyAny>,
    inner: Mutex<Inner>,
}

impl Core {
    pub(crate) fn new(
        py: Python<'_>,
        settings: Settings,
        meter: Owned<Meter>,
        keep: usize,
    ) -> PyResult<Self> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let class = CLASS.import(py, "contextvars", "ContextVar")?;
        let current = class.call1(("wattlab-span",))?.unbind();
        let inner = Inner { meter: Some(meter), ended: VecDeque::new(), count: 0 };
        Ok(Self { settings, keep, current, inner: Mutex::new(inner) })
    }

    /// Only held for a moment and with the interpreter's lock, so a fork finds it free.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The meter of this process. A fork opens one of its own, without the spans of its parent.
    pub(crate) fn open(&self) -> Result<Meter, Fault> {
        let mut inner = self.inner();
        let Some(owned) = &inner.meter else {
            return Err(Fault::span("the meter is closed; make another one"));
        };
        if let Some(meter) = owned.get() {
            return Ok(meter.clone());
        }
        let meter = self.settings.open()?;
        inner.meter = Some(Owned::new(meter.clone()));
        inner.ended.clear();
        inner.count = 0;
        Ok(meter)
    }

    pub(crate) fn begin(&self, py: Python<'_>, name: &str) -> PyResult<meter::Span> {
        let meter = self.open()?;
        let begin = || guarded(|| Ok(meter.span(name)));
        Ok(if meter.may_wait() { py.detach(begin) } else { begin() }?)
    }

    /// Whether the ends of a span may wait.
    pub(crate) fn may_wait(&self) -> bool {
        self.inner().meter.as_ref().and_then(Owned::get).is_none_or(Meter::may_wait)
    }

    pub(crate) fn keep(&self, ended: Arc<Ended>) {
        let mut inner = self.inner();
        inner.count += 1;
        inner.ended.push_back(ended);
        if inner.ended.len() > self.keep {
            inner.ended.pop_front();
        }
    }

    /// The latest spans that ended, and how many there were.
    pub(crate) fn ended(&self) -> (Vec<Arc<Ended>>, u64) {
        let inner = self.inner();
        if inner.meter.as_ref().is_some_and(|meter| !meter.is_ours()) {
            return (Vec::new(), 0);
        }
        (inner.ended.iter().cloned().collect(), inner.count)
    }

    pub(crate) fn close(&self) {
        let meter = self.inner().meter.take();
        drop(meter);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner().meter.is_none()
    }

    /// The current span of this thread or task, or None.
    pub(crate) fn current<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.current.bind(py).call_method1("get", (py.None(),))
    }

    /// Makes a span the current one; returns the token that [`Core::leave`] takes.
    pub(crate) fn enter<'py>(&self, span: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.current.bind(span.py()).call_method1("set", (span,))
    }

    /// Makes the span before the current one.
    pub(crate) fn leave(&self, token: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = token.py();
        match self.current.bind(py).call_method1("reset", (token,)) {
            // The token is of another context: of a generator that is closed elsewhere.
            Err(error) if error.is_instance_of::<PyValueError>(py) => Ok(()),
            other => other.map(drop),
        }
    }
}
