//! `reproduce` reads the sensors that its flags name, in this process and in worker processes.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
};

use record::{Domain, Origin, RunRecord, WarningKind, read_journal};

use super::{run, stderr, tiny};

/// What the simulated plug measures, in watts.
const WATTS: f64 = 25.0;

/// Builds the probe of smart plugs and finds the library.
fn plug() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--message-format=json", "-p", "wattlab-probe-plug"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let messages = String::from_utf8(output.stdout).unwrap();
        let name = format!("/libwattlab_probe_plug{}", env::consts::DLL_SUFFIX);
        messages
            .lines()
            .filter(|line| line.contains("compiler-artifact"))
            .flat_map(|line| line.split('"'))
            .find(|text| text.ends_with(&name))
            .unwrap_or_else(|| panic!("no `{name}` in {messages}"))
            .into()
    })
}

/// A smart plug on loopback that always measures [`WATTS`]; its address.
fn simulated_plug() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the test's process.
    thread::spawn(move || {
        let body = format!(r#"{{"id":0,"apower":{WATTS},"aenergy":{{"total":1.0}}}}"#);
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let request = lines.take_while(|line| !line.is_empty()).count();
            assert!(request > 0, "the probe sends a request");
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    format!("http://{address}")
}

/// Every joule of these records is the plug's.
fn check(records: &[RunRecord]) {
    assert!(!records.is_empty());
    for record in records {
        let total = record.energy.total.unwrap();
        assert_eq!(total.origin, Origin::Measured, "{record:?}");
        let domain = &record.energy.domains[0];
        assert_eq!((domain.domain, domain.probe.as_str()), (Domain::System, "plug"));
        // The two readings of a span lie around it, less than a second away on any machine.
        let (main, gap) = (record.timing.main.0, domain.gap.0);
        let (least, most) = (WATTS * (main - gap), WATTS * (main + 1.0));
        assert!((least * 0.999..most).contains(&total.joules.0), "{main} s: {domain:?}");
        let probes: Vec<&str> =
            record.environment.probes.iter().map(|probe| probe.probe.as_str()).collect();
        assert_eq!(probes, ["plug"]);
    }
}

fn records(folder: &Path, out: &str) -> Vec<RunRecord> {
    read_journal(&folder.join(out).join("journal.jsonl")).unwrap()
}

#[test]
fn a_reproduction_is_measured_by_a_smart_plug() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("sys")).unwrap();
    let profile = tiny(folder);
    let plugin = format!("{},url={}", plug().display(), simulated_plug());
    let base = ["reproduce", "--profile", &profile, "--rq", "5", "--sysfs", "sys", "--measured"];
    let reproduce = |out: &str, more: &[&str]| {
        let output = run(folder, &[&base[..], &["--plugin", &plugin, "--out", out], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        check(&records(folder, out));
    };
    reproduce("plain", &[]);
    reproduce("isolated", &["--isolate"]);
}

#[test]
fn worker_processes_read_the_sensors_of_the_call_that_started_them() {
    if thread::available_parallelism().unwrap().get() < 2 {
        println!("skipped: two workers need two processors");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("sys")).unwrap();
    let text = fs::read_to_string(tiny(folder)).unwrap();
    // The plug sees both workers, and the profile allows that.
    let isolation = "\n[isolation]\nshared_domains = true\nmax_outside_load = 1.0\n";
    fs::write(folder.join("shared.toml"), text + isolation).unwrap();
    let plugin = format!("{},url={}", plug().display(), simulated_plug());
    let args = ["reproduce", "--profile", "shared.toml", "--rq", "5", "--workers", "2"];
    let sensors = ["--plugin", &plugin, "--isolate", "--sysfs", "sys", "--measured"];
    let output = run(folder, &[&args[..], &sensors, &["--out", "two"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let found = records(folder, "two");
    check(&found);
    for record in &found {
        let kinds: Vec<_> = record.warnings.iter().map(|warning| warning.kind).collect();
        assert!(kinds.contains(&WarningKind::SharedDomain), "{kinds:?}");
        let surroundings = record.timing.surroundings.as_ref().unwrap();
        assert!(surroundings.worker.as_ref().unwrap().starts_with("local-"));
    }
}

#[test]
fn a_folder_of_probes_and_an_estimate_of_memory_are_used_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join("sys")).unwrap();
    fs::create_dir_all(folder.join("probes")).unwrap();
    let name = plug().file_name().unwrap();
    fs::copy(plug(), folder.join("probes").join(name)).unwrap();
    let profile = tiny(folder);
    let args = ["reproduce", "--profile", &profile, "--rq", "5", "--sysfs", "sys", "--out", "out"];
    let sensors = ["--plugin-dir", "probes", "--estimate", "memory"];
    let output = run(folder, &[&args[..], &sensors].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    for record in records(folder, "out") {
        // A plug without an address is not read; the processor and memory are estimated.
        let domains: Vec<_> = record.environment.probes.iter().map(|probe| probe.domain).collect();
        assert_eq!(domains, [Domain::CpuProcess, Domain::Dram]);
        assert_eq!(record.energy.total.unwrap().origin, Origin::Estimated);
    }
    let both = run(folder, &[&args[..], &sensors, &["--measured"]].concat());
    assert_eq!(both.status.code(), Some(2), "{}", stderr(&both));
}
