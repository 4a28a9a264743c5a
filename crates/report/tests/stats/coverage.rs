//! Intervals of effect sizes in simulated data, of which the true effects are known.

use wattlab_report::stats::{self, Factor, SumsOfSquares};

/// Normal numbers from a seed, by Box and Muller's method.
struct Normal(u64);

impl Normal {
    fn uniform(&mut self) -> f64 {
        // SplitMix64 (Steele, Lea and Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

/// A balanced design with main effects. `levels` and the standard deviation of each factor's effect, in units
/// of the error's; repeats of each cell.
fn covered(levels: &[usize], effects: &[f64], repeats: usize, seed: u64) -> [f64; 3] {
    const STUDIES: usize = 2000;
    let cells: usize = levels.iter().product();
    let code = |cell: usize, at: usize| cell / levels[..at].iter().product::<usize>() % levels[at];
    // Equally spaced effects of mean 0 and the wanted standard deviation.
    let effect = |at: usize, code: usize| {
        let centered = |code: usize| code as f64 - (levels[at] - 1) as f64 / 2.0;
        let squares: f64 = (0..levels[at]).map(|code| centered(code).powi(2)).sum();
        effects[at] * centered(code) / (squares / levels[at] as f64).sqrt()
    };
    let factors: Vec<Factor> = (0..levels.len())
        .map(|at| {
            let rows = (0..cells * repeats).map(|row| code(row % cells, at).to_string());
            Factor::new(&format!("f{at}"), rows)
        })
        .collect();
    let explained: f64 = effects.iter().map(|effect| effect * effect).sum();
    let share = effects[0] * effects[0] / (explained + 1.0);
    let partial = effects[0] * effects[0] / (effects[0] * effects[0] + 1.0);
    let mut normal = Normal(seed);
    let mut hits = [0_usize; 3];
    for _ in 0..STUDIES {
        let response: Vec<f64> = (0..cells * repeats)
            .map(|row| {
                let of_factors = (0..levels.len()).map(|at| effect(at, code(row % cells, at)));
                of_factors.sum::<f64>() + normal.next()
            })
            .collect();
        let found = stats::anova(&response, &factors, SumsOfSquares::TypeIII).unwrap();
        let sizes = found.effect_intervals(0, 0.95).unwrap().unwrap();
        let inside = [
            sizes.eta_sq.contains(share),
            sizes.partial_eta_sq.contains(partial),
            sizes.omega_sq.contains(share),
        ];
        hits.iter_mut().zip(inside).for_each(|(hits, inside)| *hits += usize::from(inside));
    }
    hits.map(|hits| hits as f64 / STUDIES as f64)
}

#[test]
fn intervals_of_effect_sizes_cover_the_true_share() {
    for (levels, effects, repeats) in [
        (&[3][..], &[0.5][..], 10),
        (&[4], &[1.0], 5),
        (&[2, 3], &[0.5, 1.0], 5),
        (&[3, 2], &[0.8, 0.4], 4),
        (&[2, 2, 3], &[0.4, 1.5, 0.6], 3),
        (&[3, 2, 2], &[0.7, 0.2, 0.3], 4),
    ] {
        let shares = covered(levels, effects, repeats, 7);
        for (size, share) in ["η²", "partial η²", "ω²"].into_iter().zip(shares) {
            assert!((0.93..=0.975).contains(&share), "{levels:?} {effects:?}, {size}: {share}");
        }
    }
}
