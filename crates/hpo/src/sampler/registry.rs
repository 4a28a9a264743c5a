//! The built-in samplers by name.

use super::{cma, entry::SamplerEntry, gp, grid, nsga2, paper_pi, sobol, tpe, uniform};
use crate::error::HpoError;

/// All built-in samplers. To add one, write its file and add its entry here.
pub const SAMPLERS: &[SamplerEntry] = &[
    gp::ENTRY,
    tpe::ENTRY,
    cma::ENTRY,
    nsga2::ENTRY,
    sobol::ENTRY,
    uniform::ENTRY,
    grid::ENTRY,
    paper_pi::ENTRY,
];

impl SamplerEntry {
    /// The entry of a name.
    ///
    /// # Errors
    ///
    /// If no built-in sampler has this name.
    pub fn find(name: &str) -> Result<&'static Self, HpoError> {
        SAMPLERS.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let names = SAMPLERS.iter().map(|entry| format!("`{}`", entry.name));
            let names: Vec<String> = names.collect();
            HpoError::UnknownSampler { name: name.to_owned(), available: names.join(", ") }
        })
    }
}
