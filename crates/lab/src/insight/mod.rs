//! What searches say about their parameters: computed by `hpo` from their trials, and handed to
//! `report` as plain data.

mod learned;
mod searches;

use hpo::{Parameter, Scale, Space, importance, partial_dependence};
use report::{Function, SearchParameter, TrialPoint};

pub(crate) use self::learned::{Learned, cost};
pub use self::searches::of_searches;

/// Importance needs at least this many trials per parameter, and in all. (A leaf of the forest holds
/// three trials.)
const PER_PARAMETER: usize = 4;
const LEAST: usize = 10;

/// Trials of one function that gave a value.
struct Trials {
    /// Number of trials that gave a value.
    count: usize,
    /// Parameters of the trials that are used, including inactive ones.
    points: Vec<Vec<f64>>,
    /// The same trials as figures show them.
    shown: Vec<TrialPoint>,
}

/// What trials say about one function or, with too few of them, why they say nothing.
fn function(
    name: &str,
    Trials { count, points, shown }: Trials,
    space: &Space,
    seed: u64,
    places: usize,
) -> Function {
    let mut function =
        Function { name: name.to_owned(), count, trials: shown, ..Function::default() };
    let least = LEAST.max(PER_PARAMETER * space.dimensions());
    let seen = function.trials.len();
    if seen < least {
        function.silence = Some(format!(
            "{seen} trials have a value and all parameters, and {} parameters need at least {least}",
            space.dimensions()
        ));
        return function;
    }
    let values: Vec<f64> = function.trials.iter().map(|trial| trial.value).collect();
    let Some(found) = importance(space, &points, &values, seed) else {
        function.silence = Some(format!("all {seen} trials gave the same value"));
        return function;
    };
    function.importance = Some(found);
    function.dependence = partial_dependence(space, &points, &values, places).unwrap_or_default();
    function
}

/// A parameter as figures show it.
fn parameter(of: &Parameter, name: String, choices: Vec<String>) -> SearchParameter {
    SearchParameter {
        name,
        low: of.low,
        high: of.high,
        is_log: matches!(of.scale, Scale::Log),
        choices,
    }
}
