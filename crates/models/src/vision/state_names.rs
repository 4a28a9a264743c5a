//! Fits the names of a state dict to a network.

use std::collections::{HashMap, HashSet};

use candle_core::Tensor;

use super::{error::VisionError, names::current_name};

/// Parts that wrappers of training frameworks put before the names of tensors.
const WRAPPERS: [&str; 6] = ["module", "_orig_mod", "model", "net", "network", "_forward_module"];

/// What torchvision's own state dicts, and tools that count operations, store beside the weights.
const BESIDE: [&str; 5] =
    ["num_batches_tracked", "relative_position_index", "attn_mask", "total_ops", "total_params"];

/// Heads that torchvision's published weights of `googlenet` and `inception_v3` have for training only.
const AUXILIARY: [&str; 3] = ["aux1.", "aux2.", "AuxLogits."];

/// Renames the tensors of a state dict as the network calls them: older names of torchvision become the
/// current ones, and a prefix of wrappers (`module.`, `_orig_mod.`, `model.` and combinations of them) is
/// removed if the names without it are those of the network. `required` are the network's names.
pub(super) fn fitted(
    tensors: HashMap<String, Tensor>,
    required: &HashSet<&str>,
) -> HashMap<String, Tensor> {
    let names = tensors.keys().map(|name| current_name(name.clone()));
    let prefix = best_prefix(names, required);
    let fit = |name: String| {
        let name = current_name(name);
        match name.strip_prefix(prefix.as_str()) {
            Some(rest) if required.contains(rest) || !required.contains(name.as_str()) => {
                rest.to_owned()
            }
            _ => name,
        }
    };
    tensors.into_iter().map(|(name, tensor)| (fit(name), tensor)).collect()
}

/// The prefix of wrappers without which most names are those of the network.
fn best_prefix(names: impl Iterator<Item = String>, required: &HashSet<&str>) -> String {
    let mut matches: HashMap<String, usize> = HashMap::new();
    for name in names {
        let mut at = 0;
        loop {
            if required.contains(&name[at..]) {
                *matches.entry(name[..at].to_owned()).or_default() += 1;
            }
            match name[at..].split_once('.') {
                Some((part, _)) if WRAPPERS.contains(&part) => at += part.len() + 1,
                _ => break,
            }
        }
    }
    let best = matches.into_iter().max_by_key(|(prefix, count)| (*count, prefix.is_empty()));
    best.map_or_else(String::new, |(prefix, _)| prefix)
}

/// Removes the tensors that the network does not have.
pub(super) fn without_unused(tensors: &mut HashMap<String, Tensor>, required: &HashSet<&str>) {
    tensors.retain(|name, _| required.contains(name.as_str()));
}

/// Fails if the state dict has tensors that the network does not have, as PyTorch's `load_state_dict` does:
/// they are the sign of another network's weights.
pub(super) fn check_unused(
    network: &str,
    tensors: &HashMap<String, Tensor>,
    required: &HashSet<&str>,
) -> Result<(), VisionError> {
    const NAMED: usize = 3;
    let is_known = |name: &str| {
        BESIDE.iter().any(|ending| name.ends_with(ending))
            || AUXILIARY.iter().any(|beginning| name.starts_with(beginning))
    };
    let mut unused: Vec<&str> = tensors
        .keys()
        .map(String::as_str)
        .filter(|name| !required.contains(name) && !is_known(name))
        .collect();
    if unused.is_empty() {
        return Ok(());
    }
    unused.sort_unstable();
    let count = unused.len();
    let named: Vec<String> = unused.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
    Err(VisionError::Unused {
        network: network.to_owned(),
        names: format!("{}{more}", named.join(", ")),
    })
}

/// The name in a state dict that ends with the name of a missing tensor, and what comes before it.
pub(super) fn with_prefix<'a>(
    missing: &str,
    tensors: &'a HashMap<String, Tensor>,
) -> Option<(&'a str, &'a str)> {
    let names = tensors.keys().filter_map(|name| {
        let prefix = name.strip_suffix(missing)?;
        prefix.ends_with('.').then_some((name.as_str(), prefix))
    });
    names.min()
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    fn tensors(names: &[&str]) -> HashMap<String, Tensor> {
        let tensor = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
        names.iter().map(|name| ((*name).to_owned(), tensor.clone())).collect()
    }

    #[test]
    fn prefixes_of_wrappers_are_removed() {
        let required = HashSet::from(["fc.weight", "model.0.weight"]);
        for prefix in ["", "module.", "_orig_mod.", "model.", "module._orig_mod.", "model.net."] {
            let names = [format!("{prefix}fc.weight"), format!("{prefix}model.0.weight")];
            let found = fitted(tensors(&[&names[0], &names[1]]), &required);
            assert!(required.iter().all(|name| found.contains_key(*name)), "{prefix}: {found:?}");
        }
    }

    #[test]
    fn tensors_of_another_network_are_named() {
        let required = HashSet::from(["fc.weight"]);
        let check = |names: &[&str]| check_unused("resnet18", &tensors(names), &required);
        check(&["fc.weight", "bn1.num_batches_tracked", "aux1.fc1.weight"]).unwrap();
        let text = check(&["fc.weight", "layer1.2.conv1.weight"]).unwrap_err().to_string();
        assert!(text.contains("`layer1.2.conv1.weight`") && text.contains("resnet18"), "{text}");
        let all = tensors(&["encoder.fc.weight"]);
        assert_eq!(with_prefix("fc.weight", &all), Some(("encoder.fc.weight", "encoder.")));
    }
}
