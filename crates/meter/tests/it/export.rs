//! The formats that other programs read.

use units::{Domain, Energy, Joules, Origin};
use wattlab_meter::{
    SpanReport,
    carbon::Intensity,
    export::{csv, emissions, openmetrics, otlp},
};

use crate::fake::Script;

/// A counter of 40 J in 2 s.
fn measured() -> (wattlab_meter::Meter, SpanReport) {
    let script = Script::counter(Domain::CpuPackage, None);
    script.set(Some(0));
    let (meter, clock) = script.meter();
    let span = meter.span("fit");
    clock.advance(2_000_000_000);
    script.set(Some(40));
    let report = span.end();
    (meter, report)
}

#[test]
fn a_sample_is_a_line_of_csv() {
    let text = csv::lines(&measured().0.readings());
    assert_eq!(text, "2.000000,script,cpu-package,device,measured,20,40\n");
    assert_eq!(csv::HEAD.matches(',').count(), text.matches(',').count());
}

#[test]
fn openmetrics_has_energy_and_power() {
    let text = openmetrics::text(&measured().0.readings(), units::Seconds(0.5));
    let labels = r#"{probe="script",domain="cpu-package",device="device",origin="measured",method="counter"}"#;
    let expected = format!(
        "# TYPE wattlab_energy_joules counter\n# UNIT wattlab_energy_joules joules\n\
         # HELP wattlab_energy_joules Energy since the meter started.\n\
         wattlab_energy_joules_total{labels} 40\n\
         # TYPE wattlab_power_watts gauge\n# UNIT wattlab_power_watts watts\n\
         # HELP wattlab_power_watts Recent power.\nwattlab_power_watts{labels} 20\n\
         # TYPE wattlab_meter_cpu_seconds counter\n# UNIT wattlab_meter_cpu_seconds seconds\n\
         # HELP wattlab_meter_cpu_seconds CPU time of the meter itself.\n\
         wattlab_meter_cpu_seconds_total 0.5\n# EOF\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn opentelemetry_gets_a_monotonic_sum() {
    let body = otlp::metrics(&measured().0.readings(), 1, 2_000_000_001);
    let metric = &body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
    assert_eq!(metric["name"], "wattlab.energy");
    assert_eq!(metric["sum"]["isMonotonic"], true);
    let point = &metric["sum"]["dataPoints"][0];
    assert_eq!((&point["asDouble"], &point["timeUnixNano"]), (&40.0.into(), &"2000000001".into()));
}

#[test]
fn emissions_have_the_columns_of_codecarbon() {
    let report = measured().1;
    let energy =
        Energy { joules: Joules(40.0), uncertainty: Joules(1.0), origin: Origin::Measured };
    let carbon = Intensity::of_region("FRA").unwrap().weigh(&energy, 1.0).unwrap();
    let row = emissions::EmissionsRow {
        country: "FRA".to_owned(),
        ..emissions::row(&report, Some(&carbon))
    };
    let (head, line) = (emissions::emissions_header(), row.line());
    let field = |name: &str| {
        let at = head.trim_end().split(',').position(|column| column == name).unwrap();
        line.trim_end().split(',').nth(at).unwrap().to_owned()
    };
    assert_eq!(head.matches(',').count(), line.matches(',').count());
    let close = |text: String, expected: f64| {
        assert!((text.parse::<f64>().unwrap() / expected - 1.0).abs() < 1e-9, "{text}");
    };
    close(field("cpu_energy"), 40.0 / 3.6e6);
    close(field("cpu_power"), 20.0);
    close(field("emissions"), carbon.grams / 1000.0);
    // What is absent is not 0.
    assert_eq!((field("gpu_energy"), field("water_consumed")), (String::new(), String::new()));
    assert_eq!(field("tracking_mode"), "wattlab-measured");
    assert_eq!(
        (field("cpu_energy_origin").as_str(), field("country_iso_code").as_str()),
        ("measured", "FRA")
    );
}
