//! Plugins that lack their hardware, print, hang or crash, as users meet them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{run, stderr};

/// The meter's fake plugin with these macros defined; `None` without a C compiler.
fn fake_plugin(folder: &Path, macros: &str) -> Option<PathBuf> {
    let (source, library) = (folder.join("plugin.c"), folder.join("plugin.so"));
    let text = include_str!("../../../meter/tests/fake-plugin/plugin.c");
    fs::write(&source, format!("{macros}\n{text}")).unwrap();
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/../probe-abi/include");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-shared", "-fPIC", "-I", include]).arg(&source).arg("-o").arg(&library);
    match cc.status() {
        Ok(status) => {
            assert!(status.success());
            Some(library)
        }
        Err(error) => {
            println!("skipped: no C compiler (`cc`): {error}");
            None
        }
    }
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(text));
    })
}

/// A folder with an empty `sys` and the plugin.
fn folder(macros: &str) -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sys")).unwrap();
    fake_plugin(folder.path(), macros).map(|_| folder)
}

/// A smart plug that is not plugged in. Before, the joules became an estimate without a word.
#[test]
fn a_named_plugin_without_its_hardware_is_bad_input_unless_the_user_allows_it() {
    let Some(folder) = folder("#define FAILS_TO_OPEN") else { return };
    let base = ["--sysfs", "sys", "--plugin", "plugin.so"];
    for isolate in [&[][..], &["--isolate"]] {
        let args = [&["measure", "--json"], &base[..], isolate, &["--", "touch", "ran"]].concat();
        let output = run(folder.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let text = "error: plugin `wall` cannot open its hardware: no meter on /dev/ttyUSB0 (code \
                    -1); plug it in";
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
        assert!(output.stdout.is_empty() && !folder.path().join("ran").exists());
        // With a fallback the energy is estimated, and both outputs say why.
        let more = [isolate, &["--fall-back", "--", "true"]].concat();
        let output = run(folder.path(), &[&["measure", "--json"], &base[..], &more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let told = json(&output.stdout);
        assert_eq!(told["total"]["origin"], "estimated", "{told}");
        let text = "plugin `wall` is not read: no meter on /dev/ttyUSB0; plug it in";
        let warnings = told["warnings"].as_array().unwrap();
        assert!(warnings.iter().any(|warning| warning["text"] == text), "{told}");
        let output = run(folder.path(), &[&["measure"], &base[..], &more].concat());
        assert!(stderr(&output).contains(&format!("warning: {text}")), "{}", stderr(&output));
    }
    // The list of probes says it, too, and that is no error.
    let output = run(folder.path(), &[&["probes", "--json"], &base[..]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let told = json(&output.stdout);
    let probes = told["probes"].as_array().unwrap();
    let wall = probes.iter().find(|probe| probe["probe"] == "wall").unwrap();
    assert_eq!(
        (&wall["available"], &wall["reason"], &wall["remedy"]),
        (&false.into(), &"no meter on /dev/ttyUSB0".into(), &"plug it in".into())
    );
    // So does a folder of plugins.
    let probes = folder.path().join("probes");
    fs::create_dir(&probes).unwrap();
    fs::rename(folder.path().join("plugin.so"), probes.join("libwattlab_probe_wall.so")).unwrap();
    let args = ["measure", "--json", "--sysfs", "sys", "--plugin-dir", "probes", "--", "true"];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = json(&output.stdout);
    assert!(told["warnings"].to_string().contains("plugin `wall` is not read"), "{told}");
}

/// NVIDIA's library is loaded by a plugin, with the same rights.
#[test]
fn a_library_that_does_not_exist_or_that_others_can_replace_is_bad_input() {
    let Some(folder) = folder("") else { return };
    let folder = folder.path();
    let refused = |args: &[&str], text: &str| {
        let output = run(folder, &[args, &["--sysfs", "sys", "--", "touch", "ran"]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(text), "{args:?}: {}", stderr(&output));
        assert!(!folder.join("ran").exists());
    };
    refused(&["measure", "--nvml-library", "/no/such.so"], "`/no/such.so`");
    let permit = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(folder.join("plugin.so"), permissions).unwrap();
    };
    permit(0o646);
    for args in [
        &["measure", "--plugin", "plugin.so"][..],
        &["measure", "--plugin", "plugin.so", "--isolate"],
        &["measure", "--nvml-library", "./plugin.so"],
    ] {
        refused(args, "everybody may write to");
    }
    permit(0o644);
    let args = ["measure", "--sysfs", "sys", "--plugin", "plugin.so", "--", "true"];
    let output = run(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_plugin_that_prints_does_not_print_into_the_output() {
    let Some(folder) = folder("#define PRINTS") else { return };
    for isolate in [&[][..], &["--isolate"]] {
        let base = [&["--sysfs", "sys", "--plugin", "plugin.so"], isolate].concat();
        let args = [&["measure", "--json"], &base[..], &["--", "sleep", "0.2"]].concat();
        let output = run(folder.path(), &args);
        assert!(output.status.success(), "{}", stderr(&output));
        let told = json(&output.stdout);
        let domain = &told["domains"][0];
        assert_eq!((&domain["probe"], &domain["origin"]), (&"wall".into(), &"measured".into()));
        // No number that it prints is taken for a reading. The readings enclose the span, so on a busy
        // machine the mean is somewhat above 100 W.
        let number = |value: &Value| value.as_f64().unwrap();
        assert!((number(&domain["peak_w"]) / 100.0 - 1.0).abs() < 1e-9, "{told}");
        let truth = 100.0 * number(&told["duration_s"]);
        let (low, high) = (&domain["interval95_j"][0], &domain["interval95_j"][1]);
        assert!(number(low) < truth && truth < number(high), "{told}");
        assert!(number(&domain["mean_w"]) > 99.0, "{told}");
        // What it prints is not lost.
        assert!(stderr(&output).contains("{\"value\":666}"), "{}", stderr(&output));
        // The command keeps its standard output.
        let output = run(folder.path(), &[&["measure"], &base[..], &["--", "echo", "hi"]].concat());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hi\n");
        let output = run(folder.path(), &[&["probes", "--json"], &base[..]].concat());
        assert_eq!(json(&output.stdout)["schema"], "wattlab.probes/1");
    }
    let output = run(folder.path(), &["plugin", "check", "plugin.so", "--json"]);
    let told = json(&output.stdout);
    assert_eq!(told["plugin"], "wall", "{told}");
    assert!(told["checks"].as_array().unwrap().len() > 5, "{told}");
}

#[test]
fn a_plugin_that_does_not_open_in_time_is_given_up() {
    let Some(folder) = folder("#define HANGS_IN_OPEN") else { return };
    let wait = ["--plugin-timeout", "0.2"];
    for isolate in [&[][..], &["--isolate"]] {
        let args = ["measure", "--sysfs", "sys", "--plugin", "plugin.so"];
        let output =
            run(folder.path(), &[&args[..], &wait, isolate, &["--", "touch", "ran"]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("within 0.2 s"), "{}", stderr(&output));
        assert!(!folder.path().join("ran").exists());
    }
    let output =
        run(folder.path(), &[&["plugin", "check", "plugin.so", "--json"][..], &wait].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told = json(&output.stdout);
    let check = &told["checks"][0];
    assert_eq!((&check["id"], &check["verdict"]), (&"open".into(), &"failed".into()), "{told}");
}

/// Whether a process has ended, waited for or not.
fn ended(process: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat"))
        .map_or(true, |stat| stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

/// One that hung had used 7 CPU minutes before it was killed by hand.
#[test]
fn the_process_of_a_plugin_that_hangs_ends_with_the_meter() {
    let Some(folder) = folder("#define HANGS_IN_READ 2\n#define PID_FILE \"processes\"") else {
        return;
    };
    let args = ["measure", "--json", "--isolate", "--sysfs", "sys", "--plugin", "plugin.so", "--"];
    let output = run(folder.path(), &[&args[..], &["sh", "-c", "sleep 0.5; exit 7"]].concat());
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    let told = json(&output.stdout);
    assert!(told["warnings"].to_string().contains("`wall`"), "{told}");
    let told = fs::read_to_string(folder.path().join("processes")).unwrap();
    assert_eq!(told.split_whitespace().count(), 2, "{told}");
    for process in told.split_whitespace() {
        let limit = Instant::now() + Duration::from_secs(20);
        while !ended(process) {
            assert!(Instant::now() < limit, "process {process} lives");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
