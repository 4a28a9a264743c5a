//! What several test programs need.

use std::sync::Arc;

use wattlab_hpo::{SAMPLERS, Sampler, SettingValues};

/// Every built-in sampler, with its default settings.
pub(crate) fn samplers() -> Vec<Arc<dyn Sampler>> {
    SAMPLERS.iter().map(|entry| entry.build(&SettingValues::new()).unwrap()).collect()
}

/// Those that never repeat a point while there are others.
#[allow(dead_code, reason = "not every test program has finite spaces")]
pub(crate) fn samplers_without_repeats() -> Vec<Arc<dyn Sampler>> {
    samplers().into_iter().filter(|sampler| !sampler.may_repeat()).collect()
}
