//! Samplers: which parameters to try next.

mod entry;
mod gp;
mod grid;
mod interface;
mod paper_pi;
mod parzen;
mod registry;
mod sobol;
mod tpe;
mod uniform;

pub use self::{
    entry::{SamplerEntry, Setting, SettingValue, SettingValues},
    gp::Gp,
    grid::Grid,
    interface::{Sampler, Suggestion, suggest},
    paper_pi::PaperPi,
    registry::SAMPLERS,
    sobol::Sobol,
    tpe::Tpe,
    uniform::Random,
};
