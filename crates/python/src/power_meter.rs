//! The class `Meter`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use pyo3::{exceptions::PyTypeError, prelude::*};
use serde_json::{Value, json};

use crate::{
    energy::span_json,
    fault::Fault,
    measured_span::PySpan,
    owned::Owned,
    shared_core::{Core, Settings},
    wait::wait_for,
};

/// Measures the energy of spans of work; see `wattlab.Meter`.
#[pyclass(frozen, subclass, module = "wattlab._core", name = "Meter", weakref)]
pub(crate) struct PyMeter(Arc<Core>);

#[pymethods]
impl PyMeter {
    #[new]
    #[pyo3(signature = (
        *, interval=0.1, sysfs=None, procfs=None, plugins=Vec::new(), offered=Vec::new(), attribute=false,
        estimate=true, estimate_memory=false, estimate_gpus=false, keep=100_000,
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        py: Python<'_>,
        interval: f64,
        sysfs: Option<PathBuf>,
        procfs: Option<PathBuf>,
        plugins: Vec<PathBuf>,
        offered: Vec<PathBuf>,
        attribute: bool,
        estimate: bool,
        estimate_memory: bool,
        estimate_gpus: bool,
        keep: usize,
    ) -> PyResult<Self> {
        let within = (0.001..=3600.0).contains(&interval);
        let wrong = || format!("`interval` is {interval}; expected 0.001 to 3600 seconds");
        let interval = within.then(|| Duration::from_secs_f64(interval)).ok_or_else(wrong);
        let settings = Settings {
            interval: interval.map_err(Fault::input)?,
            sysfs,
            procfs,
            plugins,
            offered,
            attribute,
            estimate,
            estimate_memory,
            estimate_gpus,
        };
        let opened = settings.clone();
        let meter = Owned::new(wait_for(py, move || opened.open())?);
        Ok(Self(Arc::new(Core::new(py, settings, meter, keep)?)))
    }

    /// A span of this name, for a `with` block or as a decorator.
    fn span(&self, name: String) -> PySpan {
        PySpan::new(Arc::clone(&self.0), name)
    }

    /// Begins a span that `span.end()` ends, where a `with` block does not fit.
    fn begin(&self, py: Python<'_>, name: String) -> PyResult<Py<PySpan>> {
        let span = Bound::new(py, self.span(name))?;
        PySpan::begin(&span, false)?;
        Ok(span.unbind())
    }

    /// Stops reading. Spans that are open can still end.
    fn close(&self) {
        self.0.close();
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.0.is_closed()
    }

    fn __exit__(
        &self,
        _class: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> bool {
        self.close();
        false
    }

    /// Measures the idle power for some seconds; a JSON text, `null` if nothing can be read.
    fn idle_json(&self, py: Python<'_>, seconds: f64) -> PyResult<String> {
        if !(seconds > 0.0 && seconds <= 86_400.0) {
            let text = format!("`seconds` is {seconds}; expected above 0, up to 86400");
            return Err(Fault::input(text).into());
        }
        let meter = self.0.open()?;
        let idle = wait_for(py, move || Ok(meter.idle(Duration::from_secs_f64(seconds))))?;
        let idle = idle.map(|idle| {
            json!({
                "duration_s": idle.duration.0, "mean_w": idle.mean.0, "spread_w": idle.spread.0,
                "origin": idle.origin.word(),
            })
        });
        Ok(Value::from(idle).to_string())
    }

    /// The last power of each channel, a JSON text.
    fn readings_json(&self, py: Python<'_>) -> PyResult<String> {
        let meter = self.0.open()?;
        let readings = py.detach(|| {
            meter.sample();
            meter.readings()
        });
        let reading = |reading: &meter::Reading| {
            json!({
                "domain": reading.channel.domain.word(), "device": reading.channel.device,
                "probe": reading.channel.probe, "method": reading.channel.method.word(),
                "origin": reading.channel.method.origin().word(), "at_s": reading.at.0,
                "joules": reading.joules.0, "watts": reading.watts.map(|watts| watts.0),
                "in_total": reading.in_total,
            })
        };
        Ok(Value::from(readings.iter().map(reading).collect::<Vec<_>>()).to_string())
    }

    /// Every probe and why it is not available, a JSON text.
    fn probes_json(&self) -> PyResult<String> {
        let meter = self.0.open()?;
        let probe = |status: &meter::ProbeStatus| {
            json!({
                "probe": status.probe, "available": status.available, "reason": status.reason,
                "remedy": status.remedy, "channels": status.channels.len(),
            })
        };
        Ok(Value::from(meter.probes().iter().map(probe).collect::<Vec<_>>()).to_string())
    }

    /// The spans that ended, a JSON text: the latest ones, and how many there were.
    fn report_json(&self) -> String {
        let (ended, count) = self.0.ended();
        let spans = ended.iter().map(|ended| span_json(ended));
        json!({ "spans": spans.collect::<Vec<_>>(), "count": count }).to_string()
    }

    /// CPU seconds that the meter itself has used.
    #[getter]
    fn own_cpu(&self) -> PyResult<f64> {
        Ok(self.0.open()?.own_cpu().0)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a meter cannot be pickled; make one in each process, and pass on `meter.report()`",
        ))
    }
}
