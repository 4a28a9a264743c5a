//! Models by formula: factors that are nested, covariates, random effects, repeated measures.

mod coding;
mod fixed;
mod formula;
mod frame;
mod linear;
mod mixed;
mod orthogonal;
mod pairs;
mod parse;
mod repeated;
mod residual;
mod role;
mod symmetric;

pub use self::{
    formula::{Formula, NamedColumn, RandomEffects, Repeated, Term},
    linear::anova_by_formula,
    mixed::{FixedEffect, MixedModel, MixedTerm, RandomVariance, mixed_model},
    pairs::tukey_by_formula,
    repeated::{RepeatedMeasures, RepeatedTerm, Sphericity, repeated_measures},
    residual::{FittedRow, fitted_rows},
    role::{Role, Variable},
};
