//! What is found in trees of the real chips.

use std::os::unix::fs::symlink;

use super::*;

/// Adds a chip; a file `device` is a link to a folder of that name.
fn chip(root: &Path, number: u32, files: &[(&str, &str)]) {
    let path = root.join(format!("class/hwmon/hwmon{number}"));
    fs::create_dir_all(&path).unwrap();
    for (name, text) in files {
        if *name == "device" {
            let device = root.join("devices").join(text);
            fs::create_dir_all(&device).unwrap();
            symlink(device, path.join("device")).unwrap();
        } else {
            fs::write(path.join(name), format!("{text}\n")).unwrap();
        }
    }
}

/// The domain of each channel, its device, and the device that contains it.
fn found(root: &Path) -> Vec<(Domain, String, Option<String>)> {
    let hwmon = Hwmon::open(root).unwrap_or_else(|absent| panic!("{absent:?}"));
    let channel =
        |channel: &Channel| (channel.domain, channel.device.clone(), channel.inside.clone());
    hwmon.channels().iter().map(channel).collect()
}

/// The same, for a tree of one chip.
fn of_chip(files: &[(&str, &str)]) -> Vec<(Domain, String, Option<String>)> {
    let root = tempfile::tempdir().unwrap();
    chip(root.path(), 0, files);
    found(root.path())
}

fn line(domain: Domain, device: &str, inside: Option<&str>) -> (Domain, String, Option<String>) {
    (domain, device.to_owned(), inside.map(str::to_owned))
}

#[test]
fn the_sensors_of_every_kind_of_chip_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    chip(path, 0, &[("name", "coretemp"), ("temp1_input", "40000")]);
    chip(
        path,
        1,
        &[
            ("name", "amd_energy"),
            ("energy1_label", "Ecore000"),
            ("energy1_input", "1000000"),
            ("energy2_label", "Esocket0"),
            ("energy2_input", "9000000"),
        ],
    );
    chip(path, 2, &[("name", "amdgpu"), ("power1_average", "35000000"), ("power1_input", "1")]);
    chip(
        path,
        3,
        &[
            ("name", "power_meter"),
            ("power1_average", "150000000"),
            ("power1_average_interval", "1000"),
            ("power1_accuracy", "97.5%"),
        ],
    );
    chip(path, 4, &[("name", "ina226"), ("power1_input", "2500000"), ("update_interval", "140")]);
    let mut found = Hwmon::open(path).unwrap();
    let devices: Vec<(Domain, &str)> =
        found.channels().iter().map(|channel| (channel.domain, channel.device.as_str())).collect();
    assert_eq!(
        devices,
        [
            (Domain::CpuCore, "amd_energy/Ecore000"),
            (Domain::CpuPackage, "amd_energy/Esocket0"),
            (Domain::Gpu, "amdgpu/power1"),
            (Domain::System, "power_meter/power1"),
            (Domain::Other, "ina226/power1"),
        ]
    );
    let channels = found.channels();
    assert_eq!(channels[0].inside.as_deref(), Some("amd_energy/Esocket0"));
    assert_eq!(channels[3].averaging, Seconds(1.0));
    assert!((channels[3].relative_error.unwrap() - 0.025).abs() < 1e-12);
    assert_eq!(channels[4].period, Seconds(0.14));
    // No sensor is exact, whether its driver states an accuracy or not.
    assert!(channels.iter().all(|channel| channel.relative_error > Some(0.0)));
    let raw: Vec<u64> = (0..5).map(|channel| found.read(channel).unwrap()).collect();
    assert_eq!(raw, [1_000_000, 9_000_000, 35_000_000, 150_000_000, 2_500_000]);
}

#[test]
fn a_machine_without_sensors_gets_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Hwmon::open(folder.path()).err().unwrap().reason.contains("no sensor"));
}

/// `acpi_power_meter` before it used the new interface: name and files are in `hwmonN/device`, as in
/// NVIDIA's Grace tuning guide.
#[test]
fn the_files_of_an_old_driver_are_in_the_folder_of_its_device() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    chip(path, 1, &[("device", "ACPI000D:00")]);
    let device = path.join("devices/ACPI000D:00");
    for (name, text) in [
        ("name", "power_meter"),
        ("power1_average", "60000000"),
        ("power1_average_interval", "50"),
        ("power1_accuracy", "100.0%"),
        ("power1_oem_info", "Grace Power Socket 0"),
    ] {
        fs::write(device.join(name), format!("{text}\n")).unwrap();
    }
    let mut hwmon = Hwmon::open(path).unwrap();
    let channel = hwmon.channels()[0].clone();
    assert_eq!(channel.device, "power_meter/ACPI000D:00/Grace Power Socket 0");
    assert_eq!((channel.domain, channel.averaging), (Domain::CpuPackage, Seconds(0.05)));
    // A stated accuracy of 100 % is none.
    assert_eq!(channel.relative_error, Some(0.05));
    assert_eq!(channel.overlap.contains, [Domain::Dram]);
    assert_eq!(hwmon.read(0), Ok(60_000_000));
}

/// The four meters of a GH200: alumet's plugin for Grace Hopper, and its firmware's ACPI tables.
#[test]
fn the_rails_of_grace_lie_in_its_socket_and_that_in_its_module() {
    let root = tempfile::tempdir().unwrap();
    for (number, label) in
        ["Module", "Grace", "CPU", "SysIO"].iter().enumerate().map(|(at, label)| (at as u32, label))
    {
        let label = format!("{label} Power Socket 2");
        let device = format!("ACPI000D:0{number}");
        let files = [
            ("name", "power_meter"),
            ("device", device.as_str()),
            ("power1_average", "1000000"),
            ("power1_oem_info", label.as_str()),
        ];
        chip(root.path(), number, &files);
    }
    let device = |number, label| format!("power_meter/ACPI000D:0{number}/{label} Power Socket 2");
    let (module, grace) = (device(0, "Module"), device(1, "Grace"));
    assert_eq!(
        found(root.path()),
        [
            line(Domain::System, &module, None),
            line(Domain::CpuPackage, &grace, Some(&module)),
            line(Domain::CpuCore, &device(2, "CPU"), Some(&grace)),
            line(Domain::CpuUncore, &device(3, "SysIO"), Some(&grace)),
        ]
    );
}

/// Jetson Orin NX: three rails of one monitor without a register of power.
#[test]
fn the_rails_of_a_jetson_are_voltages_times_currents() {
    let root = tempfile::tempdir().unwrap();
    chip(
        root.path(),
        1,
        &[
            ("name", "ina3221"),
            ("device", "1-0040"),
            ("in1_label", "VDD_IN"),
            ("in1_input", "5000"),
            ("curr1_input", "1200"),
            ("in2_label", "VDD_CPU_GPU_CV"),
            ("in2_input", "5000"),
            ("curr2_input", "400"),
            ("in3_label", "VDD_SOC"),
            ("in3_input", "5000"),
            ("curr3_input", "-8"),
            // Voltages over shunts, and their sum.
            ("in4_input", "1"),
            ("in7_input", "3"),
            ("curr4_input", "1592"),
        ],
    );
    let input = "ina3221/1-0040/VDD_IN";
    assert_eq!(
        found(root.path()),
        [
            line(Domain::System, input, None),
            line(Domain::CpuPackage, "ina3221/1-0040/VDD_CPU_GPU_CV", Some(input)),
            line(Domain::Other, "ina3221/1-0040/VDD_SOC", Some(input)),
        ]
    );
    let mut hwmon = Hwmon::open(root.path()).unwrap();
    // An idle rail that shows a little less than nothing draws nothing.
    assert_eq!((hwmon.read(0), hwmon.read(2)), (Ok(6_000_000), Ok(0)));
}

/// Jetson AGX Orin has no sensor of its input; its memory is fed from its 5 V.
#[test]
fn the_rails_of_an_agx_orin_are_the_module() {
    let root = tempfile::tempdir().unwrap();
    let tree = |hwmon: u32, device: &str, rails: &[(u32, &str)]| {
        let rail = |(number, label): &(u32, &str)| {
            [("in", "label", *label), ("in", "input", "5000"), ("curr", "input", "1000")]
                .map(|(kind, what, text)| (format!("{kind}{number}_{what}"), text.to_owned()))
        };
        let files: Vec<(String, String)> = rails.iter().flat_map(rail).collect();
        let mut all = vec![("name", "ina3221"), ("device", device)];
        all.extend(files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        chip(root.path(), hwmon, &all);
    };
    tree(3, "1-0040", &[(1, "VDD_GPU_SOC"), (2, "VDD_CPU_CV"), (3, "VIN_SYS_5V0")]);
    tree(4, "1-0041", &[(1, "NC"), (2, "VDDQ_VDD2_1V8AO")]);
    let five = "ina3221/1-0040/VIN_SYS_5V0";
    assert_eq!(
        found(root.path()),
        [
            line(Domain::Gpu, "ina3221/1-0040/VDD_GPU_SOC", None),
            line(Domain::CpuCore, "ina3221/1-0040/VDD_CPU_CV", None),
            line(Domain::Other, five, None),
            line(Domain::Dram, "ina3221/1-0041/VDDQ_VDD2_1V8AO", Some(five)),
        ]
    );
    let hwmon = Hwmon::open(root.path()).unwrap();
    assert!(hwmon.channels()[2].overlap.apart);
}

#[test]
fn a_channel_of_a_monitor_that_is_switched_off_is_no_sensor() {
    let files = [
        ("name", "ina3221"),
        ("in1_label", "VDD_IN"),
        ("in1_input", "5000"),
        ("curr1_input", "100"),
        ("in2_enable", "0"),
        ("in2_input", "no data"),
        ("curr2_input", "no data"),
    ];
    assert_eq!(of_chip(&files), [line(Domain::System, "ina3221/VDD_IN", None)]);
}

/// Corsair's HX850i: the total is the sum of the rails.
#[test]
fn what_a_supply_gives_contains_its_rails() {
    let files = [
        ("name", "corsairpsu"),
        ("power1_label", "power total"),
        ("power1_input", "214000000"),
        ("power2_label", "power +12v"),
        ("power2_input", "164000000"),
    ];
    assert_eq!(
        of_chip(&files),
        [
            line(Domain::System, "corsairpsu/power total", None),
            line(Domain::System, "corsairpsu/power +12v", Some("corsairpsu/power total")),
        ]
    );
}

/// A supply on PMBus (`pmbus.c`), and a regulator of an unknown maker with the same labels.
#[test]
fn what_a_supply_takes_contains_what_it_gives() {
    for (name, domain) in [("dps650ab", Domain::System), ("xdpe12284", Domain::Other)] {
        let files = [
            ("name", name),
            ("power1_label", "pin"),
            ("power1_input", "120000000"),
            ("power2_label", "pout1"),
            ("power2_input", "108000000"),
        ];
        let (input, output) = (format!("{name}/pin"), format!("{name}/pout1"));
        let expected = [line(domain, &input, None), line(domain, &output, Some(&input))];
        assert_eq!(of_chip(&files), expected);
    }
}

/// An APU's firmware shows the power of the whole socket; only APUs have a voltage `vddnb`.
#[test]
fn an_apu_is_a_processor_and_a_board_is_not() {
    let board = [
        ("name", "amdgpu"),
        ("device", "0000:74:00.0"),
        ("in0_label", "vddgfx"),
        ("power1_label", "PPT"),
        ("power1_input", "15000000"),
    ];
    let device = "amdgpu/0000:74:00.0/PPT";
    assert_eq!(of_chip(&board), [line(Domain::Gpu, device, None)]);
    let apu = [&board[..], &[("in1_label", "vddnb")]].concat();
    assert_eq!(of_chip(&apu), [line(Domain::CpuPackage, device, None)]);
}

/// The mean power of newer boards exists and cannot be read (`-EOPNOTSUPP`).
#[test]
fn the_present_power_is_read_where_the_mean_cannot_be() {
    let root = tempfile::tempdir().unwrap();
    let files = [("name", "amdgpu"), ("power1_average", "N/A"), ("power1_input", "95000000")];
    chip(root.path(), 0, &files);
    let mut hwmon = Hwmon::open(root.path()).unwrap();
    assert_eq!(hwmon.read(0), Ok(95_000_000));
    assert_eq!(hwmon.problems, [""; 0]);
}

/// `occ` divides by all samples since its start, and shows the whole machine, the processor and two
/// of its rails.
#[test]
fn the_present_power_of_power9_is_read() {
    let root = tempfile::tempdir().unwrap();
    let mut files = vec![("name".to_owned(), "occ")];
    for (number, label, input) in
        [(1, "0_system", "700000000"), (2, "0_proc", "150000000"), (3, "0_vdd", "90000000")]
    {
        files.push((format!("power{number}_label"), label));
        files.push((format!("power{number}_average"), "1"));
        files.push((format!("power{number}_input"), input));
    }
    let files: Vec<(&str, &str)> =
        files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    chip(root.path(), 0, &files);
    assert_eq!(
        found(root.path()),
        [
            line(Domain::System, "occ/0_system", None),
            line(Domain::CpuPackage, "occ/0_proc", None),
            line(Domain::CpuCore, "occ/0_vdd", Some("occ/0_proc")),
        ]
    );
    assert_eq!(Hwmon::open(root.path()).unwrap().read(1), Ok(150_000_000));
}

/// The power supplies of the kernel appear in hwmon, too: a battery, and a port of USB-C.
#[test]
fn a_battery_is_no_sensor_of_hwmon() {
    let root = tempfile::tempdir().unwrap();
    chip(
        root.path(),
        1,
        &[("name", "BAT0"), ("device", "power_supply/BAT0"), ("power1_input", "1")],
    );
    chip(root.path(), 2, &[("name", "ucsi_source_psy_USBC000:001"), ("power1_input", "1")]);
    fs::create_dir_all(root.path().join("class/power_supply/macsmc-battery")).unwrap();
    chip(root.path(), 3, &[("name", "macsmc_battery"), ("power1_input", "1")]);
    assert!(Hwmon::open(root.path()).err().unwrap().reason.contains("no sensor"));
}

/// A power meter of ACPI that cannot measure: no channel, so that a model may stand in.
#[test]
fn the_error_value_of_acpi_is_no_power() {
    let root = tempfile::tempdir().unwrap();
    let files = [("name", "power_meter"), ("power1_average", "4294967295000")];
    chip(root.path(), 0, &files);
    let absent = Hwmon::open(root.path()).err().unwrap();
    assert!(absent.reason.contains("ACPI's value for an error"), "{absent:?}");
    assert!(absent.remedy.contains("dmesg"), "{absent:?}");
    for hostile in ["18446744073709551615", "-5", "", "1e9", "0x10"] {
        chip(root.path(), 0, &[("power1_average", hostile)]);
        assert!(Hwmon::open(root.path()).is_err(), "{hostile}");
    }
}

#[test]
fn a_sensor_that_nobody_may_read_has_a_remedy() {
    let root = tempfile::tempdir().unwrap();
    chip(root.path(), 0, &[("name", "amd_energy"), ("energy1_label", "Esocket0")]);
    fs::create_dir(root.path().join("class/hwmon/hwmon0/energy1_input")).unwrap();
    let absent = Hwmon::open(root.path()).err().unwrap();
    assert!(absent.remedy.contains("chmod a+r"), "{absent:?}");
}

/// Two supplies of one model without a link to their device, and a label that appears twice.
#[test]
fn sensors_of_one_name_get_names_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    let files = [
        ("name", "ltc2992"),
        ("power1_label", "a"),
        ("power1_input", "1"),
        ("power2_label", "a"),
        ("power2_input", "2"),
    ];
    for number in [2, 10, 1] {
        chip(root.path(), number, &files);
    }
    let names: Vec<String> = found(root.path()).into_iter().map(|(_, device, _)| device).collect();
    assert_eq!(
        names,
        [
            "ltc2992/a",
            "ltc2992/hwmon1/a",
            "ltc2992/hwmon2/a",
            "ltc2992/hwmon2/a/power2",
            "ltc2992/hwmon10/a",
            "ltc2992/hwmon10/a/power2",
        ]
    );
}

/// The same quantity as energy and as power, with different numbers: `ibmpowernv`.
#[test]
fn an_energy_replaces_the_power_of_its_label() {
    let files = [
        ("name", "ibmpowernv"),
        ("energy1_label", "Chip 0"),
        ("energy1_input", "5"),
        ("power1_label", "System"),
        ("power1_input", "700000000"),
        ("power2_label", "Chip 0"),
        ("power2_input", "150000000"),
        ("power3_label", "Chip 0 Vdd"),
        ("power3_input", "90000000"),
    ];
    let package = "ibmpowernv/Chip 0";
    assert_eq!(
        of_chip(&files),
        [
            line(Domain::CpuPackage, package, None),
            line(Domain::System, "ibmpowernv/System", None),
            line(Domain::CpuCore, "ibmpowernv/Chip 0 Vdd", Some(package)),
        ]
    );
}

/// Intel's boards: the package lies in the card, and the tiles in the device.
#[test]
fn the_parts_of_a_board_lie_in_it() {
    let root = tempfile::tempdir().unwrap();
    let address = ("device", "0000:03:00.0");
    chip(
        root.path(),
        1,
        &[("name", "xe"), address, ("energy1_input", "1"), ("energy2_input", "1")],
    );
    chip(
        root.path(),
        2,
        &[("name", "i915_gt0"), ("device", "0000:04:00.0"), ("energy1_input", "1")],
    );
    chip(root.path(), 3, &[("name", "i915"), ("device", "0000:04:00.0"), ("energy1_input", "1")]);
    let (card, device) = ("xe/0000:03:00.0/energy1", "i915/0000:04:00.0/energy1");
    assert_eq!(
        found(root.path()),
        [
            line(Domain::Gpu, card, None),
            line(Domain::Gpu, "xe/0000:03:00.0/energy2", Some(card)),
            line(Domain::Gpu, "i915_gt0/0000:04:00.0/energy1", Some(device)),
            line(Domain::Gpu, device, None),
        ]
    );
    let hwmon = Hwmon::open(root.path()).unwrap();
    let identities: Vec<_> =
        hwmon.channels().iter().map(|channel| channel.identity.as_deref()).collect();
    let (xe, i915) = (Some("pci/0000:03:00.0"), Some("pci/0000:04:00.0"));
    assert_eq!(identities, [xe, None, None, i915]);
}

#[test]
fn heat_is_no_energy() {
    let files = [
        ("name", "highflownext"),
        ("power1_label", "Dissipated power"),
        ("power1_input", "80000000"),
        ("power2_label", "Pump power"),
        ("power2_input", "4000000"),
    ];
    assert_eq!(of_chip(&files), [line(Domain::Other, "highflownext/Pump power", None)]);
}

/// Jetson Nano with JetPack 4: the rails are in the folders of NVIDIA's driver, in milliwatts
/// (powerjoular issue 89).
#[test]
fn the_rails_of_jetpack_4_are_found() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("bus/i2c/drivers/ina3221x/6-0040/iio:device0");
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in [
        ("rail_name_0", "POM_5V_IN"),
        ("in_power0_input", "4021"),
        ("rail_name_1", "POM_5V_GPU"),
        ("in_power1_input", "-3"),
        ("rail_name_2", "POM_5V_CPU"),
        ("in_power2_input", "1200"),
    ] {
        fs::write(folder.join(name), format!("{text}\n")).unwrap();
    }
    let input = "ina3221x/6-0040/POM_5V_IN";
    assert_eq!(
        found(root.path()),
        [
            line(Domain::System, input, None),
            line(Domain::Gpu, "ina3221x/6-0040/POM_5V_GPU", Some(input)),
            line(Domain::CpuCore, "ina3221x/6-0040/POM_5V_CPU", Some(input)),
        ]
    );
    let mut hwmon = Hwmon::open(root.path()).unwrap();
    assert_eq!((hwmon.read(0), hwmon.read(1)), (Ok(4_021_000), Ok(0)));
}
