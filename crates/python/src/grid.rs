//! The carbon of electricity.

use meter::carbon::{Country, Intensity};
use pyo3::prelude::*;

use crate::fault::Fault;

/// The yearly mean of a country's grid: its code of three letters, its name, grams of CO₂ equivalent per
/// kilowatt-hour, and for what and by whom.
#[pyfunction]
pub(crate) fn grid_of(code: &str) -> PyResult<(&'static str, &'static str, f64, String)> {
    let country = Country::of_code(code).map_err(Fault::input)?;
    let Intensity { grams_per_kwh, scope, source, .. } =
        Intensity::of_region(code).map_err(Fault::input)?;
    Ok((country.alpha3, country.name, grams_per_kwh, format!("{scope}; {source}")))
}
