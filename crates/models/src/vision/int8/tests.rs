//! Networks of one calibration for every set of instructions that the processor has.

use candle_core::Tensor;

use super::{
    super::{catalog::Architecture, info::random_pixels, layers::Layer, weights::Weights},
    network::Int8Layers,
    ranges::Ranges,
    settings::Clip,
};
use crate::kernels::{bytes::ByteSet, image::channels_last};

fn network(name: &str) -> Layer {
    (Architecture::named(name).unwrap().build)(&mut Weights::random(3), 10).unwrap()
}

fn logits(layers: &Int8Layers, images: &Tensor) -> Vec<u32> {
    let logits = layers.forward(images).unwrap().flatten_all().unwrap();
    logits.to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn logits_are_the_same_for_every_set_and_number_of_threads() {
    for (name, side) in [("resnet18", 45), ("mobilenet_v2", 50), ("alexnet", 71)] {
        let layer = network(name);
        let images = random_pixels([5, 3, side, side], 4).unwrap();
        let last = channels_last(&images).unwrap();
        let ranges = Ranges::observe(&layer, &last, Clip::SquaredError).unwrap();
        let mut first: Option<Vec<u32>> = None;
        for set in ByteSet::ALL.into_iter().filter(|set| set.is_available()) {
            let layers = Int8Layers::calibrated(name, &layer, &ranges, 5, set).unwrap();
            assert_eq!(layers.summary().instructions, set.name());
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let found = pool.install(|| logits(&layers, &images));
                let first = first.get_or_insert_with(|| found.clone());
                assert_eq!(first, &found, "{name} with {set:?} and {threads} threads");
            }
        }
    }
}

/// A range that covers a rare large value represents all others less exactly.
#[test]
fn ranges_of_least_error_are_part_of_the_whole_ranges() {
    let layer = network("resnet18");
    let images = channels_last(&random_pixels([2, 3, 40, 40], 4).unwrap()).unwrap();
    let of = |clip| Ranges::observe(&layer, &images, clip).unwrap();
    let (whole, best) = (of(Clip::MinMax), of(Clip::SquaredError));
    assert_eq!(whole.steps.len(), best.steps.len());
    let pairs = whole.steps.iter().zip(&best.steps);
    assert!(pairs.clone().all(|(all, part)| part[0] >= all[0] && part[1] <= all[1]));
    assert!(pairs.clone().any(|(all, part)| part[1] < all[1]));
    assert!(pairs.clone().all(|(all, part)| part[1] >= 0.19 * all[1]));
}
