//! Sends energy and power to an OpenTelemetry collector, on a thread of its own: a collector that does not
//! answer delays nobody.

use std::{
    io, thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use meter::{Meter, export::otlp};
use ureq::http::Uri;

use crate::progress;

/// How long to wait for the answer to a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// The address of a collector.
#[derive(Clone, Debug)]
pub(super) struct Collector(String);

/// Parses the address of a collector.
///
/// # Errors
///
/// If it is not an address of HTTP.
pub(super) fn collector(text: &str) -> Result<Collector, String> {
    let address = text.parse::<Uri>().ok().filter(|address| {
        matches!(address.scheme_str(), Some("http" | "https")) && address.host().is_some()
    });
    address
        .map(|_| Collector(text.to_owned()))
        .ok_or_else(|| "expected an address such as `http://localhost:4318/v1/metrics`".to_owned())
}

impl Collector {
    /// Sends a message after each interval, until the process ends.
    pub(super) fn start(&self, meter: Meter, interval: Duration) -> io::Result<()> {
        let url = self.0.clone();
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
        thread::Builder::new().name("wattlab-otlp".to_owned()).spawn(move || {
            let start = nanoseconds();
            let mut failures = 0_u64;
            loop {
                thread::sleep(interval);
                let body = otlp::metrics(&meter.readings(), start, nanoseconds()).to_string();
                let request = agent.post(&url).header("Content-Type", "application/json");
                match request.send(&body) {
                    Ok(_) => {
                        if failures > 0 {
                            progress::line(&format!(
                                "`{url}` answers again; messages lost: {failures}"
                            ));
                        }
                        failures = 0;
                    }
                    Err(error) => {
                        // Once, and not at every message.
                        if failures == 0 {
                            progress::line(&format!("warning: failed to send to `{url}`: {error}"));
                        }
                        failures += 1;
                    }
                }
            }
        })?;
        Ok(())
    }
}

fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        for good in ["http://localhost:4318/v1/metrics", "https://[::1]/", "http://10.0.0.1"] {
            assert!(collector(good).is_ok(), "{good}");
        }
        for bad in ["localhost:4318", "ftp://host/", "http://", "/v1/metrics", "", "http://a b/"] {
            assert!(collector(bad).is_err(), "{bad}");
        }
    }
}
