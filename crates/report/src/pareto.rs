//! The Pareto front of choices with a cost and a gain.

/// A choice: what it costs, and what it gains.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TradeOff {
    /// Cost, such as joules; less is better.
    pub cost: f64,
    /// Gain, such as accuracy; more is better.
    pub gain: f64,
}

/// The choices that no other choice beats in both cost and gain.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ParetoFront {
    /// Indices of its members, by rising cost and gain.
    pub members: Vec<usize>,
    /// Share of the rectangle between the worst and the best cost and gain that is dominated, in
    /// [0, 1]: the hypervolume (Zitzler and Thiele 1999) with the worst values as reference point;
    /// `None` if cost or gain does not vary.
    pub hypervolume: Option<f64>,
    /// The member farthest above the line from the cheapest to the best, both axes scaled to [0, 1]
    /// (Das 1999); `None` if there is none above it.
    pub knee: Option<usize>,
}

impl ParetoFront {
    /// The front of some choices; a choice that is not finite is never a member.
    #[must_use]
    pub fn of(trades: &[TradeOff]) -> Self {
        let finite = |trade: &TradeOff| trade.cost.is_finite() && trade.gain.is_finite();
        let mut order: Vec<usize> =
            (0..trades.len()).filter(|index| finite(&trades[*index])).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&trades[*a], &trades[*b]);
            a.cost.total_cmp(&b.cost).then(b.gain.total_cmp(&a.gain))
        });
        let mut members: Vec<usize> = Vec::new();
        for at in &order {
            if members.last().is_none_or(|last| trades[*at].gain > trades[*last].gain) {
                members.push(*at);
            }
        }
        let all: Vec<TradeOff> = order.iter().map(|index| trades[*index]).collect();
        let frontier: Vec<TradeOff> = members.iter().map(|member| trades[*member]).collect();
        let knee = knee(&frontier).map(|knee| members[knee]);
        Self { hypervolume: hypervolume(&all, &frontier), knee, members }
    }

    /// Cost per unit of gain of each step along the front, from one member to the next.
    #[must_use]
    pub fn prices(&self, trades: &[TradeOff]) -> Vec<f64> {
        let step = |pair: &[usize]| {
            let (from, to) = (trades[pair[0]], trades[pair[1]]);
            (to.cost - from.cost) / (to.gain - from.gain)
        };
        self.members.windows(2).map(step).collect()
    }
}

fn hypervolume(all: &[TradeOff], frontier: &[TradeOff]) -> Option<f64> {
    let costliest = all.iter().map(|trade| trade.cost).reduce(f64::max)?;
    let least = all.iter().map(|trade| trade.gain).reduce(f64::min)?;
    let (first, last) = (frontier.first()?, frontier.last()?);
    let rectangle = (costliest - first.cost) * (last.gain - least);
    let mut below = least;
    let mut area = 0.0;
    for member in frontier {
        area += (costliest - member.cost) * (member.gain - below);
        below = member.gain;
    }
    (rectangle > 0.0).then(|| area / rectangle)
}

fn knee(frontier: &[TradeOff]) -> Option<usize> {
    let (first, last) = (frontier.first()?, frontier.last()?);
    let above = |trade: &TradeOff| {
        let cost = (trade.cost - first.cost) / (last.cost - first.cost);
        (trade.gain - first.gain) / (last.gain - first.gain) - cost
    };
    let inner = frontier.iter().enumerate().map(|(at, trade)| (at, above(trade)));
    inner.filter(|(_, above)| *above > 1e-9).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trades(pairs: &[(f64, f64)]) -> Vec<TradeOff> {
        pairs.iter().map(|(cost, gain)| TradeOff { cost: *cost, gain: *gain }).collect()
    }

    #[test]
    fn front_knee_prices_and_hypervolume_of_a_small_example() {
        let trades =
            trades(&[(1.0, 0.0), (2.0, 6.0), (3.0, 5.0), (5.0, 8.0), (5.0, 8.0), (f64::NAN, 9.0)]);
        let found = ParetoFront::of(&trades);
        assert_eq!(found.members, [0, 1, 3]);
        assert_eq!(found.prices(&trades), [1.0 / 6.0, 1.5]);
        assert_eq!(found.knee, Some(1));
        // 3 · 6 of 4 · 8; what costs as much as the costliest adds nothing.
        assert_eq!(found.hypervolume, Some(18.0 / 32.0));
    }

    #[test]
    fn one_choice_has_a_front_and_no_hypervolume() {
        let one = ParetoFront::of(&trades(&[(1.0, 1.0)]));
        assert_eq!((one.members.len(), one.hypervolume, one.knee), (1, None, None));
        assert_eq!(ParetoFront::of(&[]).members, Vec::<usize>::new());
    }

    proptest! {
        #[test]
        fn nothing_beats_a_member_and_something_beats_the_rest(
            pairs in prop::collection::vec((0..20_i32, 0..20_i32), 1..30)
        ) {
            let pairs: Vec<(f64, f64)> =
                pairs.into_iter().map(|(a, b)| (f64::from(a), f64::from(b))).collect();
            let trades = trades(&pairs);
            let found = ParetoFront::of(&trades);
            let beats = |a: &TradeOff, b: &TradeOff| a.cost <= b.cost && a.gain >= b.gain && a != b;
            for (at, trade) in trades.iter().enumerate() {
                let same = || found.members.iter().any(|member| trades[*member] == *trade);
                let beaten = trades.iter().any(|other| beats(other, trade));
                prop_assert_eq!(beaten, !same());
                prop_assert!(!beaten || !found.members.contains(&at));
            }
            prop_assert!(found.hypervolume.is_none_or(|share| (0.0..=1.0).contains(&share)));
        }
    }
}
