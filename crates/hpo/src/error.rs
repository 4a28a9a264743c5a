//! Errors of spaces, samplers and studies.

/// Why a space or a sampler cannot be built, or a study cannot answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HpoError {
    /// A space without parameters.
    #[error("the search space has no parameters; add at least one")]
    EmptySpace,
    /// A parameter whose range, scale or step is invalid.
    #[error("parameter `{name}` with range {low} to {high} {problem}")]
    Parameter {
        /// Name of the parameter.
        name: String,
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
        /// What is wrong and what to do.
        problem: &'static str,
    },
    /// A parameter whose condition does not fit the parameters before it.
    #[error("parameter `{name}` depends on `{parent}`, {problem}")]
    Condition {
        /// Name of the parameter.
        name: String,
        /// Name of the parameter it depends on.
        parent: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A constraint that cannot be parsed or applied.
    #[error("constraint `{text}`: {problem}")]
    Constraint {
        /// The constraint as written.
        text: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Constraints that no point satisfies.
    #[error(
        "no point was found that satisfies {constraints}; loosen the constraints, and replace an \
         equality between real parameters by computing one of them from the others"
    )]
    Infeasible {
        /// The constraints as written, joined by "and".
        constraints: String,
    },
    /// A name that no built-in sampler has.
    #[error("unknown sampler `{name}`; available samplers: {available}")]
    UnknownSampler {
        /// The name that was given.
        name: String,
        /// Names of all built-in samplers, separated by commas.
        available: String,
    },
    /// A setting that a sampler does not have or cannot use.
    #[error("sampler `{sampler}`: {problem}")]
    SamplerSetting {
        /// Name of the sampler.
        sampler: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A grid search that has used all its cells.
    #[error("the grid has {cells} cells, so trial {number} does not exist; ask for fewer trials")]
    GridExhausted {
        /// Number of cells.
        cells: u64,
        /// Number of the trial that was asked for, counted from 0.
        number: u32,
    },
    /// A finite space whose points were all tried, in a study that repeats none.
    #[error(
        "every configuration of the space was tried, in {trials} trials, so nothing new is left"
    )]
    SpaceExhausted {
        /// Number of trials.
        trials: usize,
    },
    /// Parameters that were given for a trial and are not a point of the space.
    #[error(
        "{parameters:?} is not a point of the space; give one value per parameter that keeps all \
         ranges, steps, conditions and constraints"
    )]
    NotAPoint {
        /// What was given.
        parameters: Vec<f64>,
    },
    /// A sampler suggested something that is not a point of the space.
    #[error(
        "the sampler suggested {parameters:?} for trial {number}, which is not a point of the \
         space; return one value per parameter, in order, that keeps all conditions and constraints"
    )]
    OutsideSpace {
        /// Number of the trial.
        number: u32,
        /// What the sampler suggested.
        parameters: Vec<f64>,
    },
    /// A restored trial that this study cannot have started.
    #[error(
        "the journal belongs to another study: trial {number} was read, expected trial {next} with \
         parameters of this study's space, or a paused trial"
    )]
    ForeignTrial {
        /// Number of the trial that was read.
        number: u32,
        /// Number of the next new trial.
        next: u32,
    },
    /// A report for a step outside the running segment.
    #[error(
        "trial {number} is running from step {from} to {until}, so step {step} cannot be reported; \
         report each step once, in order"
    )]
    Step {
        /// Number of the trial.
        number: u32,
        /// The step that was reported.
        step: u32,
        /// Steps already reported.
        from: u32,
        /// Last step of the running segment.
        until: u32,
    },
    /// A number of values that differs from the number of objectives.
    #[error("trial {number} has {given} values, expected {expected}: one per objective")]
    Objectives {
        /// Number of the trial.
        number: u32,
        /// Number of values given.
        given: usize,
        /// Number of objectives of the study.
        expected: usize,
    },
    /// A negative or non-finite cost.
    #[error("invalid cost {cost}: costs must be finite and at least 0")]
    Cost {
        /// The cost that was given.
        cost: f64,
    },
    /// A trial that was never asked for, or has already ended.
    #[error("trial {number} is not running; ask for it first, and report its result once")]
    NotRunning {
        /// Number of the trial.
        number: u32,
    },
}
