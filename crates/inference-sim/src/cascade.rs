//! Cascades: a small network answers first, and a large one when the small one is not confident.

use serde::{Deserialize, Serialize};

/// What a small and a large network said about one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CascadeAnswer {
    /// The small network's probability of its most likely class, in [0, 1].
    pub confidence: f64,
    /// Whether the small network is right.
    pub small: bool,
    /// Whether the large network is right.
    pub large: bool,
    /// Whether the most likely class by the mean of both networks' probabilities is right.
    pub mean: bool,
}

/// Who answers if the small network is not confident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CascadeRule {
    /// The large network.
    Large,
    /// Both, by the mean of their probabilities.
    Mean,
}

/// A cascade with a threshold on some images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CascadePoint {
    /// Who answers if the small network is not confident.
    pub rule: CascadeRule,
    /// The large network is asked below this confidence.
    pub threshold: f64,
    /// The share of the images for which it is asked.
    pub escalated: f64,
    /// The share of right answers.
    pub accuracy: f64,
    /// The mean cost of an image, in the unit of the networks' costs.
    pub cost: f64,
}

impl CascadeAnswer {
    fn escalated(&self, rule: CascadeRule) -> bool {
        match rule {
            CascadeRule::Large => self.large,
            CascadeRule::Mean => self.mean,
        }
    }

    /// Whether the cascade is right.
    #[must_use]
    pub fn is_right(&self, rule: CascadeRule, threshold: f64) -> bool {
        if self.confidence < threshold { self.escalated(rule) } else { self.small }
    }
}

/// A cascade on these images; `costs` are those of an image of the small and the large network. All
/// shares are NaN without images.
#[must_use]
pub fn cascade(
    answers: &[CascadeAnswer],
    costs: [f64; 2],
    rule: CascadeRule,
    threshold: f64,
) -> CascadePoint {
    let images = answers.len() as f64;
    let share = |holds: &dyn Fn(&CascadeAnswer) -> bool| {
        answers.iter().filter(|answer| holds(answer)).count() as f64 / images
    };
    let escalated = share(&|answer| answer.confidence < threshold);
    CascadePoint {
        rule,
        threshold,
        escalated,
        accuracy: share(&|answer| answer.is_right(rule, threshold)),
        cost: costs[0] + escalated * costs[1],
    }
}

/// The cascades with every threshold that makes a difference on these images, from the one that never
/// asks the large network to the one that always does: by rising cost.
#[must_use]
pub fn cascade_thresholds(
    answers: &[CascadeAnswer],
    costs: [f64; 2],
    rule: CascadeRule,
) -> Vec<CascadePoint> {
    let mut sorted: Vec<CascadeAnswer> = answers.to_vec();
    sorted.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
    let images = sorted.len() as f64;
    let mut right = sorted.iter().filter(|answer| answer.small).count() as i64;
    let mut points = Vec::new();
    for (asked, answer) in sorted.iter().enumerate() {
        let is_new = asked == 0 || sorted[asked - 1].confidence < answer.confidence;
        if is_new {
            let escalated = asked as f64 / images;
            points.push(CascadePoint {
                rule,
                threshold: answer.confidence,
                escalated,
                accuracy: right as f64 / images,
                cost: costs[0] + escalated * costs[1],
            });
        }
        right += i64::from(answer.escalated(rule)) - i64::from(answer.small);
    }
    if !sorted.is_empty() {
        points.push(cascade(&sorted, costs, rule, f64::INFINITY));
    }
    points
}

/// Of all thresholds and rules, the cheapest cascade that has at least this accuracy on these images;
/// `None` if none has.
#[must_use]
pub fn cheapest_cascade(
    answers: &[CascadeAnswer],
    costs: [f64; 2],
    accuracy: f64,
) -> Option<CascadePoint> {
    [CascadeRule::Large, CascadeRule::Mean]
        .into_iter()
        .flat_map(|rule| cascade_thresholds(answers, costs, rule))
        .filter(|point| point.accuracy >= accuracy)
        .min_by(|a, b| a.cost.total_cmp(&b.cost).then(b.accuracy.total_cmp(&a.accuracy)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(confidence: f64, small: bool, large: bool, mean: bool) -> CascadeAnswer {
        CascadeAnswer { confidence, small, large, mean }
    }

    #[test]
    fn the_cheapest_cascade_asks_as_rarely_as_it_can() {
        let answers = [
            answer(0.3, false, true, true),
            answer(0.5, false, false, true),
            answer(0.7, true, false, true),
            answer(0.9, true, true, true),
        ];
        let costs = [1.0, 4.0];
        let found = cheapest_cascade(&answers, costs, 0.75).unwrap();
        assert_eq!((found.threshold, found.escalated, found.cost), (0.5, 0.25, 2.0));
        let all = cheapest_cascade(&answers, costs, 1.0).unwrap();
        assert_eq!((all.rule, all.threshold, all.escalated), (CascadeRule::Mean, 0.7, 0.5));
        // Always asking costs both networks.
        let always = cascade(&answers, costs, CascadeRule::Large, f64::INFINITY);
        assert_eq!((always.accuracy, always.cost), (0.5, 5.0));
        assert_eq!(cheapest_cascade(&answers[..2], costs, 1.1), None);
        assert!(cascade_thresholds(&[], costs, CascadeRule::Large).is_empty());
    }

    proptest! {
        /// The points of all thresholds are those of each threshold alone, also where confidences are equal.
        #[test]
        fn every_threshold_has_the_figures_of_its_cascade(
            rows in prop::collection::vec((0_u8..6, any::<[bool; 3]>()), 1..40),
        ) {
            let answers: Vec<CascadeAnswer> = rows
                .iter()
                .map(|&(confidence, [small, large, mean])| {
                    answer(f64::from(confidence) / 6.0, small, large, mean)
                })
                .collect();
            for rule in [CascadeRule::Large, CascadeRule::Mean] {
                let points = cascade_thresholds(&answers, [1.0, 3.0], rule);
                prop_assert!(points.windows(2).all(|pair| pair[0].cost < pair[1].cost));
                for point in points {
                    let alone = cascade(&answers, [1.0, 3.0], rule, point.threshold);
                    prop_assert!((point.accuracy - alone.accuracy).abs() < 1e-12);
                    prop_assert!((point.cost - alone.cost).abs() < 1e-12);
                }
            }
        }
    }
}
