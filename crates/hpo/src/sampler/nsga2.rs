//! A genetic algorithm for several objectives.

use std::sync::Arc;

use super::{
    entry::{SamplerEntry, Setting, SettingValue},
    interface::{Sampler, Suggestion},
    ranking::{Ranked, ranking},
};
use crate::{
    error::HpoError,
    random::RandomStream,
    search::SearchState,
    space::{Parameter, ParameterKind},
};

/// NSGA-II (Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm"), one trial at a
/// time: its parents are won in tournaments among the best trials so far, by non-dominated fronts and
/// crowding distance. They are crossed (simulated binary crossover) and mutated (polynomial mutation);
/// categories are exchanged and redrawn.
///
/// Because there are no generations to wait for, any number of workers may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NsgaTwo {
    /// Trials that may become parents, and random trials before the first child; at least 4.
    population: usize,
}

const POPULATION: u64 = 32;

pub(super) const ENTRY: SamplerEntry = SamplerEntry::new(
    "nsga2",
    "a genetic algorithm, for several objectives and hundreds of trials",
    &[Setting::new(
        "population",
        "number of trials that may become parents",
        SettingValue::Count(POPULATION),
    )],
    |settings| {
        let population = match settings.get("population") {
            Some(SettingValue::Count(count)) => *count,
            _ => POPULATION,
        };
        Ok(Arc::new(NsgaTwo::new(population)?))
    },
);

/// The share of children with genes of two parents.
const CROSSED: f64 = 0.9;
/// How close children stay to their parents, in crossover and in mutation.
const CROSSOVER_INDEX: f64 = 10.0;
const MUTATION_INDEX: f64 = 20.0;
/// Children drawn before a random point is tried instead.
const DRAWS: usize = 64;

impl NsgaTwo {
    /// A sampler with this many possible parents.
    ///
    /// # Errors
    ///
    /// If there are fewer than 4 or more than 10,000.
    pub fn new(population: u64) -> Result<Self, HpoError> {
        if !(4..=10_000).contains(&population) {
            return Err(HpoError::SamplerSetting {
                sampler: ENTRY.name.to_owned(),
                problem: format!(
                    "setting `population` is {population}, expected a whole number from 4 to 10000"
                ),
            });
        }
        Ok(Self { population: population as usize })
    }
}

impl Default for NsgaTwo {
    fn default() -> Self {
        Self { population: POPULATION as usize }
    }
}

impl Sampler for NsgaTwo {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        let space = search.space;
        // Failed trials are never parents, but count as tried.
        let mut ranked = ranking(search, self.population);
        ranked.truncate(self.population);
        let ended = search.trials.iter().filter(|trial| trial.segment().is_none()).count();
        if ended < self.population || ranked.len() < 2 {
            return Ok(space.spread(search.seed, "initial", search.number).into());
        }
        let mut random = search.random("nsga2");
        let children = (0..DRAWS).map(|_| {
            let [a, b] = [0, 1].map(|_| space.places(tournament(&ranked, &mut random)));
            space.at(&child(&a, &b, space.parameters(), &mut random))
        });
        let mut children = children.filter(|point| space.allows(point) && !search.tried(point));
        Ok(children.next().unwrap_or_else(|| search.uniform()).into())
    }
}

/// The better one of two trials drawn at random.
fn tournament<'a>(ranked: &[Ranked<'a>], random: &mut RandomStream) -> &'a [f64] {
    let [a, b] = [0, 1].map(|_| (random.unit() * ranked.len() as f64) as usize);
    let key = |index: usize| (ranked[index].front, -ranked[index].crowding);
    let (first, second) = (key(a), key(b));
    let wins = first.0 < second.0 || (first.0 == second.0 && first.1 <= second.1);
    ranked[if wins { a } else { b }].point
}

fn child(a: &[f64], b: &[f64], parameters: &[Parameter], random: &mut RandomStream) -> Vec<f64> {
    let crossed = random.unit() < CROSSED;
    let rate = 1.0 / parameters.len() as f64;
    let gene = |((a, b), parameter): ((&f64, &f64), &Parameter)| {
        let [exchanged, spread, mutated, change] = [0; 4].map(|_| random.unit());
        let is_category = parameter.kind == ParameterKind::Categorical;
        let place = match crossed {
            false => *a,
            true if is_category => {
                if exchanged < 0.5 {
                    *a
                } else {
                    *b
                }
            }
            true => cross(*a, *b, exchanged, spread),
        };
        match mutated < rate {
            false => place,
            true if is_category => change,
            true => mutate(place, change),
        }
    };
    a.iter().zip(b).zip(parameters).map(gene).collect()
}

/// Simulated binary crossover (Deb and Agrawal 1995): one of the two children, which lie around their
/// parents as far apart as a polynomial distribution says. Half of all genes are not crossed.
fn cross(a: f64, b: f64, exchanged: f64, spread: f64) -> f64 {
    let (a, b) = if exchanged < 0.5 { (a, b) } else { (b, a) };
    let side = spread * 2.0 % 1.0;
    if spread < 0.5 {
        return a;
    }
    let power = 1.0 / (CROSSOVER_INDEX + 1.0);
    let factor = if side <= 0.5 {
        (2.0 * side).powf(power)
    } else {
        (0.5 / (1.0 - side).max(1e-12)).powf(power)
    };
    (0.5 * ((1.0 + factor) * a + (1.0 - factor) * b)).clamp(0.0, 1.0)
}

/// Polynomial mutation within [0, 1] (Deb and Goyal 1996).
fn mutate(place: f64, change: f64) -> f64 {
    let power = 1.0 / (MUTATION_INDEX + 1.0);
    let step = if change < 0.5 {
        let rest = (1.0 - place).powf(MUTATION_INDEX + 1.0);
        (2.0 * change + (1.0 - 2.0 * change) * rest).powf(power) - 1.0
    } else {
        let rest = place.powf(MUTATION_INDEX + 1.0);
        1.0 - (2.0 * (1.0 - change) + (2.0 * change - 1.0) * rest).powf(power)
    };
    (place + step).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::{cross, mutate};

    #[test]
    fn children_are_in_the_cube_and_their_mean_is_that_of_the_parents() {
        let (mut sum, mut moved, mut count) = (0.0, 0.0, 0.0);
        for i in 0..100 {
            for j in 0..100 {
                let [u, v] = [i, j].map(|k| (f64::from(k) + 0.5) / 100.0);
                let (child, mutant) = (cross(0.4, 0.5, u, v), mutate(u, v));
                assert!((0.0..=1.0).contains(&child) && (0.0..=1.0).contains(&mutant));
                sum += child;
                moved += mutate(0.5, v) - 0.5;
                count += 1.0;
            }
        }
        assert!((sum / count - 0.45).abs() < 1e-3, "{}", sum / count);
        assert!((moved / count).abs() < 1e-9, "{}", moved / count);
    }
}
