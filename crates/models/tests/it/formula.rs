//! Weights and images computed by a formula, so that the results of another implementation can be compared
//! without storing any weights; and the files with those results.

use std::{fs, path::PathBuf};

use serde_json::Value;

/// A file of the shared reference data; if it does not exist, prints so and returns `None`.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let folder = std::env::var_os("WATTLAB_SHARED").map_or_else(|| default.into(), PathBuf::from);
    let found = folder.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: no `{}` (set WATTLAB_SHARED)", found.display());
    None
}

pub(crate) fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// `count` values in [-1, 1): splitmix64 of FNV-1a of the name, 24 bits each; seed 0.
pub(crate) fn uniform(name: &str, count: usize) -> Vec<f32> {
    let base = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    (0..count as u64)
        .map(|i| {
            let mut z = base.wrapping_add(i).wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            (z >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

const SMALL: [&str; 3] = ["pos_embedding", "class_token", "relative_position_bias_table"];

/// A tensor's values by its name and shape.
pub(crate) fn fill(name: &str, shape: &[usize]) -> Vec<f32> {
    let mut values = uniform(name, shape.iter().product());
    let each = |of: fn(f32) -> f32| values.iter().map(|value| of(*value)).collect();
    if name.ends_with("running_mean") {
        each(|value| 0.1 * value)
    } else if name.ends_with("running_var") {
        each(|value| 1.0 + 0.5 * value.abs())
    } else if name.ends_with("layer_scale") {
        each(|value| 0.5 + 0.1 * value)
    } else if SMALL.iter().any(|suffix| name.ends_with(suffix)) {
        each(|value| 0.02 * value)
    } else if shape.len() < 2 {
        if name.ends_with("weight") {
            each(|value| 1.0 + 0.1 * value)
        } else {
            each(|value| 0.1 * value)
        }
    } else {
        let fan_in: usize = shape[1..].iter().product();
        let gain = if shape.len() == 4 { 6.0 } else { 3.0 };
        let factor = (gain / fan_in as f64).sqrt() as f32;
        values.iter_mut().for_each(|value| *value *= factor);
        values
    }
}
