//! Softmax and cross-entropy as one operation.

/// Loss and accuracy of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entropy {
    /// Mean cross-entropy, in nats.
    pub(crate) mean: f32,
    /// Images whose label has the largest logit.
    pub(crate) correct: usize,
}

/// Index of the largest value; the first one among equals, and 0 if all are NaN.
pub(crate) fn largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] || values[best].is_nan() && !value.is_nan() {
            best = index;
        }
    }
    best
}

/// ln Σ exp(xᵢ), computed without overflow.
fn log_sum_exp(row: &[f32]) -> f64 {
    let top = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    top + row.iter().map(|logit| (f64::from(*logit) - top).exp()).sum::<f64>().ln()
}

/// Smaller gradients are set to 0. Products with them would be subnormal numbers, which processors take a
/// hundred times as long to add. They have no effect on Adam either: their squares underflow in single
/// precision, so that only ε is left in the denominator.
const NEGLIGIBLE: f64 = 1e-24;

/// Computes the loss of logits `[n][classes]` for labels `[n]`, and its gradient `(softmax − target) / n` in
/// `gradient` `[n][classes]`.
pub(crate) fn cross_entropy(
    logits: &[f32],
    classes: usize,
    labels: &[u32],
    gradient: &mut Vec<f32>,
) -> Entropy {
    gradient.clear();
    let n = labels.len() as f64;
    let (mut sum, mut correct) = (0.0, 0);
    for (row, label) in logits.chunks_exact(classes).zip(labels) {
        let label = *label as usize;
        let total = log_sum_exp(row);
        sum += total - f64::from(row[label]);
        correct += usize::from(largest(row) == label);
        gradient.extend(row.iter().enumerate().map(|(class, logit)| {
            let target = if class == label { 1.0 } else { 0.0 };
            let slope = ((f64::from(*logit) - total).exp() - target) / n;
            if slope.abs() < NEGLIGIBLE { 0.0 } else { slope as f32 }
        }));
    }
    Entropy { mean: (sum / n) as f32, correct }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_contains_no_subnormal_numbers() {
        let mut gradient = Vec::new();
        let entropy =
            cross_entropy(&[0.0, -50.0, -95.0, 0.0, -5.0, -99.0], 3, &[0, 1], &mut gradient);
        assert!(entropy.mean > 2.0);
        assert!(gradient.iter().all(|slope| *slope == 0.0 || slope.abs() > 1e-25), "{gradient:?}");
        assert!(gradient[1] > 0.0, "e⁻⁵⁰ is not negligible: {gradient:?}");
    }

    #[test]
    fn the_largest_value_is_the_first_of_equals_and_never_nan() {
        assert_eq!(largest(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(largest(&[f32::NAN, -1.0, -2.0]), 1);
        assert_eq!(largest(&[f32::NAN, f32::NAN]), 0);
    }
}
