//! From measured steps to a description.

use units::Watts;

use super::{
    config::{ContinuousConfig, GenerationConfig, TokensConfig},
    law::StepLaw,
    measured::MeasuredStep,
    step_fit::{StepCalibration, StepFit, fit_steps},
    steps::{StepPowerConfig, StepsConfig},
};
use crate::{
    config::{ArrivalConfig, CountConfig},
    error::ConfigError,
};

/// A description of a server whose steps were measured, with an example of a load: chat at half of the rate
/// that the largest of the measured steps can serve.
///
/// `idle` is the power between steps, which steps do not tell; without it the description has no joules.
///
/// # Errors
/// As [`fit_steps`].
pub fn calibrated_steps(
    steps: &[MeasuredStep],
    idle: Option<Watts>,
) -> Result<(GenerationConfig, StepFit), ConfigError> {
    const PROMPT: f64 = 200.0;
    const ANSWER: f64 = 300.0;
    let fit = fit_steps(steps)?;
    let most = |value: &dyn Fn(&MeasuredStep) -> u64| steps.iter().map(value).max().unwrap_or(1);
    let tokens = most(&|step| step.tokens);
    let sequences = most(&|step| step.sequences.unwrap_or(step.tokens.min(256)));
    let fastest = steps.iter().map(|step| step.sequences.unwrap_or(1).max(1) as f64 / step.seconds);
    let fastest = fastest.fold(0.0, f64::max);
    let seconds = &fit.time;
    let table = |law: &StepLaw| -> Option<Vec<(usize, f64)>> {
        let rows = law.table.iter().map(|&(tokens, value)| (tokens as usize, value));
        (!law.table.is_empty()).then(|| rows.collect())
    };
    let steps_config = StepsConfig {
        base_s: seconds.base,
        per_token_s: seconds.per_token,
        per_sequence_s: seconds.per_sequence,
        per_context_s: seconds.per_context,
        per_pair_s: seconds.per_pair,
        table: table(seconds),
    };
    let power = fit.energy.as_ref().zip(idle).map(|(joules, idle)| StepPowerConfig {
        step_base_j: joules.base,
        step_per_token_j: joules.per_token,
        step_per_sequence_j: joules.per_sequence,
        step_per_context_j: joules.per_context,
        step_per_pair_j: joules.per_pair,
        step_table_j: table(joules),
        ..StepPowerConfig::idle(idle.0)
    });
    let rate = (fastest / ANSWER / 2.0).clamp(1e-9, 1e9);
    let mut config = GenerationConfig::new(
        ArrivalConfig::poisson(rate),
        TokensConfig::new(CountConfig::lognormal(PROMPT, 1.0), CountConfig::lognormal(ANSWER, 0.8)),
        steps_config,
        ContinuousConfig::new(sequences as usize, tokens.max(sequences) as usize),
    );
    config.power = power;
    config.calibration = Some(StepCalibration {
        steps: fit.steps,
        different: fit.different,
        seconds: fit.seconds,
        joules: fit.joules.filter(|_| config.power.is_some()),
    });
    Ok((config, fit))
}
