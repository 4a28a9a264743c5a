//! Laws of the queue, and cases with a closed form.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use record::{Arrivals, BatchPolicy, Serving};
use wattlab_inference_sim::{
    ArrivalError, Control, LiveError, Modeled, Policy, Virtual, arrivals, serve,
};

fn run(times: &[f64], policy: BatchPolicy, base: f64, each: f64) -> Serving {
    let clock = Virtual::default();
    let mut server = Modeled::new(clock.clone(), base, each);
    serve(times, policy.into(), &mut server, &clock, &mut || Control::Continue).unwrap()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// D/D/1 with full batches of b at rate f and service s < b/f: a request waits for those behind it,
/// (b − 1) / 2f on average, and is answered s later.
#[test]
fn full_batches_of_even_arrivals_wait_as_theory_says() {
    let times = arrivals(&Arrivals { rate: 10.0, jitter: 0.0, requests: 1600 }, 1).unwrap();
    let serving = run(&times, BatchPolicy::Fixed(16), 0.2, 0.01);
    assert_eq!(serving.batches.len(), 100);
    assert!((mean(serving.waits()) - 15.0 / 20.0).abs() < 1e-9);
    assert!((mean(serving.responses()) - (15.0 / 20.0 + 0.36)).abs() < 1e-9);
}

/// The study's pilot (ConvNeXt-Base at 32 requests a second, batches of 16 in about 0.23 s): its mean
/// response follows from the batch time within 6 %.
#[test]
fn the_studys_pilot_follows_from_its_batch_time() {
    let times = arrivals(&Arrivals { rate: 32.0, jitter: 0.2, requests: 128 }, 1).unwrap();
    let serving = run(&times, BatchPolicy::Fixed(16), 0.229_78, 0.0);
    let response = mean(serving.responses());
    assert!((response / 0.479_24 - 1.0).abs() < 0.06, "{response}");
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let with = |rate, jitter| arrivals(&Arrivals { rate, jitter, requests: 1 }, 1);
    assert_eq!(with(0.0, 0.2), Err(ArrivalError::Rate { rate: 0.0 }));
    assert!(with(f64::NAN, 0.2).is_err());
    assert_eq!(with(1.0, 1.5), Err(ArrivalError::Jitter { jitter: 1.5 }));
    let clock = Virtual::default();
    let mut server = Modeled::new(clock.clone(), 0.1, 0.0);
    let policy = Policy::from(BatchPolicy::Greedy(8));
    let stopped = serve(&[0.0], policy, &mut server, &clock, &mut || Control::Stop);
    assert_eq!(stopped, Err(LiveError::Stopped));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No request is lost, served before it came, or overtaken; no batch is larger than allowed.
    #[test]
    fn requests_are_served_once_in_order(
        rate in 1.0_f64..200.0, jitter in 0.0_f64..=1.0, requests in 0_usize..200,
        size in 1_usize..40, greedy in any::<bool>(), base in 0.0_f64..0.3, each in 0.0_f64..0.02,
        seed in any::<u64>(),
    ) {
        let times = arrivals(&Arrivals { rate, jitter, requests }, seed).unwrap();
        prop_assert!(times.is_sorted());
        let policy = if greedy { BatchPolicy::Greedy(size) } else { BatchPolicy::Fixed(size) };
        let serving = run(&times, policy, base, each);
        prop_assert_eq!(serving.batches.iter().map(|it| it.size).sum::<usize>(), requests);
        prop_assert!(serving.waits().all(|it| it >= -1e-9));
        prop_assert!(serving.batches.iter().all(|it| (1..=size).contains(&it.size)));
        prop_assert!(serving.batches.windows(2).all(|it| it[0].end_s <= it[1].start_s + 1e-12));
        if !greedy {
            let full = requests / size;
            prop_assert!(serving.batches[..full].iter().all(|it| it.size == size));
        }
        prop_assert_eq!(serving, run(&times, policy, base, each));
    }
}
