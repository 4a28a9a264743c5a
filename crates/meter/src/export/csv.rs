//! A time series as CSV: a line for each sample and channel.

use std::fmt::Write;

use crate::shared::Reading;

/// The first line.
pub const HEAD: &str = "time_s,probe,domain,device,origin,power_w,energy_j\n";

/// The lines of one sample. Power is empty if it is not known yet.
#[must_use]
pub fn lines(readings: &[Reading]) -> String {
    let mut text = String::new();
    for reading in readings {
        let channel = &reading.channel;
        let power = reading.watts.map_or(String::new(), |watts| watts.0.to_string());
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "{:.6},{},{},{},{},{power},{}",
            reading.at.0,
            quoted(&channel.probe),
            channel.domain.word(),
            quoted(&channel.device),
            channel.method.origin().word(),
            reading.joules.0
        );
    }
    text
}

/// Quotes a field that would break the line (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn commas_and_quotes_are_quoted() {
        assert_eq!(quoted("package-0"), "package-0");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
