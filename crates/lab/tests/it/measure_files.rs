//! What `wattlab measure` reads before the command and writes after it: no result is lost, and no file
//! is damaged.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
    process::Output,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::{measure::zone, run, stderr, wattlab};

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

/// A folder with a package whose counter stands at 1 J.
fn machine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    zone(&folder.path().join("sys"), "intel-rapl:0", "package-0", 1_000_000);
    folder
}

fn measure(folder: &Path, args: &[&str]) -> Output {
    let mut all = vec!["measure", "--sysfs", "sys"];
    all.extend(args);
    run(folder, &all)
}

/// Expects exit code 2, the text in the message, and that the command did not run.
fn is_refused(folder: &Path, args: &[&str], text: &str) {
    let mut all = args.to_vec();
    all.extend(["--", "touch", "ran"]);
    let output = measure(folder, &all);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    assert!(stderr(&output).contains(text), "{args:?}: {}", stderr(&output));
    assert!(!folder.join("ran").exists(), "{args:?}");
}

/// The records of a CSV file; all have the same number of fields.
fn records(path: &Path) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap();
    reader.records().map(Result::unwrap).collect()
}

fn column(records: &[csv::StringRecord], name: &str) -> Vec<String> {
    let at = records[0].iter().position(|column| column == name).unwrap();
    records[1..].iter().map(|record| record[at].to_owned()).collect()
}

/// Series as Electricity Maps and ENTSO-E publish them: the newest value is minutes old.
#[test]
fn a_live_series_of_carbon_intensity_ends_in_the_past() {
    let folder = machine();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let series = format!("{},100\n{},120\n{},140\n", now - 7200, now - 3600, now - 300);
    fs::write(folder.path().join("live.csv"), series).unwrap();
    let script = "echo 11000000 >sys/class/powercap/intel-rapl:0/energy_uj; sleep 0.1; exit 7";
    let output =
        measure(folder.path(), &["--json", "--intensity", "live.csv", "--", "sh", "-c", script]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    let told = json(&output.stdout);
    assert!((told["total"]["joules"].as_f64().unwrap() - 10.0).abs() < 0.2, "{told}");
    assert_eq!(told["carbon"]["g_per_kwh"], 140.0);
    assert!(told["carbon"]["g_per_kwh_uncertainty"].as_f64().unwrap() >= 40.0, "{told}");
    assert!(told["warnings"].to_string().contains("its last value was used"), "{told}");
}

#[test]
fn a_series_of_another_day_loses_the_carbon_alone() {
    let folder = machine();
    for (name, series) in [("old.csv", "1000,100\n4600,120\n"), ("new.csv", "99999999999,5\n")] {
        fs::write(folder.path().join(name), series).unwrap();
        let output =
            measure(folder.path(), &["--json", "--intensity", name, "--", "sh", "-c", "exit 7"]);
        assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
        let told = json(&output.stdout);
        assert_eq!((&told["carbon"], told["total"].is_object()), (&Value::Null, true), "{told}");
        assert!(told["warnings"].to_string().contains("carbon is not known"), "{told}");
    }
}

#[test]
fn files_are_checked_before_the_command_runs() {
    let folder = machine();
    let path = folder.path();
    fs::create_dir(path.join("folder")).unwrap();
    fs::write(path.join("notes.txt"), "notes\n").unwrap();
    for flag in ["--emissions", "--output", "--csv", "--export-csv", "--export-markdown"] {
        is_refused(path, &[flag, "no-such-folder/file"], "`no-such-folder/file`");
        is_refused(path, &[flag, "folder"], "`folder`");
    }
    is_refused(path, &["--emissions", "notes.txt"], "is no emissions.csv");
    is_refused(path, &["--emissions", "/dev/null"], "a device or a pipe");
    is_refused(path, &["--csv", "x", "--output", "x"], "--csv and --output both name `x`");
    is_refused(path, &["--input", "nothing"], "--input: failed to open `nothing`");
    is_refused(path, &["--intensity", "nothing"], "`nothing`");
    is_refused(path, &["--pue", "1e300"], "effectiveness is 1");
    assert_eq!(fs::read_to_string(path.join("notes.txt")).unwrap(), "notes\n");
}

#[test]
fn a_file_keeps_its_content_if_the_command_does_not_start() {
    let folder = machine();
    for name in ["old.json", "old.csv"] {
        fs::write(folder.path().join(name), "before").unwrap();
    }
    let files = ["--output", "old.json", "--csv", "old.csv"];
    for (more, command) in [
        (vec![], "no-such-command"),
        (vec!["--plugin", "nothing.so"], "true"),
        (vec!["--region", "ZZZ"], "true"),
    ] {
        let mut args = files.to_vec();
        args.extend(more);
        args.extend(["--", command]);
        let output = measure(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert_eq!(fs::read_to_string(folder.path().join("old.json")).unwrap(), "before");
    }
    let output = measure(folder.path(), &["--csv", "old.csv", "--", "no-such-command"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(folder.path().join("old.csv")).unwrap(), "before");
}

/// CodeCarbon issue 43: rows glued together after a last line without a line break.
#[test]
fn rows_are_appended_to_files_of_other_programs_and_versions() {
    let folder = machine();
    let path = folder.path().join("emissions.csv");
    let append = || {
        let args = ["--region", "de", "--emissions", "emissions.csv", "--", "true"];
        let output = measure(folder.path(), &args);
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    append();
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.trim_end()).unwrap();
    append();
    let found = records(&path);
    assert_eq!(found.len(), 3);
    assert_eq!(column(&found, "country_iso_code"), ["DEU", "DEU"]);
    assert_eq!(column(&found, "country_name"), ["Germany", "Germany"]);
    // The first columns of CodeCarbon 1, with a byte order mark, `\r\n` and no end.
    let old = "\u{feff}timestamp,project_name,duration,emissions,energy_consumed,country_name\r\n\
               2021-05-06T07:08:09,codecarbon,1.5,0.1,0.2,\"Korea, Republic of\"";
    fs::write(&path, old).unwrap();
    assert!(append().contains("columns of another version"));
    append();
    let found = records(&path);
    assert_eq!(found.len(), 4);
    assert_eq!(column(&found, "country_name"), ["Korea, Republic of", "Germany", "Germany"]);
    assert_eq!(column(&found, "energy_consumed_origin"), ["", "measured", "measured"]);
}

#[test]
fn a_lost_file_does_not_change_the_exit_code_of_a_command_that_failed() {
    let folder = machine();
    for flag in ["--output", "--csv", "--export-csv"] {
        for (script, code) in [("exit 3", 3), ("exit 0", 1)] {
            let args = [flag, "/dev/full", "--", "sh", "-c", script];
            let output = measure(folder.path(), &args);
            assert_eq!(output.status.code(), Some(code), "{flag} {}", stderr(&output));
            // The result is there all the same.
            assert!(stderr(&output).contains("total"), "{flag} {}", stderr(&output));
            assert!(stderr(&output).contains(&format!("error: {flag}")), "{}", stderr(&output));
        }
    }
    for (script, code) in [("exit 3", 3), ("exit 0", 1)] {
        let mut command = wattlab(
            folder.path(),
            &["measure", "--json", "--sysfs", "sys", "--", "sh", "-c", script],
        );
        let full = File::options().write(true).open("/dev/full").unwrap();
        let status = command.stdout(full).status().unwrap();
        assert_eq!(status.code(), Some(code));
    }
}

/// Names of files are bytes: Latin-1 names are common in old corpora.
#[test]
fn arguments_reach_the_command_as_they_are() {
    let folder = machine();
    let name = OsString::from_vec(b"caf\xe9".to_vec());
    fs::write(folder.path().join(&name), "").unwrap();
    let mut command = wattlab(folder.path(), &["measure", "--sysfs", "sys", "--output", "o.json"]);
    let output = command.args(["--", "ls"]).arg(&name).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout.trim_ascii_end(), name.as_bytes());
    let told = json(&fs::read(folder.path().join("o.json")).unwrap());
    assert_eq!(told["command"], serde_json::json!(["ls", "caf\u{fffd}"]));
    // Paths of our own, too.
    let mut command = wattlab(folder.path(), &["measure", "--sysfs", "sys", "--output"]);
    let output = command.arg(&name).args(["--", "true"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(json(&fs::read(folder.path().join(&name)).unwrap())["exit_code"], 0);
}
