//! `wattlab measure` as users call it, on a powercap tree whose counters another thread advances.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{run, stderr, wattlab};

const RANGE: u64 = 262_143_328_850;

/// A zone of a powercap tree.
pub(crate) fn zone(sysfs: &Path, zone: &str, name: &str, energy_uj: u64) {
    let path = sysfs.join("class/powercap").join(zone);
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("name"), format!("{name}\n")).unwrap();
    fs::write(path.join("max_energy_range_uj"), format!("{RANGE}\n")).unwrap();
    fs::write(path.join("energy_uj"), format!("{energy_uj}\n")).unwrap();
}

/// Advances counters at their powers, in watts, until the work is done. Returns what the work returned,
/// and the longest time in seconds for which the counters stood still. A counter's file is replaced
/// in one step, so that no reader sees half a number.
pub(crate) fn driven<T>(
    sysfs: &Path,
    zones: &[(&str, u64, f64)],
    work: impl FnOnce() -> T,
) -> (T, f64) {
    let done = Arc::new(AtomicBool::new(false));
    let (sysfs, zones) = (sysfs.join("class/powercap"), zones.to_vec());
    thread::scope(|scope| {
        let stop = Arc::clone(&done);
        let driver = scope.spawn(move || {
            let start = Instant::now();
            let (mut last, mut longest) = (0.0, 0.0_f64);
            while !stop.load(Ordering::Relaxed) {
                let passed = start.elapsed().as_secs_f64();
                longest = longest.max(passed - last);
                last = passed;
                for (zone, from, watts) in &zones {
                    let energy = (from + (watts * passed * 1e6) as u64) % (RANGE + 1);
                    let (new, file) =
                        (sysfs.join(zone).join("new"), sysfs.join(zone).join("energy_uj"));
                    fs::write(&new, format!("{energy}\n")).unwrap();
                    fs::rename(&new, &file).unwrap();
                }
                thread::sleep(Duration::from_millis(1));
            }
            longest.max(start.elapsed().as_secs_f64() - last)
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, driver.join().unwrap())
    })
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

#[test]
fn a_command_is_measured_over_packages_that_wrap() {
    let folder = tempfile::tempdir().unwrap();
    let sysfs = folder.path().join("sys");
    zone(&sysfs, "intel-rapl:0", "package-0", RANGE - 10_000_000);
    zone(&sysfs, "intel-rapl:0:0", "core", 0);
    zone(&sysfs, "intel-rapl:1", "psys", 0);
    let zones = [
        ("intel-rapl:0", RANGE - 10_000_000, 100.0),
        ("intel-rapl:0:0", 0, 60.0),
        ("intel-rapl:1", 0, 150.0),
    ];
    let (output, pause) = driven(&sysfs, &zones, || {
        let args =
            ["measure", "--json", "--sysfs", "sys", "--", "sh", "-c", "echo hi; sleep 0.5; exit 7"];
        run(folder.path(), &args)
    });
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    // What the command printed is not in the document's way.
    assert!(stderr(&output).contains("hi"));
    let told = json(&output.stdout);
    assert_eq!(told["schema"], "wattlab.measure/1");
    assert_eq!((told["exit_code"].as_i64(), &told["idle"]), (Some(7), &Value::Null));
    let (duration, joules) =
        (told["duration_s"].as_f64().unwrap(), told["total"]["joules"].as_f64().unwrap());
    assert!(duration >= 0.5, "{told}");
    assert_eq!(told["total"]["origin"], "measured");
    // At each end the counter may be older than the span's end by the driver's longest pause, and
    // the meter may be interrupted between a reading and the clock, for 10 ms.
    let tolerance = 100.0 * 2.0 * (pause + 0.01);
    assert!((joules - 100.0 * duration).abs() < tolerance, "{pause} s: {told}");
    let counted: Vec<(&str, bool)> = told["domains"]
        .as_array()
        .unwrap()
        .iter()
        .map(|energy| (energy["domain"].as_str().unwrap(), energy["in_total"].as_bool().unwrap()))
        .collect();
    assert_eq!(counted, [("cpu-package", true), ("cpu-core", false), ("psys", false)]);
    assert_eq!(told["domains"][0]["method"], "counter");
    let parts = &told["attribution"];
    let sum =
        parts["process"]["joules"].as_f64().unwrap() + parts["others"]["joules"].as_f64().unwrap();
    assert!((sum - parts["measured"]["joules"].as_f64().unwrap()).abs() < 1e-9, "{parts}");
}

#[test]
fn idle_power_is_measured_first_and_a_time_series_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let sysfs = folder.path().join("sys");
    zone(&sysfs, "intel-rapl:0", "package-0", 0);
    let (output, pause) = driven(&sysfs, &[("intel-rapl:0", 0, 50.0)], || {
        let args = [
            "measure",
            "--json",
            "--sysfs",
            "sys",
            "--idle",
            "0.5",
            "--csv",
            "series.csv",
            "--interval",
            "20",
            "--",
            "sleep",
            "0.3",
        ];
        run(folder.path(), &args)
    });
    assert!(output.status.success(), "{}", stderr(&output));
    let told = json(&output.stdout);
    let mean = told["idle"]["mean_w"].as_f64().unwrap();
    // Idle power is measured for 0.5 s, each end of which may be wrong by the driver's longest pause.
    let tolerance = 50.0 * 2.0 * pause / 0.5 + 1.0;
    assert!((mean - 50.0).abs() < tolerance, "{pause} s: {told}");
    // Idle power and power under load are the same: nothing above idle, within the interval.
    let above = &told["idle"]["above"];
    let (joules, width) =
        (above["joules"].as_f64().unwrap(), above["uncertainty_j"].as_f64().unwrap());
    assert!(joules.abs() <= width + 50.0 * 4.0 * pause + 0.5, "{pause} s: {told}");
    let series = fs::read_to_string(folder.path().join("series.csv")).unwrap();
    let mut lines = series.lines();
    assert_eq!(lines.next(), Some("time_s,probe,domain,device,origin,power_w,energy_j"));
    let energies: Vec<f64> =
        lines.map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect();
    assert!(energies.len() >= 10 && energies.is_sorted(), "{series}");
}

#[test]
fn a_signal_to_the_meter_reaches_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let mut command =
        wattlab(folder.path(), &["measure", "--output", "told.json", "--", "sh", "-c"]);
    // It says when it is ready, and ends with a code of its own when it is told to.
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child =
        command.arg(script).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    let told = json(&fs::read(folder.path().join("told.json")).unwrap());
    assert_eq!(told["exit_code"], 9);
}

#[test]
fn a_command_that_a_signal_ends_has_128_plus_its_number_as_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["measure", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(output.status.code(), Some(137), "{}", stderr(&output));
}

#[test]
fn a_command_or_file_that_cannot_be_used_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let check = |args: &[&str], text: &str| {
        let output = run(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    };
    check(&["measure", "--", "no-such-command"], "failed to run `no-such-command`");
    check(&["measure", "--csv", "no/such/file", "--", "true"], "`no/such/file`");
    check(&["measure", "--sysfs", "nothing", "--", "true"], "`nothing` is not a folder");
    check(&["measure", "--interval", "0", "--", "true"], "milliseconds");
    fs::create_dir(folder.path().join("empty")).unwrap();
    let args = ["measure", "--require", "measured", "--sysfs", "empty", "--", "touch", "ran"];
    check(&args, "no sensor can be read");
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn an_estimate_includes_the_child_processes_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    // 0.2 s of CPU time in a grandchild.
    let script = "sh -c 'while :; do read -r _ _ _ _ _ _ _ _ _ _ _ _ _ used _ </proc/$$/stat; \
                  [ $used -ge 20 ] && break; done'; true";
    let args = ["measure", "--json", "--sysfs", "empty", "--", "sh", "-c", script];
    let output = run(folder.path(), &args);
    let told = json(&output.stdout);
    assert_eq!(told["total"]["origin"], "estimated", "{told}");
    assert_eq!(told["domains"][0]["method"], "model");
    let joules = told["total"]["joules"].as_f64().unwrap();
    assert!(joules > 0.2, "{told}");
    assert!(told["warnings"].to_string().contains("estimated"), "{told}");
}

#[test]
fn validate_passes_all_of_its_cases() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["meter", "validate", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = json(&output.stdout);
    assert_eq!(told["failed"], 0);
    assert!(told["cases"].as_array().unwrap().len() > 50);
}

/// Standard input is the command's.
#[test]
fn the_command_keeps_its_standard_input_and_output() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in"), "through").unwrap();
    let input = fs::File::open(folder.path().join("in")).unwrap();
    let mut command: Command = wattlab(folder.path(), &["measure", "--", "cat"]);
    let output = command.stdin(input).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "through");
}

#[test]
fn carbon_is_energy_times_intensity() {
    let folder = tempfile::tempdir().unwrap();
    let sysfs = folder.path().join("sys");
    zone(&sysfs, "intel-rapl:0", "package-0", 0);
    let (output, _) = driven(&sysfs, &[("intel-rapl:0", 0, 100.0)], || {
        let args = [
            "measure",
            "--json",
            "--sysfs",
            "sys",
            "--region",
            "FRA",
            "--pue",
            "1.5",
            "--emissions",
            "emissions.csv",
            "--",
            "sleep",
            "0.2",
        ];
        run(folder.path(), &args)
    });
    let told = json(&output.stdout);
    let (joules, carbon) = (told["total"]["joules"].as_f64().unwrap(), &told["carbon"]);
    let expected = joules / 3.6e6 * carbon["g_per_kwh"].as_f64().unwrap() * 1.5;
    assert!((carbon["grams"].as_f64().unwrap() / expected - 1.0).abs() < 1e-9, "{told}");
    assert_eq!(carbon["origin"], "measured");
    let csv = fs::read_to_string(folder.path().join("emissions.csv")).unwrap();
    assert!(csv.starts_with("timestamp,project_name,") && csv.lines().count() == 2, "{csv}");
    let check = |args: &[&str], text: &str| {
        let output = run(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    };
    check(&["measure", "--region", "XX", "--", "true"], "`XX` is not in the table");
    check(&["measure", "--region", "FRA", "--pue", "0.5", "--", "true"], "effectiveness is 0.5");
    fs::write(folder.path().join("grid.csv"), "0,1\n0,2\n").unwrap();
    check(&["measure", "--intensity", "grid.csv", "--", "true"], "`grid.csv`, line 2");
}

#[test]
fn serve_answers_prometheus_and_refuses_other_requests() {
    use std::io::{BufRead, BufReader, Read, Write};

    let folder = tempfile::tempdir().unwrap();
    let args = ["meter", "serve", "--listen", "127.0.0.1:0"];
    let mut child = wattlab(folder.path(), &args).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("serving http://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap();
    let ask = |request: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        // A refused request may be cut off by the other side.
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let answer = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(
        answer.contains("wattlab_energy_joules_total{") && answer.ends_with("# EOF\n"),
        "{answer}"
    );
    assert!(ask("GET /nothing HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(ask("BREW /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    let output = run(folder.path(), &["meter", "serve", "--listen", "256.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_broken_plugin_fails_its_check_and_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.so"), "no library ".repeat(100)).unwrap();
    let output = run(folder.path(), &["plugin", "check", "text.so", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told = json(&output.stdout);
    assert_eq!((&told["passed"], &told["checks"][0]["verdict"]), (&false.into(), &"failed".into()));
    let output = run(folder.path(), &["plugin", "check", "nothing.so"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    for more in [&[][..], &["--isolate"], &["--fall-back"], &["--isolate", "--fall-back"]] {
        let args = [&["measure", "--plugin", "text.so"], more, &["--", "touch", "ran"]].concat();
        let output = run(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("invalid ELF header"), "{}", stderr(&output));
    }
    assert!(!folder.path().join("ran").exists());
}
