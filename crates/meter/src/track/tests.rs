//! Counters that do what real ones were seen to do, with the numbers of the reports.

use proptest::prelude::*;
use units::Domain;

use super::*;

fn track(kind: Kind) -> Track {
    let method = Method::Counter;
    Track::new(Channel::new("test", Domain::CpuPackage, "p", kind, method, 1e-6), None)
}

/// A GPU's counter in millijoules.
fn gpu() -> Track {
    let (kind, method) = (Kind::Counter { range: None }, Method::Counter);
    let mut channel = Channel::new("nvml", Domain::Gpu, "GPU-0", kind, method, 1e-3);
    channel.period = Seconds(0.1);
    Track::new(channel, None)
}

fn step(increment: Increment) -> Step {
    match increment {
        Increment::Step(step) => step,
        other => panic!("expected a step, found {other:?}"),
    }
}

fn event(step: &Step) -> Option<Event> {
    match step.doubt {
        Some(Doubt::Counter { event, .. }) => Some(event),
        _ => None,
    }
}

/// Energy that a step leaves in doubt.
fn doubt(step: &Step) -> f64 {
    match step.doubt {
        Some(Doubt::Counter { energy, .. }) => energy.0,
        _ => 0.0,
    }
}

/// A 32-bit counter of 2^-14 J, as powercap shows it.
const RANGE: u64 = 262_143_328_850;

/// The sums over readings, each given as a time and a raw value: energy, settled doubt, and what is
/// pending after the last one.
fn follow(track: &mut Track, readings: impl IntoIterator<Item = (f64, u64)>) -> (f64, f64, f64) {
    let (mut energy, mut doubted, mut pending) = (0.0, 0.0, 0.0);
    for (at, raw) in readings {
        match track.advance(Seconds(at), Ok(raw), false) {
            Increment::Step(step) => {
                energy += step.energy.0;
                doubted += doubt(&step);
                pending = step.edge.pending.0;
            }
            Increment::First(_) => {}
            failed @ Increment::Failed(_) => panic!("{failed:?}"),
        }
    }
    (energy, doubted, pending)
}

#[test]
fn a_counter_that_wraps_adds_the_difference_and_a_reset_adds_the_new_value() {
    let mut track = track(Kind::Counter { range: Some(RANGE) });
    let first = track.advance(Seconds(0.0), Ok(RANGE - 1_000_000), false);
    assert!(matches!(first, Increment::First(_)), "{first:?}");
    let wrapped = step(track.advance(Seconds(0.1), Ok(2_000_000), false));
    assert_eq!((wrapped.energy, wrapped.doubt), (Joules(3.0), None));
    let up = step(track.advance(Seconds(0.2), Ok(102_000_000), false));
    assert_eq!((up.energy, up.doubt), (Joules(100.0), None));
    // As a wrap this would be 262 kJ in a tenth of a second.
    let reset = step(track.advance(Seconds(0.3), Ok(5_000_000), false));
    assert_eq!((reset.energy, event(&reset)), (Joules(5.0), Some(Event::Doubtful)));
    // At the recent power of 1 kW it would have counted 100 J.
    assert!(reset.edge.doubtful && reset.edge.pending.0 >= 95.0, "{reset:?}");
    let on = step(track.advance(Seconds(0.4), Ok(105_000_000), false));
    assert_eq!((on.energy, event(&on)), (Joules(100.0), Some(Event::Reset)));
    assert!(doubt(&on) >= 95.0 && !on.edge.doubtful && on.edge.pending == Joules(0.0), "{on:?}");
}

#[test]
fn a_value_that_is_misread_once_loses_no_energy() {
    let mut track = track(Kind::Counter { range: Some(RANGE) });
    track.advance(Seconds(0.0), Ok(150_000_000), false);
    let short = step(track.advance(Seconds(0.1), Ok(15), false));
    assert!(short.edge.doubtful && short.edge.pending > Joules(0.0), "{short:?}");
    let long = step(track.advance(Seconds(0.2), Ok(170_000_000), false));
    assert!((short.energy + long.energy - Joules(20.0)).0.abs() < 1e-9, "{long:?}");
    assert_eq!((event(&long), doubt(&long)), (Some(Event::Misread), 0.0));
}

#[test]
fn a_decrease_across_a_suspend_is_a_reset() {
    let mut track = track(Kind::Counter { range: Some(RANGE) });
    track.advance(Seconds(0.0), Ok(RANGE - 1_000_000), false);
    let step = step(track.advance(Seconds(0.1), Ok(2_000_000), true));
    assert_eq!((event(&step), step.energy), (Some(Event::Reset), Joules(2.0)));
}

#[test]
fn a_pause_longer_than_the_shortest_wrap_is_in_doubt() {
    let mut track = track(Kind::Counter { range: Some(RANGE) });
    track.advance(Seconds(0.0), Ok(0), false);
    // 262 kJ at 2 kW: 131 s.
    assert_eq!(step(track.advance(Seconds(130.0), Ok(1_000), false)).doubt, None);
    let late = step(track.advance(Seconds(262.0), Ok(2_000), false));
    assert!(event(&late) == Some(Event::Wraps) && doubt(&late) > 262e3, "{late:?}");
}

#[test]
fn a_failed_reading_of_a_counter_loses_no_energy() {
    let mut track = track(Kind::Counter { range: None });
    track.advance(Seconds(0.0), Ok(0), false);
    track.advance(Seconds(1.0), Err("busy".to_owned()), false);
    let step = step(track.advance(Seconds(2.0), Ok(7_000_000), false));
    assert_eq!((step.from, step.energy, step.doubt), (Seconds(0.0), Joules(7.0), None));
}

#[test]
fn a_step_back_by_20_joules_of_5_megajoules_loses_at_most_that() {
    // AMD SMI issue 115; 100 W, read every 33 ms, renewed every 20 ms.
    let shown = |at: f64| {
        let counted = (at * 50.0).floor() * 2.0;
        ((5e6 + counted - if at > 0.5 { 20.0 } else { 0.0 }) * 1e3) as u64
    };
    let times = (0..46).map(|reading| f64::from(reading) * 0.033);
    let (energy, doubt, pending) = follow(&mut gpu(), times.map(|at| (at, shown(at))));
    let truth = 100.0 * 45.0 * 0.033;
    assert!((energy - truth).abs() < 8.0, "{energy} for {truth}");
    assert!(doubt < 60.0 && pending < 1.0, "{doubt} {pending}");
}

#[test]
fn a_dip_of_a_millijoule_below_5_megajoules_changes_nothing() {
    let shown = |reading: u32| {
        let value = 5_000_000_000 + u64::from(reading) * 3_300;
        if (15..18).contains(&reading) { 5_000_000_000 + 14 * 3_300 - 1 } else { value }
    };
    let readings = (0..46).map(|reading| (f64::from(reading) * 0.033, shown(reading)));
    let (energy, doubt, _) = follow(&mut gpu(), readings);
    assert!((energy - 45.0 * 3.3).abs() < 0.5, "{energy}");
    assert!(doubt < 25.0, "{doubt}");
}

#[test]
fn a_package_at_150_kilojoules_that_shows_one_joule_less_for_a_while_adds_10_joules() {
    for range in [None, Some(RANGE)] {
        let mut track = track(Kind::Counter { range });
        let value = |at: u32| match at {
            0..3 => 150_000_000_000,
            3..5 => 150_005_000_000,
            5..7 => 150_004_000_000,
            _ => 150_010_000_000,
        };
        let readings = (0..10).map(|at| (f64::from(at) * 0.1, value(at)));
        let (energy, doubt, pending) = follow(&mut track, readings);
        assert!((energy - 10.0).abs() <= 1.0 + doubt && doubt < 12.0, "{energy} ± {doubt}");
        assert!((9.0..=11.0).contains(&energy) && pending < 1e-9, "{energy} ± {pending}");
    }
}

#[test]
fn a_jump_by_a_gigajoule_is_not_counted() {
    let shown = |reading: u32| {
        let jump = if reading > 15 { 1_000_000_000_000 } else { 0 };
        5_000_000_000 + u64::from(reading) * 3_300 + jump
    };
    let readings = (0..46).map(|reading| (f64::from(reading) * 0.033, shown(reading)));
    let (energy, doubt, _) = follow(&mut gpu(), readings);
    assert!((energy - 45.0 * 3.3).abs() <= 5.0 && doubt < 40.0, "{energy} ± {doubt}");
    // One that returns at the next reading costs nothing.
    let misread = |reading: u32| if reading == 15 { u64::MAX / 2 } else { shown(reading.min(15)) };
    let readings = (0..16).map(|reading| (f64::from(reading) * 0.033, misread(reading)));
    let (energy, _, pending) = follow(&mut gpu(), readings);
    assert!((energy - 15.0 * 3.3).abs() <= 5.0 && pending > 3.0, "{energy} ± {pending}");
}

#[test]
fn a_counter_that_exceeds_its_stated_range_has_none() {
    // powercap issue 3: `max_energy_range_uj` is 0, so the source states a range of 1.
    let mut track = track(Kind::Counter { range: Some(1) });
    let (energy, doubt, _) = follow(&mut track, [(0.0, 1_000_000), (0.3, 11_000_000)]);
    assert_eq!((energy, doubt, track.shortest_wrap()), (10.0, 0.0, None));
}

#[test]
fn a_power_that_no_hardware_draws_is_a_failed_reading_and_a_gap() {
    let method = Method::IntegratedPower;
    let channel = Channel::new("nvml", Domain::Gpu, "GPU-0", Kind::Power, method, 1e-3);
    let mut track = Track::new(channel, None);
    track.advance(Seconds(0.0), Ok(100_000), false);
    let failed = track.advance(Seconds(0.5), Ok(4_294_967_295), false);
    assert!(matches!(&failed, Increment::Failed(reason) if reason.contains("4294967295")));
    let step = step(track.advance(Seconds(1.0), Ok(100_000), false));
    assert_eq!((step.energy, step.doubt), (Joules(100.0), Some(Doubt::Gap)));
}

/// What happens to a counter at a reading.
#[derive(Clone, Debug)]
enum Fault {
    None,
    /// The reading fails.
    Fails,
    /// It shows this share of its value for this many readings, and is right again after them.
    Dips(f64, u32),
    /// It steps back by this many joules and counts on.
    Back(f64),
    /// It is reset.
    Resets,
    /// It jumps by this many joules and counts on.
    Jumps(f64),
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        20 => Just(Fault::None),
        2 => Just(Fault::Fails),
        1 => (0.0..0.8, 1..4_u32).prop_map(|(share, long)| Fault::Dips(share, long)),
        1 => (40.0..80.0).prop_map(Fault::Back),
        1 => Just(Fault::Resets),
        1 => (1e4..1e9).prop_map(Fault::Jumps),
    ]
}

proptest! {
    /// Whatever a counter does while a steady load runs, its energy is right to within what it
    /// leaves in doubt and what was drawn in the time by which the last value may be old, and never
    /// exceeds what the hardware can have drawn.
    #[test]
    fn the_truth_is_within_the_doubt(
        watts in 20.0_f64..300.0,
        start in 1e3_f64..2.5e5,
        range in prop_oneof![Just(None), Just(Some(RANGE))],
        readings in prop::collection::vec(faults(), 10..60),
    ) {
        let mut track = track(Kind::Counter { range });
        // Long enough to know the power.
        let quiet = std::iter::repeat_n(Fault::None, 20);
        let (mut shift, mut energy, mut doubted, mut pending) = (start, 0.0, 0.0, 0.0);
        let (mut truth, mut end, mut age) = (0.0, 0.0, 0.0);
        let (mut well, mut held) = (true, (0, 0));
        for (index, fault) in quiet.chain(readings).enumerate() {
            let at = index as f64 * 0.1;
            let was_well = std::mem::replace(&mut well, matches!(fault, Fault::None));
            let mut reading = Ok(());
            match fault {
                Fault::None => {}
                Fault::Fails => reading = Err("told to".to_owned()),
                Fault::Dips(share, long) if was_well && shift + watts * at > 1e3 => {
                    held = (((shift + watts * at) * share * 1e6) as u64, long);
                }
                // A step back by less than was counted since the last good reading cannot be seen.
                Fault::Back(joules) if was_well && shift + watts * at > joules => shift -= joules,
                Fault::Resets if was_well => shift = -watts * (at - 0.05),
                Fault::Jumps(joules) if range.is_none() => shift += joules,
                Fault::Dips(..) | Fault::Back(_) | Fault::Resets | Fault::Jumps(_) => {}
            }
            let mut value = ((shift + watts * at).max(0.0) * 1e6) as u64;
            if held.1 > 0 {
                (value, held.1, well) = (held.0, held.1 - 1, false);
            }
            let value = range.map_or(value, |range| value % range);
            match track.advance(Seconds(at), reading.map(|()| value), false) {
                Increment::Step(step) => {
                    energy += step.energy.0;
                    doubted += doubt(&step);
                    pending = step.edge.pending.0;
                    (truth, end, age) = (watts * at, at, step.edge.width.0);
                }
                Increment::First(_) | Increment::Failed(_) => {}
            }
        }
        prop_assert!(
            (energy - truth).abs() <= doubted + pending + watts * age + 0.001 * truth,
            "{energy} for {truth}, in doubt {doubted} and {pending}, value up to {age} s old"
        );
        prop_assert!(energy <= 2e3 * end + 2e3, "{energy} in {end} s");
    }
}
