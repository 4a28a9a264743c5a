//! Whether levels differ in practice: the Bayesian signed-rank test of `wattlab stats compare --rope`.

use std::collections::BTreeMap;

use report::stats::{self, Factor, LevelComparison, PracticalDifference, StatsError};

use super::show;
use crate::output;

/// The test of each compared pair of levels.
pub(super) fn tests(
    found: &[LevelComparison],
    response: &[f64],
    [factor, key]: [&Factor; 2],
    rope: f64,
    seed: u64,
) -> Result<Vec<PracticalDifference>, StatsError> {
    let mut values: BTreeMap<(&str, usize), f64> = BTreeMap::new();
    for (row, value) in response.iter().enumerate() {
        values.insert((factor.levels[factor.codes[row]].as_str(), key.codes[row]), *value);
    }
    let pairs = |a: &str, b: &str| -> (Vec<f64>, Vec<f64>) {
        let both = |key| values.get(&(a, key)).copied().zip(values.get(&(b, key)).copied());
        (0..key.levels.len()).filter_map(both).unzip()
    };
    found
        .iter()
        .map(|pair| {
            let (a, b) = pairs(&pair.a, &pair.b);
            stats::bayesian_signed_rank(&a, &b, rope, seed)
        })
        .collect()
}

pub(super) fn show(found: &[LevelComparison], tests: &[PracticalDifference], rope: f64) {
    output::print(&format!(
        "Bayesian signed-rank test: probabilities that a is smaller by more than {}, that a and b are equivalent, \
         and that a is larger",
        show::number(rope)
    ));
    let rows: Vec<Vec<String>> = found
        .iter()
        .zip(tests)
        .map(|(pair, test)| {
            let shares =
                [test.smaller, test.equivalent, test.larger].map(|share| show::share(share, 3));
            [pair.a.clone(), pair.b.clone()].into_iter().chain(shares).collect()
        })
        .collect();
    show::table(&["a", "b", "a smaller", "equivalent", "a larger"], 2, &rows);
}
