//! Which channels count, on machines of every kind.

use proptest::prelude::*;

use super::*;
use crate::source::Kind;

fn check(channels: &[(&str, Domain, &str, Option<&str>, bool)]) {
    let made: Vec<Channel> = channels
        .iter()
        .map(|(probe, domain, device, inside, _)| {
            let method = Method::IntegratedPower;
            let mut channel = Channel::new(probe, *domain, device, Kind::Power, method, 1.0);
            channel.inside = inside.map(Into::into);
            channel
        })
        .collect();
    let expected: Vec<bool> = channels.iter().map(|(.., expected)| *expected).collect();
    let mirrored = vec![false; made.len()];
    assert_eq!(in_total(&made.iter().collect::<Vec<_>>(), &mirrored), expected, "{channels:?}");
}

#[test]
fn parts_and_overlaps_are_not_counted_twice() {
    check(&[
        ("rapl", Domain::CpuPackage, "package-0", None, true),
        ("rapl", Domain::CpuCore, "package-0/core", Some("package-0"), false),
        ("rapl", Domain::CpuUncore, "package-0/uncore", Some("package-0"), false),
        ("rapl", Domain::Dram, "package-0/dram", None, true),
        ("rapl", Domain::CpuPackage, "package-1", None, true),
        ("rapl", Domain::Psys, "psys", None, false),
        ("nvml", Domain::Gpu, "gpu-0", None, true),
        ("nvml", Domain::Gpu, "gpu-1", None, true),
        ("cpu-time", Domain::CpuProcess, "process", None, false),
    ]);
}

#[test]
fn the_whole_counts_if_no_part_is_measured() {
    check(&[
        ("rapl", Domain::Psys, "psys", None, true),
        ("cpu-time", Domain::CpuProcess, "process", None, false),
    ]);
    check(&[
        ("rapl", Domain::Psys, "psys", None, false),
        ("plug", Domain::System, "wall", None, true),
    ]);
    check(&[
        ("nvml", Domain::Gpu, "gpu-0", None, false),
        ("plug", Domain::System, "wall", None, true),
    ]);
    check(&[
        ("nvml", Domain::Gpu, "gpu-0", None, true),
        ("cpu-time", Domain::CpuProcess, "process", None, true),
    ]);
}

#[test]
fn a_second_probe_of_the_same_part_is_not_counted() {
    check(&[
        ("rapl", Domain::CpuPackage, "package-0", None, true),
        ("other", Domain::CpuPackage, "socket 0", None, false),
        ("nvml", Domain::Gpu, "GPU-1", None, true),
        ("other", Domain::Gpu, "GPU-1", None, false),
        ("other", Domain::Gpu, "GPU-2", None, true),
    ]);
}

/// A channel, and what the catalog of chips knows of it.
fn known(domain: Domain, device: &str, tell: impl FnOnce(&mut Channel)) -> Channel {
    let method = Method::IntegratedPower;
    let mut channel = Channel::new("hwmon", domain, device, Kind::Power, method, 1e-6);
    tell(&mut channel);
    channel
}

fn family_of(name: &str) -> impl FnOnce(&mut Channel) {
    let name = name.to_owned();
    |channel| channel.overlap.family = Some(name)
}

fn counted(channels: &[Channel]) -> Vec<bool> {
    in_total(&channels.iter().collect::<Vec<_>>(), &vec![false; channels.len()])
}

#[test]
fn of_two_kinds_of_chip_that_see_the_sockets_the_first_counts() {
    let channels = [
        known(Domain::CpuPackage, "amd_energy/Esocket0", family_of("amd_energy")),
        known(Domain::CpuPackage, "amd_energy/Esocket1", family_of("amd_energy")),
        known(Domain::CpuPackage, "amd_hsmp_hwmon/power1", family_of("hsmp")),
        known(Domain::CpuCore, "zenpower/SVI2_P_Core", family_of("zenpower")),
    ];
    assert_eq!(counted(&channels), [true, true, false, false]);
    assert_eq!(counted(&channels[2..]), [true, false]);
    assert_eq!(counted(&channels[3..]), [true]);
}

#[test]
fn the_rails_of_a_module_do_not_hide_its_input() {
    let inside = |channel: &mut Channel| channel.inside = Some("ina3221/VDD_IN".to_owned());
    let channels = [
        known(Domain::CpuPackage, "ina3221/VDD_CPU_GPU_CV", inside),
        known(Domain::Other, "ina3221/VDD_SOC", |channel| {
            channel.overlap.apart = true;
            inside(channel);
        }),
        known(Domain::System, "ina3221/VDD_IN", |_| {}),
        known(Domain::Gpu, "another probe's view of the same GPU", |_| {}),
    ];
    assert_eq!(counted(&channels), [false, false, true, false]);
    // Without the input, the rails count: nothing contains them.
    assert_eq!(counted(&channels[..2]), [true, true]);
}

#[test]
fn what_a_supply_takes_contains_what_it_gives() {
    let output = |channel: &mut Channel| {
        channel.overlap.output = true;
        channel.overlap.family = Some("psu".to_owned());
    };
    let channels = [
        known(Domain::System, "corsairpsu/power total", output),
        known(Domain::System, "power_meter/power1", family_of("acpi")),
    ];
    assert_eq!(counted(&channels), [false, true]);
    assert_eq!(counted(&channels[..1]), [true]);
}

#[test]
fn the_same_identity_is_one_device_in_whatever_domain() {
    let identity = |channel: &mut Channel| channel.identity = Some("pci/0000:74:00.0".to_owned());
    let channels = [
        known(Domain::CpuPackage, "amdgpu/PPT", identity),
        known(Domain::Gpu, "0000:74:00.0", identity),
    ];
    assert_eq!(counted(&channels), [true, false]);
}

/// In a container or a virtual machine the link to the board's device may be missing.
#[test]
fn a_board_without_an_address_is_that_of_the_plugin_of_its_driver() {
    let method = Method::IntegratedPower;
    let plugin = Channel::new("amdgpu", Domain::Gpu, "hwmon2", Kind::Power, method, 1e-6);
    let other = Channel::new("nvml", Domain::Gpu, "GPU-1", Kind::Power, method, 1e-6);
    let hwmon = known(Domain::Gpu, "amdgpu/PPT", family_of("amdgpu"));
    assert_eq!(counted(&[hwmon, plugin, other]), [true, false, true]);
}

#[test]
fn an_unknown_sensor_counts_only_if_nothing_else_does() {
    let unknown = known(Domain::Other, "ltc2945/power1", |_| {});
    let package = known(Domain::CpuPackage, "package-0", |_| {});
    let mut model = known(Domain::CpuProcess, "process", |_| {});
    model.method = Method::Model;
    assert_eq!(counted(&[unknown.clone(), package]), [false, true]);
    assert_eq!(counted(&[unknown.clone(), model]), [false, true]);
    assert_eq!(counted(&[unknown.clone(), known(Domain::Other, "b", |_| {})]), [true, true]);
    let output = known(Domain::Other, "c", |channel| channel.inside = Some(unknown.device.clone()));
    assert_eq!(counted(&[unknown, output]), [true, false]);
}

#[test]
fn no_model_is_added_to_a_sensor_that_contains_its_part() {
    let mut memory = known(Domain::Dram, "memory", |_| {});
    memory.method = Method::Model;
    let grace = known(Domain::CpuPackage, "Grace Power Socket 0", |channel| {
        channel.overlap.contains = vec![Domain::Dram];
    });
    assert_eq!(counted(&[grace, memory.clone()]), [true, false]);
    assert_eq!(counted(&[known(Domain::CpuPackage, "package-0", |_| {}), memory]), [true, true]);
}

proptest! {
    /// Whatever contains whatever, no channel counts beside one that contains it, and no identity
    /// counts twice.
    #[test]
    fn nothing_counts_together_with_what_contains_it(
        shapes in prop::collection::vec((0_usize..8, 0_usize..12, 0_u8..4, any::<bool>()), 1..12),
    ) {
        const DOMAINS: [Domain; 8] = [
            Domain::System, Domain::Psys, Domain::CpuPackage, Domain::CpuCore,
            Domain::CpuUncore, Domain::Dram, Domain::Gpu, Domain::Other,
        ];
        let channels: Vec<Channel> = shapes
            .iter()
            .enumerate()
            .map(|(at, (domain, outer, identity, apart))| {
                known(DOMAINS[*domain], &format!("d{at}"), |channel| {
                    channel.inside = Some(format!("d{outer}"));
                    channel.identity = (*identity > 0).then(|| format!("id{identity}"));
                    channel.overlap.apart = *apart;
                })
            })
            .collect();
        let counted = counted(&channels);
        for (at, channel) in channels.iter().enumerate().filter(|(at, _)| counted[*at]) {
            let outer = channels.iter().find(|outer| Some(&outer.device) == channel.inside.as_ref());
            prop_assert!(outer.is_none());
            let copies = channels.iter().enumerate().filter(|(other, copy)| {
                *other != at && counted[*other]
                    && copy.identity.is_some() && copy.identity == channel.identity
            });
            prop_assert_eq!(copies.count(), 0);
        }
    }
}
