//! What the program prints (results on standard output, messages on standard error) and how it
//! writes numbers, durations and whole files. Every module may use this one; it uses none but
//! [`Failure`].

use std::{
    fs::File,
    io::{self, Write, stderr},
    path::Path,
    process::Stdio,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use record::Energy;
use report::{Target, WholeFile};
use serde::Serialize;

use crate::{Failure, plain_text::without_control};

/// Writes a file under a temporary name and renames it into place, so that it is whole or not there.
///
/// # Errors
///
/// If the folder cannot be written.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(content)?;
    file.finish()
}

/// Prints the JSON document of `--json`.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(value).map_err(Failure::run_time)?);
    Ok(())
}

/// Standard output, once it is kept from plugins.
static KEPT: OnceLock<File> = OnceLock::new();

/// Keeps standard output for this program: what plugins print goes to standard error from now on.
///
/// # Errors
///
/// If the process has no descriptor left.
pub(crate) fn keep_from_plugins() -> Result<(), Failure> {
    static KEEPING: Mutex<()> = Mutex::new(());
    let _keeping = KEEPING.lock().unwrap_or_else(PoisonError::into_inner);
    if KEPT.get().is_none() {
        let output = meter::standard_streams::take_output().map_err(Failure::run_time)?;
        drop(KEPT.set(output));
    }
    Ok(())
}

/// The program's standard output, for a command that it starts.
///
/// # Errors
///
/// If the process has no descriptor left.
pub(crate) fn for_command() -> io::Result<Stdio> {
    KEPT.get().map_or_else(|| Ok(Stdio::inherit()), |output| Ok(output.try_clone()?.into()))
}

/// Writes a line to standard output.
///
/// # Errors
///
/// If it cannot be written.
pub(crate) fn write_line(text: &str) -> io::Result<()> {
    let line = format!("{text}\n");
    match KEPT.get() {
        Some(mut output) => output.write_all(line.as_bytes()),
        None => {
            let mut output = io::stdout().lock();
            output.write_all(line.as_bytes()).and_then(|()| output.flush())
        }
    }
}

/// The first error of writing standard output.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line of the program's output. If that fails, the program continues, and [`lost`] returns
/// the error at its end.
pub(crate) fn print(text: &str) {
    if let Err(error) = write_line(text) {
        LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Fails if output was lost.
///
/// # Errors
///
/// If standard output could not be written, as on a full disk. A reader that stops reading
/// (`wattlab … | head -1`) is no error.
pub(crate) fn lost() -> Result<(), Failure> {
    match LOST.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::run_time(
            anyhow::Error::new(error).context("failed to write standard output"),
        )),
        _ => Ok(()),
    }
}

/// The text of a number with a typographic minus sign instead of a hyphen.
pub(crate) fn minus(number: &str) -> String {
    number.strip_prefix('-').map_or_else(|| number.to_owned(), |digits| format!("\u{2212}{digits}"))
}

/// The accuracy that a flag gives: a share above 0 and at most 1.
pub(crate) fn target(text: &str) -> Result<Target, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(Target::Accuracy(share)),
        _ => Err(format!(
            "expected a share above 0 and at most 1, such as 0.85 for 85 %; found `{text}`"
        )),
    }
}

/// Prints a message on standard error. If that fails, the message is lost.
pub(crate) fn line(text: &str) {
    drop(writeln!(stderr().lock(), "{}", without_control(text)));
}

/// A share in percent, such as `12 %`.
#[must_use]
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// An energy for people, with its origin, such as `340 J estimated` or `12.5 kJ measured`.
pub(crate) fn energy(energy: Energy) -> String {
    let joules = energy.joules.0;
    let amount = if joules.abs() < 1000.0 {
        format!("{joules:.0} J")
    } else {
        format!("{:.1} kJ", joules / 1e3)
    };
    format!("{amount} {}", energy.origin.word())
}

/// Joules for people with three digits, such as `20.0 mJ`, `340 J` or `11.2 MJ`. The origin must stand beside.
pub(crate) fn joules(joules: f64) -> String {
    const UNITS: [(f64, &str); 6] =
        [(1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")];
    // A value that rounds up to 1000 of a unit is shown in the next one.
    let found = UNITS.iter().find(|(unit, _)| joules.abs() >= 0.9995 * unit);
    let (unit, name) = found.unwrap_or(&(1e-6, "µJ"));
    let value = joules / unit;
    let decimals = match value.abs() {
        it if it >= 99.95 => 0,
        it if it >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {name}")
}

/// A duration for people, such as `48 s`, `3 min 20 s` or `5 h 10 min`.
#[must_use]
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) if h < 48 => format!("{h} h {m} min"),
        (h, ..) => format!("{:.1} days", h as f64 / 24.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joules_have_three_digits_and_a_unit() {
        for (value, expected) in [
            (0.0, "0.00 µJ"),
            (3.2e-8, "0.03 µJ"),
            (0.020_04, "20.0 mJ"),
            (0.999_6, "1.00 J"),
            (67.04, "67.0 J"),
            (999.4, "999 J"),
            (999.6, "1.00 kJ"),
            (1.123e7, "11.2 MJ"),
            (5e12, "5000 GJ"),
        ] {
            assert_eq!(joules(value), expected);
        }
    }

    #[test]
    fn an_energy_below_1000_joules_is_in_joules() {
        let of = |joules| {
            let uncertainty = record::Joules(1.0);
            let origin = record::Origin::Estimated;
            energy(Energy { joules: record::Joules(joules), uncertainty, origin })
        };
        assert_eq!([of(340.2), of(12_480.0)], ["340 J estimated", "12.5 kJ estimated"]);
    }

    #[test]
    fn a_duration_has_at_most_two_units() {
        let say = |seconds| human(Duration::from_secs(seconds));
        assert_eq!(
            [say(48), say(200), say(18_600), say(432_000)],
            ["48 s", "3 min 20 s", "5 h 10 min", "5.0 days"]
        );
    }
}
