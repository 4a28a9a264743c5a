//! A time series: a line per sample and channel.

use std::fmt::Write;

use crate::meter::Reading;

/// The first line.
pub const HEAD: &str = "time_s,probe,domain,device,origin,power_w,energy_j\n";

/// The lines of one sample. Power is empty where it is not known.
#[must_use]
pub fn lines(readings: &[Reading]) -> String {
    let mut text = String::new();
    for it in readings {
        let channel = &it.channel;
        let power = it.watts.map_or(String::new(), |it| it.0.to_string());
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "{:.6},{},{},{},{},{power},{}",
            it.at.0,
            quoted(&channel.probe),
            channel.domain.word(),
            quoted(&channel.device),
            channel.method.origin().word(),
            it.joules.0
        );
    }
    text
}

/// RFC 4180.
pub(super) fn quoted(text: &str) -> String {
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
    fn what_would_break_a_line_is_quoted() {
        assert_eq!(quoted("package-0"), "package-0");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
