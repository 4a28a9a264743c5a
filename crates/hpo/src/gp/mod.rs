//! Gaussian processes (Rasmussen and Williams 2006).

mod acquisition;
mod fit;
mod kernel;
mod posterior;

pub(crate) use self::{
    acquisition::{log_expected_improvement, log_normal_cdf},
    fit::fit,
    kernel::{Kernel, Matern, Rbf},
    posterior::Posterior,
};
