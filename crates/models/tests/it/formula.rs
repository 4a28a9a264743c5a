//! Weights and images by formula, so that another implementation's numbers can be compared without
//! shipping a weight; and where those numbers lie.

use std::{fs, path::PathBuf};

use serde_json::Value;

/// A file of the shared reference data; `None`, said visibly, where they are not at hand.
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
    let values = uniform(name, shape.iter().product());
    let each = |of: fn(f32) -> f32| values.iter().map(|it| of(*it)).collect();
    if name.ends_with("running_mean") {
        each(|it| 0.1 * it)
    } else if name.ends_with("running_var") {
        each(|it| 1.0 + 0.5 * it.abs())
    } else if name.ends_with("layer_scale") {
        each(|it| 0.5 + 0.1 * it)
    } else if SMALL.iter().any(|it| name.ends_with(it)) {
        each(|it| 0.02 * it)
    } else if shape.len() < 2 {
        if name.ends_with("weight") { each(|it| 1.0 + 0.1 * it) } else { each(|it| 0.1 * it) }
    } else {
        let fan_in: usize = shape[1..].iter().product();
        let gain = if shape.len() == 4 { 6.0 } else { 3.0 };
        let factor = (gain / fan_in as f64).sqrt() as f32;
        values.iter().map(|it| factor * it).collect()
    }
}
