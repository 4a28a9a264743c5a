//! The range and the ticks of an axis.

use super::{Axis, AxisScale, Coordinate};
use crate::number::{fixed, significant};

/// Largest size of a value that can be drawn; the rest counts as not finite.
pub(super) const LARGEST: f64 = 1e300;
/// Smallest range of a linear axis, as a share of its largest value.
const NARROWEST: f64 = 1e-9;

/// A value on an axis with its label.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

/// The range of an axis with the ticks inside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<Tick>,
}

/// The range of an axis over some values: each end extends to the next tick if that is near.
pub(super) fn range(axis: &Axis, values: impl IntoIterator<Item = f64>, about: usize) -> Range {
    let log = axis.scale == AxisScale::Log;
    let drawable = |value: &f64| value.abs() <= LARGEST && (!log || *value > 0.0);
    let (mut low, mut high) = values
        .into_iter()
        .filter(drawable)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        (low, high) = if log { (1.0, 10.0) } else { (0.0, 1.0) };
    }
    if axis.from_zero && !log {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    let named: Vec<f64> = axis.named.iter().copied().filter(drawable).collect();
    if !named.is_empty() {
        return around(named, low, high, log);
    }
    if log {
        let (low, high) = widened_log(low, high);
        trimmed(&log_ticks(low, high, about), low, high, f64::ln, high / low >= 3.0)
    } else {
        let (low, high) = widened(low, high);
        trimmed(&linear_ticks(low, high, about), low, high, |value| value, false)
    }
}

/// The range of some values and of requested ticks.
fn around(mut named: Vec<f64>, low: f64, high: f64, log: bool) -> Range {
    named.sort_by(f64::total_cmp);
    named.dedup();
    let (low, high) = (low.min(named[0]), high.max(named[named.len() - 1]));
    let (low, high) = if log { widened_log(low, high) } else { widened(low, high) };
    Range { low, high, ticks: labelled(&named, true) }
}

/// Cuts covering ticks back to the data where the next tick is more than half a step away.
fn trimmed(covering: &[f64], low: f64, high: f64, along: fn(f64) -> f64, uneven: bool) -> Range {
    let near = |tick: f64, end: f64, inner: f64| {
        (along(tick) - along(end)).abs() <= 0.5 * (along(tick) - along(inner)).abs()
    };
    let last = covering.len() - 1;
    let keep_first = last < 2 || near(covering[0], low, covering[1]);
    let keep_last = last < 2 || near(covering[last], high, covering[last - 1]);
    let kept = &covering[usize::from(!keep_first)..covering.len() - usize::from(!keep_last)];
    Range {
        low: if keep_first { covering[0] } else { low },
        high: if keep_last { covering[last] } else { high },
        ticks: labelled(kept, uneven),
    }
}

/// A range that is wide enough to have ticks.
fn widened(low: f64, high: f64) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    if size < 1.0 / LARGEST {
        return (0.0, 1.0);
    }
    let half = if high - low > NARROWEST * size { 0.0 } else { size * 0.05 };
    (low - half, high + half)
}

fn widened_log(low: f64, high: f64) -> (f64, f64) {
    let (low, high) = (low.max(1.0 / LARGEST), high.max(1.0 / LARGEST));
    if high / low > 1.0 + NARROWEST { (low, high) } else { (low / 1.25, high * 1.25) }
}

/// Multiples of 1, 2 or 5 × 10ⁿ that cover a range, about as many as asked, at least two.
fn linear_ticks(low: f64, high: f64, about: usize) -> Vec<f64> {
    let about = about.max(2) as f64;
    let rough = high / about - low / about;
    let mut exponent = rough.log10().floor() as i32;
    let mut mantissa = 1;
    // Decimal text is read to the nearest float, so that 3 steps of 0.1 are 0.3 and not more.
    let written = |count: i64, exponent: i32| -> f64 {
        format!("{count}e{exponent}").parse().unwrap_or(f64::NAN)
    };
    for candidate in [1, 2, 5, 10] {
        mantissa = candidate;
        if written(candidate, exponent) >= rough {
            break;
        }
    }
    if mantissa == 10 {
        (mantissa, exponent) = (1, exponent + 1);
    }
    let tick = |index: i64| written(index * mantissa, exponent);
    let step = written(mantissa, exponent);
    let mut first = (low / step).floor() as i64;
    let mut last = (high / step).ceil() as i64;
    first -= i64::from(tick(first) > low);
    last += i64::from(tick(last) < high);
    (first..=last.max(first + 1)).map(tick).collect()
}

/// Powers of ten, or 1, 2 and 5 times these, that cover a range of positive values.
fn log_ticks(low: f64, high: f64, about: usize) -> Vec<f64> {
    if high / low < 3.0 {
        return linear_ticks(low, high, about);
    }
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let written = |mantissa: i32, exponent: i32| -> f64 {
        format!("{mantissa}e{exponent}").parse().unwrap_or(f64::NAN)
    };
    let fine = (high / low).log10() * 3.0 <= about as f64 + 1.0;
    let stride = if fine { 1 } else { (last - first) / (about.max(2) as i32) + 1 };
    let mantissas: &[i32] = if fine { &[1, 2, 5] } else { &[1] };
    let all: Vec<f64> = (0..)
        .map(|index| first - 1 + index * stride)
        .take_while(|exponent| *exponent <= last + stride)
        .flat_map(|exponent| mantissas.iter().map(move |mantissa| written(*mantissa, exponent)))
        .collect();
    let from = all.iter().rposition(|tick| *tick <= low).unwrap_or(0);
    let to = all.iter().position(|tick| *tick >= high).unwrap_or(all.len() - 1);
    all[from..=to].to_vec()
}

/// Labels ticks with as many decimals as distinguish them; uneven ticks each with their own.
fn labelled(values: &[f64], uneven: bool) -> Vec<Tick> {
    let size = values.iter().fold(0.0_f64, |size, value| size.max(value.abs()));
    let smallest = values
        .iter()
        .map(|value| value.abs())
        .filter(|size| *size > 0.0)
        .fold(f64::INFINITY, f64::min)
        .min(size);
    let decimals = values.iter().map(|value| decimals_of(*value)).max().unwrap_or(0);
    let powers = size >= 1e7 || smallest < 1e-3 && (decimals > 4 || size / smallest > 100.0);
    let label = |value: f64| {
        if value == 0.0 {
            "0".to_owned()
        } else if powers {
            significant_power(value)
        } else {
            let text = fixed(value, if uneven { decimals_of(value) } else { decimals });
            // A comma would make a year look odd.
            if size < 1e4 { text.replace(',', "") } else { text }
        }
    };
    values.iter().map(|value| Tick { value: *value, label: label(*value) }).collect()
}

/// `2 × 10⁻⁵`, also where [`significant`] would write a plain decimal.
fn significant_power(value: f64) -> String {
    let digits = format!("{:e}", value.abs())
        .split_once('e')
        .map_or(1, |(mantissa, _)| mantissa.len().saturating_sub(1).max(1));
    crate::number::scientific(value, digits.min(6))
}

/// Decimals in the shortest decimal text of a value.
fn decimals_of(value: f64) -> usize {
    format!("{value}").split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

/// A value as the text of a tooltip: four digits, unit, interval, origin.
pub(super) fn exact(axis: &Axis, value: f64, interval: Option<[f64; 2]>) -> String {
    use super::AxisUnit;
    let (unit, origin) = match &axis.unit {
        AxisUnit::Plain { unit } => (unit.as_str(), None),
        AxisUnit::Energy { unit, origin } => (unit.as_str(), Some(*origin)),
    };
    let year = axis.title.eq_ignore_ascii_case("year");
    let number = |value: f64| if year { format!("{value}") } else { significant(value, 4) };
    let mut text = number(value);
    if !unit.is_empty() {
        text.push('\u{a0}');
        text.push_str(unit);
    }
    if let Some([low, high]) = interval {
        text.push_str(&format!(" [{} to {}]", number(low), number(high)));
    }
    if let Some(origin) = origin {
        text.push_str(", ");
        text.push_str(origin.word());
    }
    text
}

/// A value on an axis of parallel coordinates, where it may have a name.
pub(super) fn of_coordinate(of: &Coordinate, value: f64) -> String {
    match of.choices.get(value as usize) {
        Some(name) if value >= 0.0 => name.clone(),
        _ => exact(&of.axis, value, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(axis: &Axis, low: f64, high: f64) -> String {
        let range = range(axis, [low, high], 6);
        let labels: Vec<String> = range.ticks.into_iter().map(|tick| tick.label).collect();
        format!("{} .. {}: {}", range.low, range.high, labels.join(" "))
    }

    #[test]
    fn linear_axes_have_round_ticks() {
        let axis = Axis::new("x", "");
        let cases = [(1.0, 64.0), (2012.0, 2022.0), (0.31, 0.847), (-0.04, 0.02), (857.0, 1674.0)];
        let all: Vec<String> = cases.iter().map(|(low, high)| labels(&axis, *low, *high)).collect();
        insta::assert_snapshot!(all.join("\n"), @"
        0 .. 64: 0 20 40 60
        2012 .. 2022: 2012 2014 2016 2018 2020 2022
        0.3 .. 0.847: 0.3 0.4 0.5 0.6 0.7 0.8
        -0.04 .. 0.02: −0.04 −0.03 −0.02 −0.01 0 0.01 0.02
        800 .. 1674: 800 1000 1200 1400 1600
        ");
        insta::assert_snapshot!(labels(&axis.from_zero(), 12_000.0, 61_000.0), @"0 .. 61000: 0 20,000 40,000 60,000");
    }

    #[test]
    fn log_axes_have_powers_of_ten_or_1_2_5() {
        let axis = Axis::new("x", "").log();
        let cases = [(1e-5, 0.1), (857.0, 4590.0), (0.004, 73.0), (200.0, 230.0), (3.0, 2e9)];
        let all: Vec<String> = cases.iter().map(|(low, high)| labels(&axis, *low, *high)).collect();
        insta::assert_snapshot!(all.join("\n"), @"
        0.00001 .. 0.1: 10⁻⁵ 10⁻⁴ 10⁻³ 10⁻² 10⁻¹
        857 .. 5000: 1000 2000 5000
        0.004 .. 100: 0.01 0.1 1 10 100
        200 .. 230: 200 205 210 215 220 225 230
        3 .. 2000000000: 10¹ 10³ 10⁵ 10⁷ 10⁹
        ");
    }

    #[test]
    fn one_value_or_no_value_still_gives_an_axis() {
        let axis = Axis::new("x", "");
        insta::assert_snapshot!(labels(&axis, 5.0, 5.0), @"4.7 .. 5.3: 4.7 4.8 4.9 5.0 5.1 5.2 5.3");
        insta::assert_snapshot!(labels(&axis, 0.0, 0.0), @"0 .. 1: 0 0.2 0.4 0.6 0.8 1.0");
        insta::assert_snapshot!(labels(&axis, f64::NAN, f64::INFINITY), @"0 .. 1: 0 0.2 0.4 0.6 0.8 1.0");
        insta::assert_snapshot!(labels(&axis.log(), -1.0, 0.0), @"1 .. 10: 1 2 5 10");
    }

    fn any_size() -> impl Strategy<Value = f64> {
        (-1.0..1.0_f64, -290..290_i32)
            .prop_map(|(mantissa, exponent)| mantissa * 10f64.powi(exponent))
    }

    fn check(ticks: &[f64], low: f64, high: f64, about: usize) -> Result<(), TestCaseError> {
        prop_assert!(ticks.iter().all(|tick| tick.is_finite()), "{ticks:?}");
        prop_assert!(ticks.is_sorted_by(|a, b| a < b), "{ticks:?}");
        prop_assert!((2..=3 * about + 3).contains(&ticks.len()), "{} ticks", ticks.len());
        prop_assert!(ticks[0] <= low && high <= ticks[ticks.len() - 1], "{ticks:?}");
        Ok(())
    }

    proptest! {
        #[test]
        fn linear_ticks_cover_the_range(a in any_size(), b in any_size(), about in 2_usize..12) {
            let (low, high) = widened(a.min(b), a.max(b));
            check(&linear_ticks(low, high, about), low, high, about)?;
        }

        #[test]
        fn log_ticks_cover_the_range(a in any_size(), b in any_size(), about in 2_usize..12) {
            let (a, b) = (a.abs(), b.abs());
            let (low, high) = widened_log(a.min(b), a.max(b));
            check(&log_ticks(low, high, about), low, high, about)?;
        }

        #[test]
        fn a_range_holds_its_values_and_its_ticks(
            values in prop::collection::vec(any_size(), 1..20),
            log: bool,
        ) {
            let axis = Axis::new("x", "");
            let axis = if log { axis.log() } else { axis };
            let range = range(&axis, values.iter().copied(), 6);
            prop_assert!(range.low < range.high, "{range:?}");
            let slack = 1e-9 * range.low.abs().max(range.high.abs());
            for value in values.into_iter().filter(|value| !log || *value > 1.0 / LARGEST) {
                let inside = range.low - slack <= value && value <= range.high + slack;
                prop_assert!(inside, "{value} outside {range:?}");
            }
            for tick in &range.ticks {
                let inside = range.low - slack <= tick.value && tick.value <= range.high + slack;
                prop_assert!(inside, "{tick:?} outside {range:?}");
            }
        }
    }
}
