use units::{Domain, DomainEnergy, Joules, Method, Origin, WarningKind};
use wattlab_meter::{Estimator, Meter, SpanReport};

use crate::fake::{RANGE, Tree};

fn device<'a>(report: &'a SpanReport, name: &str) -> &'a DomainEnergy {
    report
        .domains
        .iter()
        .find(|energy| energy.device == name)
        .unwrap_or_else(|| panic!("no device `{name}` in {:?}", report.domains))
}

fn close(found: Joules, expected: f64) {
    assert!((found.0 - expected).abs() < 1e-5, "{found}, expected {expected}");
}

fn kinds(report: &SpanReport) -> Vec<WarningKind> {
    // These spans last microseconds, so every counter is too slow for them; that is not tested here.
    let all = report.warnings.iter().map(|warning| warning.kind);
    all.filter(|kind| *kind != WarningKind::BelowResolution).collect()
}

#[test]
fn a_total_is_packages_and_memory() {
    let tree = Tree::new()
        .zone("intel-rapl:0", "package-0-die-0", 0)
        .zone("intel-rapl:0:0", "core", 0)
        .zone("intel-rapl:0:1", "dram", 0)
        .zone("intel-rapl:1", "package-0-die-1", 0)
        .zone("intel-rapl:2", "psys", 0);
    let span = tree.meter().span("fit");
    tree.set("intel-rapl:0", 10_000_000);
    tree.set("intel-rapl:0:0", 6_000_000);
    tree.set("intel-rapl:0:1", 2_000_000);
    tree.set("intel-rapl:1", 30_000_000);
    tree.set("intel-rapl:2", 60_000_000);
    let report = span.end();
    let total = report.total.unwrap();
    close(total.joules, 42.0);
    assert_eq!(total.origin, Origin::Measured);
    assert!(total.uncertainty > Joules(0.0), "{}", total.uncertainty);
    let core = device(&report, "package-0-die-0/core");
    assert_eq!((core.domain, core.in_total), (Domain::CpuCore, false));
    close(core.joules, 6.0);
    assert!(!device(&report, "psys").in_total);
    let package = device(&report, "package-0-die-1");
    assert_eq!((package.domain, package.method), (Domain::CpuPackage, Method::Counter));
    assert!(package.samples >= 2);
    assert_eq!(package.gap.0, 0.0);
    assert_eq!(kinds(&report), []);
}

#[test]
fn a_counter_that_wraps_inside_a_span_loses_no_energy() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", RANGE - 4_000_000);
    let span = tree.meter().span("fit");
    tree.set("intel-rapl:0", 5_999_999);
    let report = span.end();
    close(report.total.unwrap().joules, 10.0);
    assert_eq!(kinds(&report), []);
}

#[test]
fn a_reset_adds_the_new_value_and_a_warning() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 90_000_000_000);
    let span = tree.meter().span("fit");
    tree.set("intel-rapl:0", 3_000_000);
    let report = span.end();
    close(report.total.unwrap().joules, 3.0);
    assert!(kinds(&report).contains(&WarningKind::SensorGap), "{:?}", report.warnings);
}

#[test]
fn the_mmio_copy_of_a_package_is_not_counted_again() {
    let tree =
        Tree::new().zone("intel-rapl:0", "package-0", 0).zone("intel-rapl-mmio:0", "package-0", 0);
    let span = tree.meter().span("fit");
    tree.set("intel-rapl:0", 7_000_000);
    tree.set("intel-rapl-mmio:0", 7_000_000);
    let report = span.end();
    assert_eq!(report.domains.len(), 1);
    close(report.total.unwrap().joules, 7.0);
}

#[test]
fn the_mmio_copy_is_read_if_the_original_cannot_be() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 0).unreadable("intel-rapl:0").zone(
        "intel-rapl-mmio:0",
        "package-0",
        0,
    );
    let span = tree.meter().span("fit");
    tree.set("intel-rapl-mmio:0", 7_000_000);
    close(span.end().total.unwrap().joules, 7.0);
}

#[test]
fn a_counter_that_fails_for_a_while_loses_no_energy() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 1_000_000);
    let meter = tree.meter();
    let span = meter.span("fit");
    tree.write("intel-rapl:0", "");
    meter.sample();
    tree.set("intel-rapl:0", 9_000_000);
    let report = span.end();
    close(report.total.unwrap().joules, 8.0);
    assert_eq!(kinds(&report), [WarningKind::ProbeFailed]);
    assert!(report.warnings[0].text.contains("`rapl`: 1, the last one"), "{:?}", report.warnings);
}

#[test]
fn a_counter_that_vanishes_leaves_a_gap() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 0);
    let meter = tree.meter();
    let span = meter.span("fit");
    tree.set("intel-rapl:0", 5_000_000);
    meter.sample();
    std::fs::remove_dir_all(tree.path("intel-rapl:0")).unwrap();
    let report = span.end();
    close(report.total.unwrap().joules, 5.0);
    assert_eq!(kinds(&report), [WarningKind::ProbeFailed, WarningKind::SensorGap]);
    let later = meter.span("evaluate").end();
    assert_eq!((later.total, later.domains.len()), (None, 0));
    assert!(kinds(&later).contains(&WarningKind::NoEnergy));
}

#[test]
fn a_file_that_is_replaced_is_opened_again() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 0);
    let span = tree.meter().span("fit");
    // The meter holds the old file open; `set` puts another in its place.
    tree.set("intel-rapl:0", 4_000_000);
    close(span.end().total.unwrap().joules, 4.0);
}

#[test]
fn an_unreadable_counter_gives_no_energy_but_a_reason_and_a_remedy() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 0).unreadable("intel-rapl:0");
    let meter = tree.meter();
    let status = &meter.probes()[0];
    assert!(!status.available);
    assert!(status.reason.as_ref().unwrap().contains("intel-rapl:0"), "{status:?}");
    assert!(status.remedy.as_ref().unwrap().contains("chmod -R a+r"), "{status:?}");
    assert_eq!(meter.span("fit").end().total, None);
}

#[test]
fn every_report_warns_if_one_of_two_packages_is_unreadable() {
    let tree = Tree::new()
        .zone("intel-rapl:0", "package-0", 0)
        .zone("intel-rapl:1", "package-1", 0)
        .unreadable("intel-rapl:1");
    let meter = tree.meter();
    assert!(meter.probes()[0].available && meter.probes()[0].remedy.is_some());
    let span = meter.span("fit");
    tree.set("intel-rapl:0", 2_000_000);
    let report = span.end();
    close(report.total.unwrap().joules, 2.0);
    assert_eq!(kinds(&report), [WarningKind::ProbeFailed]);
    assert!(report.warnings[0].text.contains("intel-rapl:1"), "{:?}", report.warnings);
}

#[test]
fn a_missing_powercap_folder_gives_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let meter = Meter::builder().sysfs(folder.path()).estimator(Estimator::none()).start().unwrap();
    let status = &meter.probes()[0];
    assert!(!status.available);
    assert!(status.remedy.as_ref().unwrap().contains("virtual machines"), "{status:?}");
}

#[test]
fn the_processor_is_estimated_only_if_no_sensor_measures_it() {
    let model = Estimator::cpu_time(units::Watts(5.0), 0.2);
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 0);
    let sensed = tree.builder().estimator(model.clone()).start().unwrap();
    assert!(sensed.probe_uses().iter().all(|channel| channel.method == Method::Counter));

    let meter = Tree::new().builder().estimator(model).start().unwrap();
    let uses = meter.probe_uses();
    assert!(uses[0].model.as_ref().unwrap().contains("× 5.0 W per busy core (±20 %)"), "{uses:?}");
    let span = meter.span("fit");
    let sum: u64 = std::hint::black_box((0..2_000_000_u64).map(|number| number ^ 3).sum());
    let report = span.end();
    assert!(sum > 0);
    let total = report.total.unwrap();
    assert_eq!(total.origin, Origin::Estimated);
    assert_eq!(report.domains[0].method, Method::Model);
    // The readings of the model enclose the span, so they include its CPU time.
    assert!(total.joules >= units::Watts(5.0) * report.cpu, "{report:?}");
    assert!(total.uncertainty.0 >= total.joules.0 * 0.2);
    assert_eq!(kinds(&report), [WarningKind::EstimatedEnergy]);
}

/// A container that mounts `/sys/class/powercap` without `/sys/devices` (scaphandre issue 373, zeus pull
/// request 118).
#[test]
fn links_that_lead_nowhere_have_another_remedy_than_permissions() {
    let target = "devices/virtual/powercap/intel-rapl/intel-rapl:0";
    let tree = Tree::new().link("class/powercap/intel-rapl:0", target, true);
    let meter = tree.meter();
    let status = &meter.probes()[0];
    assert!(status.reason.as_ref().unwrap().contains("does not exist"), "{status:?}");
    let remedy = status.remedy.as_ref().unwrap();
    assert!(remedy.contains("/host/sys") && !remedy.contains("chmod"), "{remedy}");
    assert!(!meter.span("fit").end().warnings.iter().any(|told| told.text.contains("RAPL")));
}

/// The default since Linux 5.10 (codecarbon issues 244 and 304).
#[test]
fn every_report_tells_that_only_the_permission_for_rapl_is_missing() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 0).unreadable("intel-rapl:0");
    let report = tree.meter().span("fit").end();
    let told = report.warnings.iter().find(|warning| warning.kind == WarningKind::ProbeFailed);
    let text = &told.unwrap().text;
    assert!(text.contains("may not read") && text.contains("sudo chmod"), "{text}");
}

/// Between two readings the range does not matter (codecarbon issue 1309, powercap issue 3).
#[test]
fn a_counter_without_a_range_is_read() {
    for text in [None, Some("0"), Some("unknown"), Some("5")] {
        let tree = Tree::new().zone("intel-rapl:0", "package-0", 1_000_000);
        let range = "class/powercap/intel-rapl:0/max_energy_range_uj";
        match text {
            Some(text) => tree.replace(range, text),
            None => std::fs::remove_file(tree.sysfs().join(range)).unwrap(),
        }
        let span = tree.meter().span("fit");
        tree.set("intel-rapl:0", 11_000_000);
        close(span.end().total.unwrap().joules, 10.0);
    }
}

/// `raplcap` issue 9: zones of one name that count differently.
#[test]
fn two_zones_of_one_name_are_two_and_that_is_told() {
    let tree = Tree::new().zone("intel-rapl:0", "package-0", 0).zone(
        "intel-rapl:1",
        "package-0",
        7_000_000,
    );
    let span = tree.meter().span("fit");
    tree.set("intel-rapl:0", 10_000_000);
    tree.set("intel-rapl:1", 27_000_000);
    let report = span.end();
    close(report.total.unwrap().joules, 30.0);
    close(device(&report, "package-0#2").joules, 20.0);
    assert_eq!(kinds(&report), [WarningKind::Overlap]);
    assert!(report.warnings[0].text.contains("intel-rapl:1"), "{:?}", report.warnings);
}
