//! The live cascade: a small network answers labeled images, and asks a large one where it is uncertain.

use candle_core::Tensor;
use inference_sim::CascadeRule;
use models::vision::{VisionError, VisionNetwork};

use crate::{
    confidence::{most_likely, softmax},
    images::Images,
};

/// A large network behind a small one.
pub(super) struct Escalation {
    pub(super) large: VisionNetwork,
    /// Its images, if they are prepared otherwise than the small network's.
    pub(super) images: Option<Images>,
    /// It is asked where the small network's highest probability is below this.
    pub(super) threshold: f32,
    pub(super) rule: CascadeRule,
    pub(super) labels: Vec<u32>,
    pub(super) answers: Answers,
}

/// What a live cascade answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answers {
    pub(super) images: usize,
    /// Images that were asked of the large network.
    pub(super) asked: usize,
    pub(super) right: usize,
}

impl Escalation {
    /// Forgets what was answered.
    pub(super) fn begin(&mut self) {
        self.answers = Answers::default();
    }

    /// What was answered since.
    pub(super) fn answers(&self) -> Answers {
        self.answers
    }

    /// Asks the large network for the images of a batch of which the small one is uncertain; `logits` are the small
    /// one's, `images` what it read.
    pub(super) fn ask(
        &mut self,
        requests: &[usize],
        images: &Tensor,
        logits: &Tensor,
    ) -> Result<(), VisionError> {
        let small: Vec<Vec<f32>> =
            logits.to_vec2::<f32>()?.iter().map(|row| softmax(row)).collect();
        let mut classes: Vec<(usize, f32)> = small.iter().map(|row| most_likely(row)).collect();
        let unsure: Vec<usize> =
            (0..classes.len()).filter(|&at| classes[at].1 < self.threshold).collect();
        if !unsure.is_empty() {
            let asked = match &self.images {
                Some(others) => {
                    let requests: Vec<usize> = unsure.iter().map(|&at| requests[at]).collect();
                    others.batch(&requests)?
                }
                None => {
                    let rows = unsure.iter().map(|&at| images.narrow(0, at, 1));
                    Tensor::cat(&rows.collect::<Result<Vec<_>, _>>()?, 0)?
                }
            };
            let large = self.large.forward(&asked)?.to_vec2::<f32>()?;
            for (&at, row) in unsure.iter().zip(&large) {
                let mut row = softmax(row);
                if self.rule == CascadeRule::Mean {
                    row.iter_mut().zip(&small[at]).for_each(|(value, small)| *value += small);
                }
                classes[at] = most_likely(&row);
            }
        }
        let right = |(request, class): &(&usize, &(usize, f32))| {
            self.labels.get(*request % self.labels.len().max(1)).copied()
                == u32::try_from(class.0).ok()
        };
        self.answers.images += requests.len();
        self.answers.asked += unsure.len();
        self.answers.right += requests.iter().zip(&classes).filter(right).count();
        Ok(())
    }
}
