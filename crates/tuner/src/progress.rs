//! How far a study has come.

use hpo::{ProgressPoint, Trial, progress};

use crate::OpenStudy;

impl OpenStudy {
    /// The value of each trial, the best value so far and the cost so far, in the order of the trials and in the
    /// sign of the client: of a study that minimizes, the best value is the smallest.
    #[must_use]
    pub fn progress(&self) -> Vec<ProgressPoint> {
        let trials: Vec<Trial> = self.trials().cloned().collect();
        let mut points = progress(&trials);
        if self.minimizes() {
            // `hpo` maximizes the negative value.
            for point in &mut points {
                point.value = point.value.map(|value| -value);
                point.best = point.best.map(|best| -best);
            }
        }
        points
    }
}
