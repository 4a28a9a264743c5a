//! Dates with times of day, as traces of cloud providers have them.

/// The seconds since 1970 of `YYYY-MM-DD hh:mm:ss[.fraction]`, with a `T` in place of the space, `Z` or
/// `±hh:mm` behind it if it has a time zone (UTC otherwise): whole seconds and a fraction.
///
/// The days are counted in the proleptic Gregorian calendar (Hinnant 2013, chrono-Compatible
/// Low-Level Date Algorithms, `days_from_civil`).
pub(crate) fn parse(text: &str) -> Option<(i64, f64)> {
    let (date, time) = text.split_once([' ', 'T', 't'])?;
    let mut parts = date.splitn(3, '-');
    let year = number(parts.next()?, 4, 0, 9999)?;
    let month = number(parts.next()?, 2, 1, 12)?;
    let day = number(parts.next()?, 2, 1, 31)?;
    let (time, zone_s) = zone(time.trim())?;
    let mut parts = time.splitn(3, ':');
    let hour = number(parts.next()?, 2, 0, 23)?;
    let minute = number(parts.next()?, 2, 0, 59)?;
    let second = parts.next()?;
    let (whole, fraction) = second.split_once('.').unwrap_or((second, ""));
    // A leap second counts as the next one.
    let whole = number(whole, 2, 0, 60)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().ok()? };
    let days = days(year, month, day);
    Some((days * 86_400 + hour * 3_600 + minute * 60 + whole - zone_s, fraction))
}

/// The time without its zone, and the zone's seconds.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(place) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (time, zone) = time.split_at(place);
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone[1..].split_once(':').unwrap_or((&zone[1..], "00"));
    let seconds = number(hours, 2, 0, 23)? * 3_600 + number(minutes, 2, 0, 59)? * 60;
    Some((time, sign * seconds))
}

fn number(text: &str, digits: usize, least: i64, most: i64) -> Option<i64> {
    let valid = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| valid && (least..=most).contains(number))
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds_since_1970() {
        for (text, expected) in [
            ("1970-01-01 00:00:00", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2023-11-16 18:15:46", 1_700_158_546),
            ("2023-11-16T19:15:46+01:00", 1_700_158_546),
            ("2023-11-16 13:15:46-05", 1_700_158_546),
        ] {
            assert_eq!(parse(text).map(|time| time.0), Some(expected), "{text}");
        }
        let (_, fraction) = parse("2023-11-16 18:15:46.6805900").unwrap();
        assert!((fraction - 0.68059).abs() < 1e-12);
        for text in [
            "",
            "2023-13-01 00:00:00",
            "2023-11-16",
            "2023-11-16 18:15",
            "now",
            "2023-11-16 18:15:4x",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
