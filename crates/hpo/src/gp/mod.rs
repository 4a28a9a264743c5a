//! Gaussian processes (Rasmussen and Williams 2006).

mod acquisition;
mod dense;
mod fit;
mod kernel;
mod lbfgs;
mod posterior;
mod process;
mod thin;
mod warp;

pub(crate) use self::{
    acquisition::{
        expected_improvement, log_expected_improvement, log_expected_improvement_slope,
        log_normal_cdf,
    },
    dense::{cholesky, forward},
    fit::{fit, fit_from, fit_plain, fit_staged},
    lbfgs::minimize,
    posterior::Posterior,
    process::{Observations, Process},
    thin::{Fitted, thin},
    warp::Warped,
};
