//! Machines: which zones add up, and what happens when zones appear, vanish or cannot be read.

use std::{fs, io};

use units::WarningKind;

use super::{cases::Cases, tree::Tree};
use crate::{clock::VirtualClock, meter::Meter, powercap::Powercap, span_report::SpanReport};

/// A zone: folder, name, power in watts.
type Zone = (&'static str, &'static str, f64);

/// A machine: its description, its zones, and its true power in watts.
const MACHINES: &[(&str, &[Zone], f64)] = &[
    ("one socket", &[("intel-rapl:0", "package-0", 80.0)], 80.0),
    (
        "one socket with cores and memory",
        &[
            ("intel-rapl:0", "package-0", 80.0),
            ("intel-rapl:0:0", "core", 50.0),
            ("intel-rapl:0:1", "dram", 12.0),
        ],
        92.0,
    ),
    (
        "a laptop with psys",
        &[
            ("intel-rapl:0", "package-0", 15.0),
            ("intel-rapl:0:0", "core", 9.0),
            ("intel-rapl:0:1", "uncore", 2.0),
            ("intel-rapl:1", "psys", 25.0),
        ],
        15.0,
    ),
    (
        "a copy of the counter by MMIO",
        &[("intel-rapl:0", "package-0", 30.0), ("intel-rapl-mmio:0", "package-0", 30.0)],
        30.0,
    ),
    (
        "two dies that show one counter",
        &[("intel-rapl:0", "package-0-die-0", 150.0), ("intel-rapl:1", "package-0-die-1", 150.0)],
        150.0,
    ),
    (
        "two dies with a counter of their own",
        &[("intel-rapl:0", "package-0-die-0", 150.0), ("intel-rapl:1", "package-0-die-1", 140.0)],
        290.0,
    ),
    (
        "AMD: packages without memory",
        &[
            ("intel-rapl:0", "package-0", 110.0),
            ("intel-rapl:0:0", "core", 70.0),
            ("intel-rapl:1", "package-1", 120.0),
        ],
        230.0,
    ),
];

pub(super) fn run(cases: &mut Cases<'_>) {
    const GROUP: &str = "a machine's total";
    let add = |cases: &mut Cases<'_>, name: &str, result: io::Result<(bool, String)>| match result {
        Ok((pass, detail)) => cases.add(GROUP, name, pass, detail),
        Err(error) => cases.add(GROUP, name, false, format!("no temporary folder: {error}")),
    };
    for (name, zones, watts) in MACHINES {
        add(cases, name, whole(zones, *watts));
    }
    add(cases, "a zone that vanishes leaves a gap and no guess", vanishes());
    add(cases, "a zone that appears is read from that time on", appears());
    for (name, text) in [
        ("an empty file", ""),
        ("a word", "unknown\n"),
        ("a negative number", "-5\n"),
        ("more than 64 bits", "99999999999999999999999\n"),
    ] {
        add(cases, &format!("{name} for a while loses no energy"), garbled(text));
    }
    add(cases, "a file that cannot be read has a reason and a remedy", unreadable());
}

fn meter(tree: &Tree, clock: &VirtualClock) -> io::Result<Meter> {
    let powercap =
        Powercap::open(tree.folder.path()).map_err(|absent| io::Error::other(absent.reason))?;
    Ok(Meter::with_sources(vec![Box::new(powercap)], Box::new(clock.clone())))
}

/// Advances the clock in steps of 0.1 s, and the counters by their powers.
fn go_on(
    tree: &Tree,
    zones: &[Zone],
    clock: &VirtualClock,
    steps: std::ops::Range<u32>,
) -> io::Result<()> {
    for step in steps {
        clock.advance(100_000_000);
        for (zone, _, watts) in zones {
            if tree.zone(zone).is_dir() {
                tree.set(zone, &format!("{:.0}\n", watts * f64::from(step + 1) * 1e5))?;
            }
        }
    }
    Ok(())
}

fn total(report: &SpanReport) -> String {
    format!("{:?}", report.total.map(|total| total.joules))
}

fn close(report: &SpanReport, joules: f64) -> bool {
    report.total.is_some_and(|total| (total.joules.0 - joules).abs() < 1e-3)
}

fn machine(zones: &[Zone]) -> io::Result<(Tree, VirtualClock, Meter)> {
    let (tree, clock) = (Tree::new()?, VirtualClock::default());
    for (zone, name, _) in zones {
        tree.add(zone, name)?;
    }
    let meter = meter(&tree, &clock)?;
    Ok((tree, clock, meter))
}

fn whole(zones: &[Zone], watts: f64) -> io::Result<(bool, String)> {
    let (tree, clock, meter) = machine(zones)?;
    let span = meter.span("case");
    for step in 0..20 {
        go_on(&tree, zones, &clock, step..step + 1)?;
        meter.sample();
    }
    let report = span.end();
    let detail = format!("expected {} J, found {}", watts * 2.0, total(&report));
    Ok((close(&report, watts * 2.0), detail))
}

const ONE: &[Zone] = &[("intel-rapl:0", "package-0", 80.0)];

fn vanishes() -> io::Result<(bool, String)> {
    let (tree, clock, meter) = machine(ONE)?;
    let span = meter.span("case");
    go_on(&tree, ONE, &clock, 0..10)?;
    meter.sample();
    fs::remove_dir_all(tree.zone("intel-rapl:0"))?;
    clock.advance(1_000_000_000);
    let report = span.end();
    let gap = report.domains.first().map_or(0.0, |energy| energy.gap.0);
    Ok((
        close(&report, 80.0) && (gap - 1.0).abs() < 1e-6,
        format!("{}, gap {gap} s", total(&report)),
    ))
}

fn appears() -> io::Result<(bool, String)> {
    let (tree, clock, meter) = machine(ONE)?;
    let span = meter.span("case");
    go_on(&tree, ONE, &clock, 0..10)?;
    tree.add("intel-rapl:1", "package-1")?;
    meter.rescan();
    let both = [ONE[0], ("intel-rapl:1", "package-1", 50.0)];
    meter.sample();
    go_on(&tree, &both, &clock, 10..20)?;
    let report = span.end();
    // The new counter jumps from 0 to its 100 J in the first second that it is seen.
    let gap = report.domains.get(1).map_or(0.0, |energy| energy.gap.0);
    let right = close(&report, 160.0 + 100.0) && (gap - 1.0).abs() < 1e-6;
    Ok((right, format!("{}, gap {gap} s", total(&report))))
}

fn garbled(text: &str) -> io::Result<(bool, String)> {
    let (tree, clock, meter) = machine(ONE)?;
    let span = meter.span("case");
    go_on(&tree, ONE, &clock, 0..10)?;
    meter.sample();
    tree.set("intel-rapl:0", text)?;
    clock.advance(100_000_000);
    meter.sample();
    go_on(&tree, ONE, &clock, 10..20)?;
    let report = span.end();
    let warned = report.warnings.iter().any(|warning| warning.kind == WarningKind::ProbeFailed);
    Ok((close(&report, 160.0) && warned, format!("{}, warning: {warned}", total(&report))))
}

fn unreadable() -> io::Result<(bool, String)> {
    let tree = Tree::new()?;
    tree.add("intel-rapl:0", "package-0")?;
    // Not even root can read a folder as if it were a file.
    fs::remove_file(tree.zone("intel-rapl:0").join("energy_uj"))?;
    fs::create_dir(tree.zone("intel-rapl:0").join("energy_uj"))?;
    match Powercap::open(tree.folder.path()) {
        Ok(_) => Ok((false, "the zone was opened".to_owned())),
        Err(absent) => Ok((absent.remedy.contains("chmod"), absent.reason)),
    }
}
