//! Names of tensors in older files.

/// The current name of a tensor in an older torchvision file. torchvision renames the same tensors when it
/// loads its files: `denselayer1.norm.1.weight` becomes `denselayer1.norm1.weight` in DenseNet, and
/// `mlp.linear_1.weight` becomes `mlp.0.weight` in transformers.
pub(super) fn current_name(name: String) -> String {
    let mut parts: Vec<&str> = name.split('.').collect();
    for at in 1..parts.len() {
        match (parts[at - 1], parts[at]) {
            ("mlp", "linear_1") => parts[at] = "0",
            ("mlp", "linear_2") => parts[at] = "3",
            _ => {}
        }
    }
    let joined = parts.windows(3).position(|parts| {
        parts[0].starts_with("denselayer")
            && ["norm", "conv"].contains(&parts[1])
            && ["1", "2"].contains(&parts[2])
    });
    match joined {
        Some(at) => {
            let (before, after) = (parts[..=at].join("."), parts[at + 3..].join("."));
            format!("{before}.{}{}.{after}", parts[at + 1], parts[at + 2])
        }
        None => parts.join("."),
    }
}

#[cfg(test)]
mod tests {
    use super::current_name;

    #[test]
    fn old_names_are_renamed_and_current_ones_kept() {
        for (old, new) in [
            (
                "features.denseblock1.denselayer12.norm.1.running_mean",
                "features.denseblock1.denselayer12.norm1.running_mean",
            ),
            (
                "features.denseblock4.denselayer1.conv.2.weight",
                "features.denseblock4.denselayer1.conv2.weight",
            ),
            (
                "encoder.layers.encoder_layer_3.mlp.linear_2.bias",
                "encoder.layers.encoder_layer_3.mlp.3.bias",
            ),
            ("features.norm.1.weight", "features.norm.1.weight"),
            ("layer1.0.conv1.weight", "layer1.0.conv1.weight"),
        ] {
            assert_eq!(current_name(old.to_owned()), new);
            assert_eq!(current_name(new.to_owned()), new);
        }
    }
}
