//! Energy at the wall from a smart plug (Shelly, Tasmota) over HTTP.
#![forbid(unsafe_code)]

use std::{ffi::CStr, time::Duration};

use probe_abi::{Channel, Domain, Failure, Kind, Options, Probe};
use serde_json::Value;

/// How long to wait for a plug that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a kind of plug is asked, and where the values are in its answer. Raw values of power are
/// milliwatts.
struct Dialect {
    kind: &'static str,
    path: &'static str,
    power: &'static str,
    energy: &'static str,
    /// Raw units of the counter per unit of the plug, and joules per raw unit.
    counter: (f64, f64),
}

const DIALECTS: [Dialect; 3] = [
    // https://shelly-api-docs.shelly.cloud/gen1/: `total` in watt-minutes.
    Dialect {
        kind: "shelly-gen1",
        path: "/meter/0",
        power: "/power",
        energy: "/total",
        counter: (1.0, 60.0),
    },
    // https://shelly-api-docs.shelly.cloud/gen2/: `aenergy.total` in watt-hours, with a resolution of 1 mWh.
    Dialect {
        kind: "shelly-gen2",
        path: "/rpc/Switch.GetStatus?id=0",
        power: "/apower",
        energy: "/aenergy/total",
        counter: (1e3, 3.6),
    },
    // https://tasmota.github.io/docs/: `Total` in kilowatt-hours, with a resolution of 1 Wh.
    Dialect {
        kind: "tasmota",
        path: "/cm?cmnd=Status%208",
        power: "/StatusSNS/ENERGY/Power",
        energy: "/StatusSNS/ENERGY/Total",
        counter: (1e3, 3_600.0),
    },
];

/// One plug. Its counter is coarse (3.6 J to 3.6 kJ), so by default its power is read. The option
/// `channel` = `energy` selects the counter, for spans of hours.
struct Plug {
    agent: ureq::Agent,
    url: String,
    device: String,
    dialect: &'static Dialect,
    kind: Kind,
}

impl Plug {
    fn value(&self) -> Result<u64, Failure> {
        let silent = |_| Failure {
            code: -4,
            reason: "the plug does not answer\ncheck whether a browser on this machine can open its address",
        };
        let strange = Failure {
            code: -5,
            reason: "the plug's answer does not have the expected form\ncheck the option `kind`",
        };
        let mut response = self.agent.get(&self.url).call().map_err(silent)?;
        let text = response.body_mut().read_to_string().map_err(silent)?;
        let answer: Value = serde_json::from_str(&text).map_err(|_| strange)?;
        let (field, factor) = match self.kind {
            Kind::Power => (self.dialect.power, 1e3),
            Kind::Counter => (self.dialect.energy, self.dialect.counter.0),
        };
        let value = answer.pointer(field).and_then(Value::as_f64).ok_or(strange)?;
        // Some plugs show a load that feeds back as a negative power; it draws nothing.
        Ok((value * factor).round().max(0.0) as u64)
    }
}

impl Probe for Plug {
    const NAME: &'static CStr = c"plug";
    const OPTIONS: &'static [&'static str] = &["url", "kind", "channel"];

    fn open(options: &Options) -> Result<Self, Failure> {
        let url = options.get("url").ok_or(Failure {
            code: -1,
            reason: "the address of the plug is missing\nset the option `url`, such as http://192.168.1.20",
        })?;
        let host = url.strip_prefix("http://").filter(|host| !host.is_empty()).ok_or(Failure {
            code: -2,
            reason: "the option `url` does not start with http://\nset an address such as http://192.168.1.20",
        })?;
        let kind = options.get("kind").unwrap_or("shelly-gen2");
        let dialect = DIALECTS.iter().find(|dialect| dialect.kind == kind).ok_or(Failure {
            code: -3,
            reason: "the option `kind` is unknown\nset it to shelly-gen1, shelly-gen2 or tasmota",
        })?;
        let channel = match options.get("channel") {
            None | Some("power") => Kind::Power,
            Some("energy") => Kind::Counter,
            Some(_) => {
                let reason = "the option `channel` is unknown\nset it to power or energy";
                return Err(Failure { code: -3, reason });
            }
        };
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build();
        let plug = Self {
            agent: config.into(),
            url: format!("{}{}", url.trim_end_matches('/'), dialect.path),
            device: host.trim_end_matches('/').to_owned(),
            dialect,
            kind: channel,
        };
        plug.value().map(|_| plug)
    }

    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>)) {
        let unit = match self.kind {
            Kind::Power => 1e-3,
            Kind::Counter => self.dialect.counter.1,
        };
        describe(Channel {
            // Plugs measure about once a second; their makers state errors of 1 % to 3 %.
            period_ns: 1_000_000_000,
            averaging_ns: if self.kind == Kind::Power { 1_000_000_000 } else { 0 },
            relative_error: 0.03,
            ..Channel::new(self.kind, Domain::System, &self.device, unit)
        });
    }

    fn read(&mut self, channel: usize) -> Result<u64, Failure> {
        match channel {
            0 => self.value(),
            _ => Err(Failure { code: -6, reason: "no such channel" }),
        }
    }
}

probe_abi::export!(Plug);

#[cfg(test)]
mod tests;
