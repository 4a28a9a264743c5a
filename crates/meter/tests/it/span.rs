//! Spans: what they measure, how they nest, and what they say about bad readings.

use std::{sync::mpsc::channel, thread, time::Duration};

use proptest::prelude::*;
use units::{Domain, Joules, Method, Seconds, SpanEnergy, WarningKind, Watts};
use wattlab_meter::{Clock, Meter, VirtualClock};

use crate::fake::{Script, Tree};

const SECOND: u64 = 1_000_000_000;

#[test]
fn power_is_integrated_between_the_readings() {
    let script = Script::power(Domain::Gpu);
    script.set(Some(100));
    let (meter, clock) = script.meter();
    let span = meter.span("serve");
    for power in [200, 300, 200, 100] {
        clock.advance(SECOND);
        script.set(Some(power));
        meter.sample();
    }
    let report = span.end();
    let gpu = &report.domains[0];
    assert_eq!(gpu.method, Method::IntegratedPower);
    // (100+200)/2 + (200+300)/2 + (300+200)/2 + (200+100)/2.
    assert_eq!((gpu.joules, report.duration), (Joules(800.0), Seconds(4.0)));
    assert_eq!((gpu.mean_power, gpu.peak_power), (Some(Watts(200.0)), Some(Watts(250.0))));
    assert_eq!((gpu.samples, gpu.gap), (6, Seconds(0.0)));
    // Four jumps of 100 W in steps of 1 s: 1.93 × √(4 · 100²/12) = 111 J if power jumps once in a
    // step, √6 times that if it moves faster than it is read. These readings are in between. The gain
    // is not stated, so ±10 % of 800 J are added in quadrature.
    assert!((137.0..285.0).contains(&gpu.uncertainty.0), "{}", gpu.uncertainty);
}

#[test]
fn power_across_a_failed_reading_is_a_gap_with_all_its_energy_in_doubt() {
    let script = Script::power(Domain::Gpu);
    script.set(Some(100));
    let (meter, clock) = script.meter();
    let span = meter.span("serve");
    clock.advance(SECOND);
    script.set(None);
    meter.sample();
    clock.advance(SECOND);
    script.set(Some(100));
    let report = span.end();
    let gpu = &report.domains[0];
    assert_eq!((gpu.joules, gpu.gap), (Joules(200.0), Seconds(2.0)));
    assert!(gpu.uncertainty >= Joules(200.0));
    let kinds: Vec<_> = report.warnings.iter().map(|warning| warning.kind).collect();
    assert_eq!(kinds, [WarningKind::ProbeFailed, WarningKind::SensorGap]);
}

proptest! {
    /// Whatever a counter does and however slowly it is renewed, child spans that do not overlap never
    /// have more energy together than their parent.
    #[test]
    fn children_never_sum_to_more_than_their_parent(
        steps in prop::collection::vec((1_u64..60_000_000, any::<bool>(), 0.0_f64..500.0), 1..60),
        period_ms in 0_u32..120,
    ) {
        let kind = wattlab_meter::Kind::Counter { range: None };
        let method = Method::Counter;
        let mut channel =
            wattlab_meter::Channel::new("script", Domain::Gpu, "device", kind, method, 1e-3);
        channel.period = Seconds(f64::from(period_ms) * 1e-3);
        let script = Script::new(channel);
        script.set(Some(0));
        let (meter, clock) = script.meter();
        let (mut shown, mut truth, mut now) = (0, 0.0, 0_u64);
        let parent = meter.span("parent");
        let (mut child, mut sum) = (None, 0.0);
        for (nanoseconds, opens, watts) in steps {
            clock.advance(nanoseconds);
            now += nanoseconds;
            truth += watts * nanoseconds as f64 * 1e-9;
            // Renewed at multiples of the period only.
            if period_ms == 0 || now % (u64::from(period_ms) * 1_000_000) < nanoseconds {
                shown = (truth * 1e3) as u64;
            }
            script.set(Some(shown));
            meter.sample();
            if let Some(open) = child.take() {
                let report: wattlab_meter::SpanReport = wattlab_meter::Span::end(open);
                sum += report.total.map_or(0.0, |total| total.joules.0);
            }
            if opens {
                child = Some(parent.child("child"));
            }
        }
        drop(child);
        let whole = parent.end().total.map_or(0.0, |total| total.joules.0);
        prop_assert!(sum <= whole * (1.0 + 1e-12) + 1e-9, "{sum} in {whole}");
    }
}

#[test]
fn spans_nest_by_name_and_overlap() {
    let script = Script::counter(Domain::CpuPackage, None);
    script.set(Some(0));
    let (meter, clock) = script.meter();
    let fit = meter.span("fit");
    let first = fit.child("epoch-0");
    clock.advance(SECOND);
    script.set(Some(10));
    let second = meter.span("evaluate");
    clock.advance(SECOND);
    script.set(Some(30));
    let first = first.end();
    clock.advance(SECOND);
    script.set(Some(60));
    let (second, fit) = (second.end(), fit.end());
    let energy = |report: &wattlab_meter::SpanReport| report.total.unwrap().joules;
    assert_eq!((first.name.as_str(), energy(&first)), ("fit/epoch-0", Joules(30.0)));
    assert_eq!((energy(&second), energy(&fit)), (Joules(50.0), Joules(60.0)));
    assert_eq!((second.start, second.duration), (Seconds(1.0), Seconds(2.0)));
    let brief = SpanEnergy::from(&fit);
    assert_eq!((brief.name, brief.energy), ("fit".to_owned(), fit.total));
}

#[test]
fn a_dropped_span_does_not_change_its_parent() {
    let script = Script::counter(Domain::CpuPackage, None);
    script.set(Some(0));
    let (meter, clock) = script.meter();
    let span = meter.span("fit");
    drop(span.child("given up"));
    clock.advance(SECOND);
    script.set(Some(10));
    assert_eq!(span.end().total.unwrap().joules, Joules(10.0));
}

#[test]
fn spans_of_several_threads_do_not_mix() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 0);
    let meter = tree.builder().interval(Duration::from_millis(1)).start().unwrap();
    let names = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let meter = meter.clone();
                scope.spawn(move || {
                    let end = |index| meter.span(&format!("{thread}-{index}")).end();
                    (0..50).map(end).map(|report| report.name).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    for (thread, names) in names.iter().enumerate() {
        let expected: Vec<_> = (0..50).map(|index| format!("{thread}-{index}")).collect();
        assert_eq!(*names, expected);
    }
}

/// How long a test waits for the sampling thread before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_sampling_thread_reads_inside_a_span() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 0);
    let (tell, sampled) = channel();
    let meter = tree
        .builder()
        .interval(Duration::from_millis(1))
        .observer(move |_| {
            // A test that has failed no longer listens.
            let _ = tell.send(());
        })
        .start()
        .unwrap();
    let span = meter.span("fit");
    // What was sampled before the span began. One sample may still be on its way.
    let _ = sampled.try_iter().count();
    for _ in 0..2 {
        sampled.recv_timeout(PATIENCE).expect("the sampling thread reads every millisecond");
    }
    // Two readings are the span's ends, at least one is the sampling thread's.
    assert!(span.end().domains[0].samples > 2);
}

#[test]
fn a_noop_meter_has_no_energy_and_a_warning() {
    let report = Meter::noop().span("fit").end();
    assert_eq!((report.total, report.domains.len()), (None, 0));
    assert_eq!(report.warnings[0].kind, WarningKind::NoEnergy);
}

#[test]
fn a_span_that_is_too_short_for_its_sensor_has_a_warning() {
    let mut channel = wattlab_meter::Channel::new(
        "script",
        Domain::Gpu,
        "device",
        wattlab_meter::Kind::Counter { range: None },
        Method::Counter,
        1.0,
    );
    channel.period = Seconds(0.1);
    let script = Script::new(channel);
    script.set(Some(0));
    let (meter, clock) = script.meter();
    let span = meter.span("infer");
    clock.advance(SECOND / 2);
    script.set(Some(50));
    let report = span.end();
    assert_eq!(report.warnings[0].kind, WarningKind::BelowResolution);
    // 1.93 × √(2 · (100 W · 0.1 s)²/12 + 2 · (1 J)²/12): two phases and two roundings.
    let random = 1.93 * (200.0_f64 / 12.0 + 2.0 / 12.0).sqrt();
    // And ±10 % of 50 J, because the gain is not stated.
    let expected = random.hypot(5.0);
    assert!((report.domains[0].uncertainty.0 - expected).abs() < 1e-9);
    assert_eq!(report.domains[0].peak_power, None);
}

#[test]
fn clones_of_a_virtual_clock_are_one_clock() {
    let clock = VirtualClock::default();
    clock.clone().advance(SECOND / 2);
    assert_eq!(clock.now(), Seconds(0.5));
}

proptest! {
    /// Whatever the range, the start and the steps, adjacent spans add up to the whole.
    #[test]
    fn adjacent_spans_add_up_across_wraps(
        range in 100_u64..10_000,
        start in any::<u64>(),
        steps in prop::collection::vec(0_u64..100, 1..30),
    ) {
        let script = Script::counter(Domain::Other, Some(range));
        let mut value = start % range;
        script.set(Some(value));
        let (meter, clock) = script.meter();
        let whole = meter.span("whole");
        let mut sum = Joules(0.0);
        for step in &steps {
            let part = whole.child("part");
            value = (value + step) % range;
            clock.advance(SECOND / 1000);
            script.set(Some(value));
            let energy = part.end().total.unwrap().joules;
            prop_assert_eq!(energy, Joules(*step as f64));
            sum += energy;
        }
        let whole = whole.end().total.unwrap().joules;
        prop_assert_eq!(whole, sum);
        prop_assert_eq!(whole, Joules(steps.iter().sum::<u64>() as f64));
    }
}
