//! Which values a sensor can show at all, and which powers are likely.
//!
//! Drivers show the error values of their hardware as if they were measured: an ACPI power meter that
//! fails answers 0xffffffff milliwatts (ACPI 6.5, 10.4.4), which `acpi_power_meter` shows as
//! 4.29 MW. A value that hardware of its kind cannot reach is a failed reading, with the reason.

use units::{Domain, Method, Watts};

use crate::source::{Channel, Kind};

/// A power that no hardware exceeds through one channel of this domain. A counter's shortest time
/// to wrap is its range divided by this power.
///
/// Each value is at least three times the largest rated power on sale in 2025: 500 W for a package
/// (AMD EPYC 9965, Intel Xeon 6980P; a Xeon w9-3495X drew 1.9 kW under liquid nitrogen), 1.4 kW for
/// a GPU board (AMD MI355X, NVIDIA B300), 14.3 kW for a machine (NVIDIA DGX B200). A platform is one
/// board with its processors and memory; anything may hide behind `other`, a machine included.
pub(crate) fn highest_power(domain: Domain) -> Watts {
    match domain {
        Domain::CpuPackage
        | Domain::CpuCore
        | Domain::CpuUncore
        | Domain::CpuDie
        | Domain::Dram => Watts(2e3),
        Domain::Gpu => Watts(5e3),
        Domain::Psys => Watts(1e4),
        // A model's output: there is no hardware that could misreport it.
        Domain::CpuProcess => Watts(f64::INFINITY),
        _ => Watts(5e4),
    }
}

/// A power that most hardware of this domain stays below. It stands for a power that was not seen
/// until the channel has shown powers of its own.
///
/// Sources: the largest thermal design power of a package (500 W), 24 memory modules at 12 W, the
/// rated power of a GPU board (NVIDIA B200: 1 kW), the power supply of a server with two sockets
/// (2 kW).
pub(crate) fn likely_power(domain: Domain) -> Watts {
    match domain {
        Domain::CpuPackage | Domain::CpuCore | Domain::CpuUncore | Domain::CpuDie => Watts(500.0),
        Domain::CpuProcess => Watts(500.0),
        Domain::Dram => Watts(300.0),
        Domain::Gpu => Watts(1e3),
        Domain::Psys | Domain::System => Watts(2e3),
        _ => Watts(500.0),
    }
}

/// The most that a channel can draw: what its source states, or else what its domain allows.
pub(crate) fn highest(channel: &Channel) -> Watts {
    match channel.highest {
        // A model computes; it does not misread.
        _ if channel.method == Method::Model => Watts(f64::INFINITY),
        Some(highest) => highest,
        None => highest_power(channel.domain),
    }
}

/// Whether hardware of this domain draws power at all times, so that its counter always moves.
/// Cores and uncore do not: they may be switched off.
pub(crate) fn always_draws(domain: Domain) -> bool {
    matches!(
        domain,
        Domain::CpuPackage
            | Domain::CpuDie
            | Domain::Dram
            | Domain::Gpu
            | Domain::Psys
            | Domain::System
    )
}

/// Values by which hardware and drivers say that they have none: all bits of 32 or 64 set, with or
/// without a sign, also after the step from milliwatts to microwatts.
fn is_error_value(raw: u64, kind: Kind) -> bool {
    const ONES: u64 = u32::MAX as u64;
    const POSITIVE: u64 = i32::MAX as u64;
    match kind {
        // A counter may pass through the smaller ones.
        Kind::Counter { .. } => raw == u64::MAX,
        Kind::Power => {
            matches!(raw, ONES | POSITIVE | u64::MAX)
                || raw == ONES * 1000
                || raw >> 1 == u64::MAX >> 2
        }
    }
}

/// Why a raw value cannot be a measurement; `None` if it can.
pub(crate) fn refused(channel: &Channel, raw: u64) -> Option<String> {
    if channel.method == Method::Model {
        return None;
    }
    if is_error_value(raw, channel.kind) {
        return Some(format!("it shows {raw}, by which drivers report that there is no value"));
    }
    let (power, highest) = (channel.watts(raw), highest(channel));
    let refused = power.0.is_nan() || power.0 > highest.0;
    (channel.kind == Kind::Power && refused).then(|| {
        format!("it shows {power:.0}, expected at most {highest:.0} for {}", channel.domain.word())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(domain: Domain, unit: f64) -> Channel {
        Channel::new("hwmon", domain, "power1", Kind::Power, Method::IntegratedPower, unit)
    }

    #[test]
    fn the_error_values_of_real_sensors_are_no_measurements() {
        let meter = power(Domain::System, 1e-6);
        for raw in [
            // lm-sensors issue 460: the ACPI power meter's error, in microwatts.
            4_294_967_295_000,
            // The same without the conversion: a plausible 4.3 kW, but the pattern is an error's.
            4_294_967_295,
            2_147_483_647,
            // A negative power as an unsigned number: -5 W of a battery that is charging.
            (-5_000_000_i64) as u64,
            u64::MAX,
            i64::MAX as u64,
        ] {
            assert!(refused(&meter, raw).is_some(), "{raw}");
        }
        // A smart plug whose answer of 1e308 W saturates, in milliwatts.
        assert!(refused(&power(Domain::System, 1e-3), u64::MAX).is_some());
        // AMD's metrics table: 0xffff W for "not supported".
        assert!(refused(&power(Domain::Gpu, 1.0), 65_535).is_some());
        assert_eq!(refused(&meter, 14_300_000_000), None, "a DGX B200 at full load");
        assert_eq!(refused(&power(Domain::Gpu, 1e-3), 1_400_000), None, "an MI355X at full load");
        let mut limited = power(Domain::System, 1e-3);
        limited.highest = Some(Watts(3_680.0));
        assert!(refused(&limited, 4_000_000).is_some(), "16 A at 230 V");
    }

    #[test]
    fn a_counter_passes_through_values_that_are_errors_of_a_power() {
        let (kind, method) = (Kind::Counter { range: None }, Method::Counter);
        let counter = Channel::new("rapl", Domain::CpuPackage, "package-0", kind, method, 1e-6);
        assert_eq!(refused(&counter, 4_294_967_295), None);
        assert!(refused(&counter, u64::MAX).is_some());
    }
}
