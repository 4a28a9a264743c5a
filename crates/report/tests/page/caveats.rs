//! The caveats of a finding follow from its runs.

use record::{Origin, RunRecord, Seconds};
use wattlab_report::{Rows, findings};

use crate::synthetic::{SMALL, records};

/// Whether each finding on batching warns that the images were random.
fn warns_of_random_images(records: &[RunRecord]) -> Vec<bool> {
    findings(&Rows::of(records))
        .iter()
        .filter(|finding| finding.id.as_str().starts_with("rq4-"))
        .map(|finding| finding.caveats.iter().any(|caveat| caveat.contains("random numbers")))
        .collect()
}

#[test]
fn queues_of_photographs_have_no_caveat_about_random_images() {
    let mut records = records(SMALL, Origin::Measured);
    assert_eq!(warns_of_random_images(&records), [true, true]);
    for record in &mut records {
        record.timing.preparing = record.timing.serving.as_ref().map(|_| Seconds(0.01));
    }
    assert_eq!(warns_of_random_images(&records), [false, false]);
}
