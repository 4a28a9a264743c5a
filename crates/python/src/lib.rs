//! The compiled part of the Python package `wattlab`, the module `wattlab._core`.
//!
//! Python code in `python/wattlab` makes it convenient. The boundary is small: the meter and its spans are
//! classes, because they must be fast; everything else takes and returns JSON texts.
#![forbid(unsafe_code)]

mod energy;
mod fault;
mod grid;
mod measured_span;
mod owned;
mod power_meter;
mod pruning;
mod shared_core;
mod simulation;
mod statistics;
mod study;
mod suggestion;
mod wait;

/// `wattlab._core`
#[pyo3::pymodule]
mod _core {
    #[pymodule_export]
    use crate::grid::grid_of;
    #[pymodule_export]
    use crate::measured_span::PySpan;
    #[pymodule_export]
    use crate::power_meter::PyMeter;
    #[pymodule_export]
    use crate::pruning::should_prune;
    #[pymodule_export]
    use crate::simulation::simulate;
    #[pymodule_export]
    use crate::statistics::statistic;
    #[pymodule_export]
    use crate::study::PyStudy;
    #[pymodule_export]
    use crate::suggestion::suggest;

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        use pyo3::types::PyModuleMethods as _;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
