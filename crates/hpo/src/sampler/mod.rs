//! Samplers: which parameters to try next.

mod cma;
mod distribution;
mod entry;
mod gp;
mod grid;
mod interface;
mod nsga2;
mod paper_pi;
mod parzen;
mod ranking;
mod registry;
mod sobol;
mod tpe;
mod uniform;

pub use self::{
    cma::CmaEs,
    entry::{SamplerEntry, Setting, SettingValue, SettingValues},
    gp::Gp,
    grid::Grid,
    interface::{Sampler, Suggestion, suggest},
    nsga2::NsgaTwo,
    paper_pi::PaperPi,
    registry::SAMPLERS,
    sobol::Sobol,
    tpe::Tpe,
    uniform::Random,
};
