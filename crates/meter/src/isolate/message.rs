//! The lines that a meter and the process of a plugin exchange.

use std::io::{self, BufRead, Read};

use serde::{Deserialize, Serialize};
use units::{Domain, Method, Seconds};

use crate::source::{Channel, Kind};

/// Number of bytes of the longest line: the description of as many channels as a plugin may have.
const LONGEST_LINE: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Request {
    Read(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Plugin(Vec<ChannelMessage>),
    /// The file is no plugin that can be used: why.
    Refused(String),
    /// The plugin cannot open its hardware.
    Closed {
        name: String,
        code: i32,
        reason: String,
        remedy: Option<String>,
    },
    Value(u64),
    Error(String),
}

/// A channel in the form in which the child sends it.
#[derive(Serialize, Deserialize)]
pub(super) struct ChannelMessage {
    probe: String,
    domain: Domain,
    device: String,
    inside: Option<String>,
    identity: Option<String>,
    counter: bool,
    range: Option<u64>,
    unit: f64,
    relative_error: Option<f64>,
    period_s: f64,
    averaging_s: f64,
}

impl From<&Channel> for ChannelMessage {
    fn from(channel: &Channel) -> Self {
        let (counter, range) = match channel.kind {
            Kind::Counter { range } => (true, range),
            Kind::Power => (false, None),
        };
        Self {
            probe: channel.probe.clone(),
            domain: channel.domain,
            device: channel.device.clone(),
            inside: channel.inside.clone(),
            identity: channel.identity.clone(),
            counter,
            range,
            unit: channel.unit,
            relative_error: channel.relative_error,
            period_s: channel.period.0,
            averaging_s: channel.averaging.0,
        }
    }
}

impl From<ChannelMessage> for Channel {
    fn from(message: ChannelMessage) -> Self {
        let (kind, method) = if message.counter {
            (Kind::Counter { range: message.range }, Method::Counter)
        } else {
            (Kind::Power, Method::IntegratedPower)
        };
        let ChannelMessage { domain, unit, .. } = message;
        Self {
            inside: message.inside,
            identity: message.identity,
            relative_error: message.relative_error,
            period: Seconds(message.period_s),
            averaging: Seconds(message.averaging_s),
            ..Self::new(&message.probe, domain, &message.device, kind, method, unit)
        }
    }
}

/// The next line, without its end; `None` at the end of the input.
///
/// # Errors
///
/// If the input cannot be read, or the line is longer than [`LONGEST_LINE`].
pub(super) fn line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(last) if (line.len() as u64) + 1 < LONGEST_LINE => {
            line.push(last);
            Ok(Some(line))
        }
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_up_to_a_limit() {
        let mut input = &b"one\n\ntwo"[..];
        let mut next = || line(&mut input).unwrap();
        assert_eq!(next().as_deref(), Some(&b"one"[..]));
        assert_eq!(next().as_deref(), Some(&b""[..]));
        assert_eq!(next().as_deref(), Some(&b"two"[..]));
        assert_eq!(next(), None);
        let mut endless = io::BufReader::new(io::repeat(b'x'));
        assert_eq!(line(&mut endless).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
