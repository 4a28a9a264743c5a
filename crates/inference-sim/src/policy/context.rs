//! What a policy may know beforehand.

use crate::{power::BatchEnergy, service::ServiceLaw};

/// One watt while serving: joules rank batches as seconds do.
static ONE_WATT: BatchEnergy = BatchEnergy::power(1.0);

/// What a policy may know of its queue before the first request arrives.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PolicyContext<'a> {
    /// The number of the model whose requests it batches: 0 for the first of the description, from
    /// 1 for its `models`.
    pub model: usize,
    /// Mean arrival rate, in requests per second and server.
    pub rate: f64,
    /// How long a batch takes.
    pub law: &'a ServiceLaw,
    /// The energy of a batch; proportional to its time if the description has no powers.
    pub energy: &'a BatchEnergy,
    /// Power of a server that serves nothing, in watts; 0 if the description has no powers.
    pub idle_w: f64,
}

impl<'a> PolicyContext<'a> {
    /// The first model, without powers.
    #[must_use]
    pub fn new(rate: f64, law: &'a ServiceLaw) -> Self {
        Self { model: 0, rate, law, energy: &ONE_WATT, idle_w: 0.0 }
    }

    /// The same with the energy of a batch and the power of an idle server, in watts.
    #[must_use]
    pub fn with_energy(self, energy: &'a BatchEnergy, idle_w: f64) -> Self {
        Self { energy, idle_w, ..self }
    }
}
