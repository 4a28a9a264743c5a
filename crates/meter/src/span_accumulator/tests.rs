use proptest::prelude::*;
use units::Domain;

use super::*;

fn channel(period: f64) -> Channel {
    let kind = Kind::Counter { range: None };
    let mut channel = Channel::new("test", Domain::CpuPackage, "p", kind, Method::Counter, 1.0);
    channel.period = Seconds(period);
    channel
}

fn edge(at: f64) -> Edge {
    Edge {
        at: Seconds(at),
        power: None,
        likely: Watts(20.0),
        width: Seconds(0.0),
        lag: Seconds(0.0),
        pending: Joules(0.0),
        doubtful: false,
    }
}

fn step(from: f64, to: f64, energy: f64) -> Increment {
    Increment::Step(Step {
        from: Seconds(from),
        to: Seconds(to),
        energy: Joules(energy),
        sampled: None,
        edge: edge(to),
        moved: true,
        doubt: None,
    })
}

#[test]
fn energy_from_before_the_span_is_not_counted() {
    let failed = Increment::Failed("busy".to_owned());
    let mut accumulator = SpanAccumulator::begin(Seconds(8.0), &failed);
    accumulator.add(&channel(0.0), &step(0.0, 10.0, 100.0));
    accumulator.end(Seconds(10.0));
    assert!((accumulator.energy.0 - 20.0).abs() < 1e-9);
    // At most 20 W in its 2 s, so 40 J instead of 20; and perhaps nothing.
    assert!((accumulator.doubt.0 - 20.0).abs() < 1e-9, "{}", accumulator.doubt);
    assert_eq!((accumulator.gap, accumulator.samples, accumulator.failures), (Seconds(2.0), 1, 1));
}

#[test]
fn a_sensor_that_fails_at_the_end_leaves_a_gap() {
    let mut accumulator = SpanAccumulator::begin(Seconds(0.0), &Increment::First(edge(0.0)));
    accumulator.add(&channel(0.0), &step(0.0, 1.0, 10.0));
    accumulator.add(&channel(0.0), &Increment::Failed("gone".to_owned()));
    accumulator.end(Seconds(5.0));
    assert_eq!((accumulator.energy, accumulator.gap), (Joules(10.0), Seconds(4.0)));
    // 4 s at up to 20 W.
    assert!((accumulator.doubt.0 - 80.0).abs() < 1e-9, "{}", accumulator.doubt);
}

#[test]
fn a_reading_that_comes_late_because_one_failed_counts_in_part() {
    let mut accumulator = SpanAccumulator::begin(Seconds(0.0), &Increment::First(edge(0.0)));
    accumulator.add(&channel(0.0), &step(0.0, 8.0, 80.0));
    accumulator.until(Seconds(10.0));
    accumulator.add(&channel(0.0), &Increment::Failed("busy".to_owned()));
    accumulator.add(&channel(0.0), &step(8.0, 12.0, 40.0));
    accumulator.add(&channel(0.0), &step(12.0, 13.0, 10.0));
    accumulator.end(Seconds(10.0));
    assert_eq!((accumulator.energy, accumulator.gap), (Joules(100.0), Seconds(0.0)));
    assert!((accumulator.doubt.0 - 20.0).abs() < 1e-9, "{}", accumulator.doubt);
}

#[test]
fn two_readings_within_one_update_give_no_peak_power() {
    let mut accumulator = SpanAccumulator::begin(Seconds(0.0), &Increment::First(edge(0.0)));
    let channel = channel(1e-3);
    accumulator.add(&channel, &step(0.0, 1e-5, 0.1));
    assert_eq!(accumulator.peak, None);
    accumulator.add(&channel, &step(1e-5, 0.1, 9.9));
    assert!((accumulator.peak.unwrap().0 - 100.0).abs() < 1e-9);
}

proptest! {
    /// Whichever readings fail, two adjacent spans never have more energy together than was
    /// drawn.
    #[test]
    fn adjacent_spans_never_exceed_the_whole(
        readings in prop::collection::vec((any::<bool>(), 0_u32..100), 2..40),
        cut in 0_usize..40,
    ) {
        let channel = channel(0.0);
        let cut = cut % readings.len();
        let (mut last, mut pending, mut truth) = (0.0, 0.0, 0.0);
        let mut first = SpanAccumulator::begin(Seconds(0.0), &Increment::First(edge(0.0)));
        let mut second: Option<SpanAccumulator> = None;
        for (index, (good, energy)) in readings.iter().enumerate() {
            let now = (index + 1) as f64;
            pending += f64::from(*energy);
            truth += f64::from(*energy);
            let increment = if *good {
                let increment = step(last, now, pending);
                (last, pending) = (now, 0.0);
                increment
            } else {
                Increment::Failed(String::new())
            };
            match &mut second {
                Some(second) => second.add(&channel, &increment),
                None => first.add(&channel, &increment),
            }
            if index == cut {
                first.end(Seconds(now));
                second = Some(SpanAccumulator::begin(Seconds(now), &increment));
            }
        }
        let second = second.unwrap();
        let sum = first.energy.0 + second.energy.0;
        prop_assert!(sum <= truth + 1e-9);
        // And if the cut and the end were read, they have it all.
        if readings[cut].0 && readings.last().unwrap().0 {
            prop_assert!((sum - truth).abs() < 1e-9);
        }
        prop_assert!(first.gap.0 >= 0.0 && second.gap.0 >= 0.0);
    }
}
