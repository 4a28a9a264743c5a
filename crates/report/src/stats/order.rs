//! Ranks and ties.

/// Mid-ranks, from 1; ties share the mean of their ranks.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let value = values[order[start]];
        let end =
            start + order[start..].iter().take_while(|index| values[**index] == value).count();
        let rank = (start + 1 + end) as f64 / 2.0;
        order[start..end].iter().for_each(|index| ranks[*index] = rank);
        start = end;
    }
    ranks
}

pub(super) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The sizes of the groups of equal values, those of one included.
pub(super) fn tie_sizes(values: &[f64]) -> Vec<f64> {
    sorted(values).chunk_by(|a, b| a == b).map(|ties| ties.len() as f64).collect()
}

/// `Σ (t³ − t)` over the groups of equal values: 0 without ties.
pub(super) fn tie_term(values: &[f64]) -> f64 {
    tie_sizes(values).iter().map(|t| t * t * t - t).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(ranks(&[0.0, -0.0]), [1.5, 1.5], "zeros are equal whatever their sign");
        assert_eq!(tie_term(&[3.0, 1.0, 3.0, 2.0]), 6.0);
        assert_eq!(tie_term(&[1.0, 2.0]), 0.0);
    }
}
