//! A simulated sensor with the faults of real ones.

use units::{Domain, Method, Seconds};

use super::Wave;
use crate::{
    clock::{Clock, VirtualClock},
    source::{Channel, Kind, ReadError, Source},
};

/// A fault of a simulated sensor, and its time in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SensorFault {
    /// Between two times, every reading fails with this text.
    Fails(f64, f64, &'static str),
    /// At this time the counter is reset to 0.
    Resets(f64),
    /// Between two times, every reading shows this value.
    Shows(f64, f64, u64),
}

/// A sensor that shows a [`Wave`] as real sensors do: renewed at intervals, rounded down to a unit,
/// averaged, and wrapped.
#[derive(Clone, Debug)]
pub struct Sensor {
    channels: Vec<Channel>,
    clock: VirtualClock,
    wave: Wave,
    period: f64,
    phase: f64,
    offset: u64,
    /// For a power: the share of each update period in which the sensor samples.
    duty: f64,
    faults: Vec<SensorFault>,
}

impl Sensor {
    /// A counter with a unit in joules that is renewed every `period` seconds and wraps at `range`
    /// units.
    #[must_use]
    pub fn counter(
        clock: &VirtualClock,
        domain: Domain,
        wave: Wave,
        (unit, period, range): (f64, f64, Option<u64>),
    ) -> Self {
        let (kind, method) = (Kind::Counter { range }, Method::Counter);
        Self::new(
            clock,
            Channel::new("simulated", domain, "device", kind, method, unit),
            period,
            wave,
        )
    }

    /// A power with a unit in watts that is renewed every `period` seconds and shows the mean of the
    /// last `averaging` seconds; 0 for the instantaneous power.
    #[must_use]
    pub fn power(
        clock: &VirtualClock,
        domain: Domain,
        wave: Wave,
        (unit, period, averaging): (f64, f64, f64),
    ) -> Self {
        let method = Method::IntegratedPower;
        let mut channel = Channel::new("simulated", domain, "device", Kind::Power, method, unit);
        channel.averaging = Seconds(averaging);
        Self::new(clock, channel, period, wave)
    }

    fn new(clock: &VirtualClock, mut channel: Channel, period: f64, wave: Wave) -> Self {
        channel.period = Seconds(period);
        let (channels, clock) = (vec![channel], clock.clone());
        Self { channels, clock, wave, period, phase: 0.0, offset: 0, duty: 1.0, faults: Vec::new() }
    }

    /// Sets the names of its probe and its device.
    #[must_use]
    pub fn named(mut self, probe: &str, device: &str) -> Self {
        self.channels[0].probe = probe.to_owned();
        self.channels[0].device = device.to_owned();
        self
    }

    /// Renews the value this many seconds after the multiples of its period.
    #[must_use]
    pub fn phase(mut self, phase: f64) -> Self {
        self.phase = phase;
        self
    }

    /// Starts the counter at a value.
    #[must_use]
    pub fn starting_at(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Samples the power only in the last part of each update period, of this share.
    #[must_use]
    pub fn duty(mut self, duty: f64) -> Self {
        self.duty = duty;
        self
    }

    /// States an update period that is not the true one.
    #[must_use]
    pub fn declaring(mut self, period: f64) -> Self {
        self.channels[0].period = Seconds(period);
        self
    }

    /// Adds faults.
    #[must_use]
    pub fn with(mut self, faults: impl IntoIterator<Item = SensorFault>) -> Self {
        self.faults.extend(faults);
        self
    }
}

impl Source for Sensor {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn may_block(&self) -> bool {
        false
    }

    fn read(&mut self, _channel: usize) -> Result<u64, ReadError> {
        let now = self.clock.now().0;
        let mut start = 0.0;
        for fault in &self.faults {
            match *fault {
                SensorFault::Fails(from, to, reason) if (from..to).contains(&now) => {
                    return Err(ReadError {
                        probe: self.channels[0].probe.clone(),
                        device: self.channels[0].device.clone(),
                        reason: reason.to_owned(),
                    });
                }
                SensorFault::Shows(from, to, value) if (from..to).contains(&now) => {
                    return Ok(value);
                }
                SensorFault::Resets(at) if now >= at => start = at,
                _ => {}
            }
        }
        let renewed = if self.period > 0.0 {
            ((now - self.phase) / self.period).floor() * self.period + self.phase
        } else {
            now
        };
        let channel = &self.channels[0];
        let units = |value: f64| (value.max(0.0) / channel.unit) as u64;
        Ok(match channel.kind {
            Kind::Counter { range } => {
                let counted = self.wave.energy(renewed.max(start)) - self.wave.energy(start);
                let offset = if start > 0.0 { 0 } else { self.offset };
                let value = offset + units(counted);
                range.map_or(value, |range| value % range)
            }
            Kind::Power => {
                let window =
                    if self.duty < 1.0 { self.period * self.duty } else { channel.averaging.0 };
                if window > 0.0 {
                    let from = (renewed - window).max(0.0);
                    let energy = self.wave.energy(renewed) - self.wave.energy(from);
                    units(energy / (renewed - from).max(1e-9))
                } else {
                    units(self.wave.power(renewed))
                }
            }
        })
    }
}
