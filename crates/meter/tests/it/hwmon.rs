//! The sensors of hwmon beside other sources and models.

use units::{Domain, DomainEnergy, Method, Origin, WarningKind, Watts};
use wattlab_meter::{Channel, Estimator, Kind, SpanReport};

use crate::fake::{Script, Tree};

/// Domain and device of each energy that counts.
fn counted(report: &SpanReport) -> Vec<(Domain, &str)> {
    let counts = |energy: &&DomainEnergy| energy.in_total;
    report
        .domains
        .iter()
        .filter(counts)
        .map(|energy| (energy.domain, energy.device.as_str()))
        .collect()
}

fn model() -> Estimator {
    Estimator::cpu_time(Watts(5.0), 0.2)
}

/// The input of a Jetson Orin NX (zeus pull request 167).
fn jetson() -> Tree {
    let rails = [("VDD_IN", "1200"), ("VDD_CPU_GPU_CV", "400"), ("VDD_SOC", "200")];
    let tree = Tree::new().put("class/hwmon/hwmon1/name", "ina3221");
    rails.into_iter().zip(1..).fold(tree, |tree, ((label, current), number)| {
        tree.put(&format!("class/hwmon/hwmon1/in{number}_label"), label)
            .put(&format!("class/hwmon/hwmon1/in{number}_input"), "5000")
            .put(&format!("class/hwmon/hwmon1/curr{number}_input"), current)
    })
}

#[test]
fn the_input_of_a_module_is_measured_and_no_model_is_added() {
    let tree = jetson();
    let meter = tree.builder().sampled_by_hand().estimator(model()).estimate_memory();
    let meter = meter.start().unwrap();
    let report = meter.span("fit").end();
    assert_eq!(counted(&report), [(Domain::System, "ina3221/VDD_IN")]);
    assert_eq!(report.total.unwrap().origin, Origin::Measured);
    assert!(meter.probe_uses().iter().all(|channel| channel.probe != "cpu-time"));
}

#[test]
fn the_plugin_and_hwmon_see_one_board() {
    for (address, kept) in [("0000:05:00.0", 1), ("PCI/00000000:05:00.0", 1), ("0000:06:00.0", 2)] {
        let tree = Tree::new()
            .put("class/hwmon/hwmon2/name", "amdgpu")
            .put("class/hwmon/hwmon2/power1_input", "95000000")
            .link("class/hwmon/hwmon2/device", "devices/0000:05:00.0", false);
        let method = Method::IntegratedPower;
        let mut channel = Channel::new("amdgpu", Domain::Gpu, address, Kind::Power, method, 1.0);
        channel.identity = Some(address.to_owned());
        let plugin = Script::new(channel);
        plugin.set(Some(95));
        let meter = tree.builder().sampled_by_hand().source(plugin).start().unwrap();
        let report = meter.span("fit").end();
        assert_eq!(counted(&report).len(), kept, "{address}: {report:?}");
    }
}

/// Both sockets of a dual EPYC with several NUMA nodes show one register (amd_energy issue 5). hwmon is
/// read on a thread of its own.
#[test]
fn two_sockets_that_show_one_register_are_counted_once() {
    let file = |socket: u32| format!("class/hwmon/hwmon3/energy{socket}_input");
    let tree = Tree::new()
        .put("class/hwmon/hwmon3/name", "amd_energy")
        .put("class/hwmon/hwmon3/energy1_label", "Esocket0")
        .put("class/hwmon/hwmon3/energy2_label", "Esocket1")
        .put(&file(1), "1000000")
        .put(&file(2), "1000000");
    let meter = tree.builder().sampled_by_hand().start().unwrap();
    let span = meter.span("fit");
    for step in 1..=10 {
        let value = (1_000_000 + 6_800_000 * step).to_string();
        tree.replace(&file(1), &value);
        tree.replace(&file(2), &value);
        // Both ends of a span wait for a reading.
        let _ = meter.span("step").end();
    }
    let report = span.end();
    assert_eq!(counted(&report), [(Domain::CpuPackage, "amd_energy/Esocket0")]);
    let told = report.warnings.iter().find(|warning| warning.kind == WarningKind::Overlap);
    assert!(told.unwrap().text.contains("Esocket1"), "{:?}", report.warnings);
}

#[test]
fn an_unknown_sensor_is_listed_and_the_model_counts() {
    let tree = Tree::new()
        .put("class/hwmon/hwmon1/name", "ltc2945")
        .put("class/hwmon/hwmon1/power1_input", "9000000");
    let meter = tree.builder().sampled_by_hand().estimator(model()).start().unwrap();
    let report = meter.span("fit").end();
    assert_eq!(counted(&report), [(Domain::CpuProcess, "process")]);
    assert!(report.domains.iter().any(|energy| energy.domain == Domain::Other), "{report:?}");
    // Without a model it is all that is known.
    let report = tree.meter().span("fit").end();
    assert_eq!(counted(&report), [(Domain::Other, "ltc2945/power1")]);
}

/// The socket of NVIDIA Grace contains its memory.
#[test]
fn no_model_of_memory_is_added_to_a_socket_that_contains_it() {
    let tree = Tree::new()
        .put("class/hwmon/hwmon1/name", "power_meter")
        .put("class/hwmon/hwmon1/power1_oem_info", "Grace Power Socket 0")
        .put("class/hwmon/hwmon1/power1_average", "60000000");
    let meter = tree.builder().sampled_by_hand().estimate_memory().start().unwrap();
    let uses: Vec<String> = meter.probe_uses().into_iter().map(|channel| channel.probe).collect();
    assert_eq!(uses, ["hwmon"]);
}

/// lm-sensors issue 460: a meter that cannot measure hides no model.
#[test]
fn the_error_value_of_acpi_leaves_the_model() {
    let tree = Tree::new()
        .put("class/hwmon/hwmon1/name", "power_meter")
        .put("class/hwmon/hwmon1/power1_average", "4294967295000");
    let meter = tree.builder().sampled_by_hand().estimator(model()).start().unwrap();
    let report = meter.span("fit").end();
    assert_eq!(counted(&report), [(Domain::CpuProcess, "process")]);
    let status = meter.probes().iter().find(|status| status.probe == "hwmon").unwrap();
    assert!(status.reason.as_ref().unwrap().contains("0xffffffff"), "{status:?}");
}
