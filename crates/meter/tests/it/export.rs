//! The formats that other programs read.

use units::{Domain, Energy, Joules, Method, Origin};
use wattlab_meter::{
    Channel, Kind, Meter, Source, SpanReport, VirtualClock,
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
    let labels = r#"{probe="script",domain="cpu-package",device="device",origin="measured",method="counter",in_total="true"}"#;
    let expected = format!(
        "# TYPE wattlab_energy_joules counter\n# UNIT wattlab_energy_joules joules\n\
         # HELP wattlab_energy_joules Energy since the meter started. \
         Sum over in_total=\"true\" only.\n\
         wattlab_energy_joules_total{labels} 40\n\
         # TYPE wattlab_power_watts gauge\n# UNIT wattlab_power_watts watts\n\
         # HELP wattlab_power_watts Recent power. Sum over in_total=\"true\" only.\nwattlab_power_watts{labels} 20\n\
         # TYPE wattlab_meter_cpu_seconds counter\n# UNIT wattlab_meter_cpu_seconds seconds\n\
         # HELP wattlab_meter_cpu_seconds CPU time of the meter itself.\n\
         wattlab_meter_cpu_seconds_total 0.5\n# EOF\n"
    );
    assert_eq!(text, expected);
}

/// People sum a family over all of its series (scaphandre #116, kepler PR #2183).
#[test]
fn the_series_in_the_total_add_up_to_it() {
    let channel = |domain, device: &str, inside: Option<&str>| {
        let kind = Kind::Counter { range: None };
        let mut channel = Channel::new("rapl", domain, device, kind, Method::Counter, 1.0);
        channel.inside = inside.map(str::to_owned);
        channel
    };
    let scripts = [
        Script::new(channel(Domain::CpuPackage, "package-0", None)),
        Script::new(channel(Domain::CpuCore, "package-0/core", Some("package-0"))),
        Script::new(channel(Domain::Psys, "psys", None)),
    ];
    let clock = VirtualClock::default();
    let sources =
        scripts.iter().map(|script| Box::new(script.clone()) as Box<dyn Source>).collect();
    scripts.iter().for_each(|script| script.set(Some(0)));
    let meter = Meter::with_sources(sources, Box::new(clock.clone()));
    let span = meter.span("fit");
    clock.advance(1_000_000_000);
    scripts.iter().zip([10, 6, 20]).for_each(|(script, joules)| script.set(Some(joules)));
    let total = span.end().total.unwrap().joules.0;
    let text = openmetrics::text(&meter.readings(), units::Seconds(0.0));
    let sum: f64 = text
        .lines()
        .filter(|line| line.starts_with("wattlab_energy_joules_total"))
        .filter(|line| line.contains(r#"in_total="true""#))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!((sum, total), (10.0, 10.0), "{text}");
    let body = otlp::metrics(&meter.readings(), 1, 2);
    let points =
        body.pointer("/resourceMetrics/0/scopeMetrics/0/metrics/0/sum/dataPoints").unwrap();
    let counted: Vec<_> = points
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point.pointer("/attributes/5/value/boolValue").unwrap().as_bool().unwrap())
        .collect();
    assert_eq!(counted, [true, false, false]);
}

/// A GPU that fell off the bus must not go on showing its last power (dcgm-exporter).
#[test]
fn the_power_of_a_lost_device_disappears_and_its_energy_stays() {
    let script = Script::power(Domain::Gpu);
    script.set(Some(100));
    let (meter, clock) = script.meter();
    let show = || openmetrics::text(&meter.readings(), units::Seconds(0.0));
    clock.advance(1_000_000_000);
    meter.sample();
    let series = |text: &str, name: &str| text.lines().any(|line| line.starts_with(name));
    assert!(series(&show(), "wattlab_power_watts{"));
    script.set(None);
    clock.advance(1_000_000_000);
    meter.sample();
    let text = show();
    assert!(!series(&text, "wattlab_power_watts{"), "{text}");
    assert!(series(&text, "wattlab_energy_joules_total{"), "{text}");
    // It is back.
    script.set(Some(100));
    clock.advance(1_000_000_000);
    meter.sample();
    assert!(series(&show(), "wattlab_power_watts{"));
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
