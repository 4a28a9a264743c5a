//! Numbers as text for readers: significant digits, commas between thousands, a true minus sign.

/// Number of decimals that show `digits` significant digits of a value; 0 for large values.
pub(crate) fn decimals_for(value: f64, digits: usize) -> usize {
    if value == 0.0 || !value.is_finite() {
        return digits.saturating_sub(1).min(2);
    }
    // Rounding first, so that 9.96 with two digits counts as 10.
    let written = format!("{:.*e}", digits.saturating_sub(1), value.abs());
    let exponent: i32 = written.rsplit('e').next().and_then(|text| text.parse().ok()).unwrap_or(0);
    usize::try_from(i32::try_from(digits).unwrap_or(i32::MAX) - 1 - exponent).unwrap_or(0)
}

/// A value with fixed decimals, commas between thousands, and a true minus sign.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let written = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = written.split_once('.').unwrap_or((&written, ""));
    let is_zero = written.chars().all(|letter| matches!(letter, '0' | '.'));
    let sign = if value < 0.0 && !is_zero { "\u{2212}" } else { "" };
    let mut text = sign.to_owned();
    push_grouped(&mut text, whole);
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// A count with commas between thousands.
pub(crate) fn grouped(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = if count < 0 { "\u{2212}".to_owned() } else { String::new() };
    push_grouped(&mut text, &digits);
    text
}

fn push_grouped(text: &mut String, digits: &str) {
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
}

/// A value with significant digits; very large and very small ones as `3.9 × 10⁶`.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && !(1e-4..1e7).contains(&size) {
        return scientific(value, digits);
    }
    fixed(value, decimals_for(value, digits))
}

/// A value with its interval in the same number of decimals: `857 [850 to 863]`.
pub(crate) fn with_interval(value: f64, interval: Option<[f64; 2]>, digits: usize) -> String {
    let Some([low, high]) = interval.filter(|ends| ends.iter().all(|end| end.is_finite())) else {
        return significant(value, digits);
    };
    let largest = value.abs().max(low.abs()).max(high.abs());
    if largest != 0.0 && !(1e-4..1e7).contains(&largest) {
        let [value, low, high] = [value, low, high].map(|number| significant(number, digits));
        return format!("{value} [{low} to {high}]");
    }
    let decimals = decimals_for(largest, digits);
    let [value, low, high] = [value, low, high].map(|number| fixed(number, decimals));
    format!("{value} [{low} to {high}]")
}

/// A value as `3.9 × 10⁶`.
pub(crate) fn scientific(value: f64, digits: usize) -> String {
    let written = format!("{:.*e}", digits.saturating_sub(1), value.abs());
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let sign = if value < 0.0 { "\u{2212}" } else { "" };
    let exponent: String = exponent.chars().map(superscript).collect();
    if mantissa == "1" {
        format!("{sign}10{exponent}")
    } else {
        format!("{sign}{mantissa} × 10{exponent}")
    }
}

fn superscript(digit: char) -> char {
    match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' => '⁰',
        '4'..='9' => char::from_u32(digit as u32 - '4' as u32 + '⁴' as u32).unwrap_or(digit),
        _ => digit,
    }
}

/// A p-value: `< 0.001` below that, `> 0.999` above.
pub(crate) fn p_value(p: f64) -> String {
    if !p.is_finite() {
        "–".to_owned()
    } else if p < 0.001 {
        "< 0.001".to_owned()
    } else if p > 0.999 {
        "> 0.999".to_owned()
    } else {
        fixed(p, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits_thousands_and_exponents() {
        let rows = [
            (1674.2, 3, "1,674"),
            (0.0, 3, "0.00"),
            (-0.0, 3, "0.00"),
            (0.98951, 3, "0.990"),
            (9.96, 2, "10"),
            (-48.83, 3, "\u{2212}48.8"),
            (1_234_567.0, 3, "1,234,567"),
            (3.9e7, 2, "3.9 × 10⁷"),
            (1e-9, 1, "10⁻⁹"),
            (-9.1e-7, 2, "\u{2212}9.1 × 10⁻⁷"),
            (f64::NAN, 3, "–"),
            (f64::NEG_INFINITY, 3, "–"),
        ];
        for (value, digits, expected) in rows {
            assert_eq!(significant(value, digits), expected, "{value} with {digits} digits");
        }
    }

    #[test]
    fn a_value_that_rounds_to_zero_has_no_sign() {
        assert_eq!(fixed(-0.004, 2), "0.00");
        assert_eq!(fixed(-0.006, 2), "\u{2212}0.01");
    }

    #[test]
    fn an_interval_has_the_decimals_of_its_largest_end() {
        assert_eq!(with_interval(0.74, Some([-0.1, 1.62]), 3), "0.74 [\u{2212}0.10 to 1.62]");
        assert_eq!(with_interval(857.3, Some([850.0, 863.0]), 3), "857 [850 to 863]");
        assert_eq!(with_interval(857.3, Some([f64::NAN, 863.0]), 3), "857");
    }

    #[test]
    fn small_p_values_are_bounds() {
        assert_eq!(p_value(3e-12), "< 0.001");
        assert_eq!(p_value(0.0491), "0.049");
        assert_eq!(p_value(1.0), "> 0.999");
    }
}
