//! What a classifier's logits say, and how sure it is.

/// The probabilities of the classes.
pub(crate) fn softmax(logits: &[f32]) -> Vec<f32> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - top).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The first class with the largest value, and the value.
pub(crate) fn most_likely(row: &[f32]) -> (usize, f32) {
    row.iter().copied().enumerate().fold((0, f32::NEG_INFINITY), |best, (class, value)| {
        if value > best.1 { (class, value) } else { best }
    })
}
