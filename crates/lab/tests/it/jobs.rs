//! Whose energy it is: daemons of a command, control groups, Slurm jobs; and the result in the forms
//! that others ask for.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{run, stderr, wattlab};

/// Uses a number of ticks of CPU time (10 ms each) in a shell.
const BURN: &str = "burn() { while :; do read -r _ _ _ _ _ _ _ _ _ _ _ _ _ used _ </proc/$$/stat; \
                    [ $used -ge $1 ] && break; done; }; ";

fn zone(folder: &Path, energy_uj: u64) {
    let zone = folder.join("sys/class/powercap/intel-rapl:0");
    fs::create_dir_all(&zone).unwrap();
    for (file, text) in
        [("name", "package-0"), ("max_energy_range_uj", "262143328850"), ("enabled", "1")]
    {
        fs::write(zone.join(file), format!("{text}\n")).unwrap();
    }
    fs::write(zone.join("energy_uj"), format!("{energy_uj}\n")).unwrap();
}

/// What a shell does so that the counter of [`zone`] shows another value.
fn counter(energy_uj: u64) -> String {
    let file = "sys/class/powercap/intel-rapl:0/energy_uj";
    format!("echo {energy_uj} >new; mv new {file}")
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

fn measured(folder: &Path, args: &[&str], script: &str) -> Output {
    let start = ["measure", "--json", "--sysfs", "sys"];
    run(folder, &[&start, args, &["--", "sh", "-c", script]].concat())
}

/// Ways of counting that can be used here. Skips visibly what cannot.
fn ways(folder: &Path) -> Vec<&'static str> {
    let output = measured(folder, &["--cpu-time", "cgroup"], "true");
    if output.status.success() {
        assert_eq!(told(&output)["attribution"]["method"], "cgroup-v2");
        return vec!["cgroup", "process"];
    }
    assert_eq!(output.status.code(), Some(2));
    println!("skipped: a control group of the command's own ({})", stderr(&output).trim());
    vec!["process"]
}

/// A build daemon, as of Gradle, Bazel or sccache: its parent ends at once, and it works on while the
/// command waits. Afterwards the command itself works, which a running maximum of the time of living
/// processes would hide.
#[test]
fn a_daemon_counts_and_hides_no_later_work() {
    let folder = tempfile::tempdir().unwrap();
    zone(folder.path(), 1_000_000);
    let daemon = format!("setsid sh -c '{BURN} burn 40; : >done' </dev/null >/dev/null 2>&1");
    let script = format!(
        "{BURN} ({daemon} &); while [ ! -e done ]; do sleep 0.05; done; rm done; burn 30; {}",
        counter(31_000_000)
    );
    for way in ways(folder.path()) {
        zone(folder.path(), 1_000_000);
        let output = measured(folder.path(), &["--cpu-time", way], &script);
        let parts = told(&output)["attribution"].clone();
        let expected = if way == "cgroup" { "cgroup-v2" } else { "subreaper" };
        assert_eq!(parts["method"], expected, "{parts}");
        // 0.4 s in the daemon and 0.3 s in the shell, of user time, each up to a tick too low.
        assert!(parts["process_cpu_s"].as_f64().unwrap() >= 0.68, "{way}: {parts}");
        assert_eq!(parts["measured"]["joules"], 30.0);
        let share = parts["share"].as_f64().unwrap();
        let [low, high] = [0, 1].map(|at| parts["share_interval95"][at].as_f64().unwrap());
        assert!(low <= share && share <= high && high <= 1.0, "{parts}");
    }
}

/// Without a sensor the daemon's time is estimated like any other.
#[test]
fn a_daemon_is_part_of_an_estimate() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sys")).unwrap();
    let daemon = format!("setsid sh -c '{BURN} burn 40; : >done' </dev/null >/dev/null 2>&1");
    let script = format!("({daemon} &); while [ ! -e done ]; do sleep 0.05; done");
    let output = measured(folder.path(), &["--cpu-time", "process"], &script);
    let told = told(&output);
    assert_eq!(told["total"]["origin"], "estimated");
    // No processor of the table has less than 1 W for a core.
    assert!(told["total"]["joules"].as_f64().unwrap() >= 0.38, "{told}");
}

/// A shell that ignores `SIGCHLD`: the kernel adds its children's time to nobody.
#[test]
fn children_that_nobody_waits_for_count() {
    let folder = tempfile::tempdir().unwrap();
    zone(folder.path(), 1_000_000);
    let child = format!("sh -c '{BURN} burn 60; : >done'");
    let script =
        format!("trap '' CHLD; {child} & while [ ! -e done ]; do sleep 0.05; done; sleep 0.2");
    let output = measured(folder.path(), &["--cpu-time", "process"], &script);
    let cpu = told(&output)["attribution"]["process_cpu_s"].as_f64().unwrap();
    // It is seen ten times a second, so at most the last tenth of a second and a tick are missing.
    assert!(cpu >= 0.4, "{cpu}");
}

#[test]
fn processes_that_run_on_are_named() {
    let folder = tempfile::tempdir().unwrap();
    zone(folder.path(), 1_000_000);
    let script = "setsid sleep 60 </dev/null >/dev/null 2>&1 & echo $! >pid";
    for way in ways(folder.path()) {
        let output = measured(folder.path(), &["--cpu-time", way], script);
        let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        // It was not ended with the command.
        kill_process(pid, Signal::TERM).unwrap();
        let told = told(&output);
        let warnings = told["warnings"].as_array().unwrap();
        let ran_on = warnings.iter().find(|warning| warning["kind"] == "ran-on");
        let text = ran_on.unwrap_or_else(|| panic!("{way}: {told}"))["text"].as_str().unwrap();
        assert!(text.contains(&format!("(process {})", pid.as_raw_nonzero())), "{way}: {text}");
    }
}

/// The control group of a Slurm job, as Slurm 23.11 with systemd makes it.
const JOB: &str = "sys/fs/cgroup/system.slice/slurmstepd.scope/job_7";

fn job(folder: &Path) {
    zone(folder, 1_000_000);
    let job = folder.join(JOB);
    fs::create_dir_all(&job).unwrap();
    fs::write(job.join("cpu.stat"), "usage_usec 1000000\nuser_usec 1000000\n").unwrap();
    fs::write(job.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
}

#[test]
fn a_job_is_booked_its_share_and_not_the_node() {
    let folder = tempfile::tempdir().unwrap();
    // 0.05 s of the job, while this command itself uses about 0.3 s; the node uses 100 J.
    let script = format!(
        "{BURN} burn 30; echo usage_usec 1050000 >{JOB}/new; mv {JOB}/new {JOB}/cpu.stat; {}",
        counter(101_000_000)
    );
    let paths = [
        ["--slurm-job", "7"],
        ["--cgroup", "/system.slice/slurmstepd.scope/job_7"],
        ["--cgroup", JOB],
    ];
    for args in paths {
        job(folder.path());
        let told = told(&measured(folder.path(), &args, &script));
        let (job, total) = (&told["job"], &told["total"]);
        assert_eq!(job["node"]["joules"], 100.0, "{told}");
        assert_eq!(
            (job["method"].as_str(), total["origin"].as_str()),
            (Some("cgroup-v2"), Some("estimated"))
        );
        assert!((job["cpu_s"].as_f64().unwrap() - 0.05).abs() < 1e-9, "{job}");
        let (share, joules) = (job["share"].as_f64().unwrap(), total["joules"].as_f64().unwrap());
        assert!(share > 0.0 && share < 0.25, "{job}");
        assert!((joules - 100.0 * share).abs() < 1e-6, "{told}");
        assert_eq!(&job["energy"], total);
        let [low, high] = [0, 1].map(|at| job["interval95_j"][at].as_f64().unwrap());
        assert!(low <= joules && joules <= high && high <= 101.0, "{job}");
        // Each domain says whether it counts; the counter of the node does not.
        let counts: Vec<bool> = told["domains"]
            .as_array()
            .unwrap()
            .iter()
            .map(|energy| energy["in_total"] == true)
            .collect();
        assert_eq!(counts, [false, true]);
        assert!(job["left_out"].as_array().unwrap().len() >= 2);
        assert_eq!(told["exit_code"], 0);
    }
}

#[test]
fn a_job_is_measured_until_the_time_is_over_or_it_ends_or_somebody_interrupts() {
    let folder = tempfile::tempdir().unwrap();
    job(folder.path());
    let args = ["measure", "--json", "--sysfs", "sys", "--slurm-job", "7", "--seconds", "0.3"];
    let output = run(folder.path(), &args);
    let of_time = told(&output);
    assert_eq!((output.status.code(), &of_time["exit_code"]), (Some(0), &Value::Null));
    assert!(of_time["duration_s"].as_f64().unwrap() >= 0.3, "{of_time}");
    for (ends, code) in [(true, 0), (false, 130)] {
        job(folder.path());
        let mut child = wattlab(folder.path(), &args[..6])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("measuring `Slurm job 7`"), "{line}");
        if ends {
            fs::write(folder.path().join(JOB).join("new"), "populated 0\nfrozen 0\n").unwrap();
            let (new, file) = ("new", "cgroup.events");
            fs::rename(folder.path().join(JOB).join(new), folder.path().join(JOB).join(file))
                .unwrap();
        } else {
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            kill_process(pid, Signal::INT).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(told(&output)["job"]["name"], "Slurm job 7");
    }
}

#[test]
fn a_job_that_cannot_be_measured_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    job(folder.path());
    let check = |args: &[&str], text: &str| {
        let output = run(folder.path(), &[&["measure", "--sysfs", "sys"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    };
    check(&["--slurm-job", "8"], "Slurm job `8` has no control group on this node");
    check(&["--slurm-job", "7_2"], "`7_2` is no id of a Slurm job");
    check(&["--cgroup", "nothing"], "control group `nothing` does not exist");
    check(&["--cgroup", "sys"], "has no CPU time");
    check(
        &["--slurm-job", "7", "--job-gpu", "GPU-1", "--seconds", "1"],
        "no sensor measures a GPU `GPU-1`",
    );
    check(&["--job-gpu", "GPU-1", "--", "true"], "--job-gpu needs a job");
    check(&["--slurm-job", "7", "--cgroup", "x"], "cannot be used with");
    check(&["--slurm-job", "7", "--seconds", "1", "--", "true"], "cannot be used with");
    check(&[], "<CMD>");
    fs::write(folder.path().join(JOB).join("cgroup.events"), "populated 0\n").unwrap();
    check(&["--slurm-job", "7"], "`Slurm job 7` has no processes");
}

#[test]
fn the_result_has_the_forms_that_others_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    zone(folder.path(), 1_000_000);
    let args = [
        "--region",
        "FRA",
        "--sci",
        "inference=1000",
        "--embodied",
        "10",
        "--ai-act",
        "energy.md",
        "--flop",
        "1e15",
        "--mlflow",
        "mlruns",
        "--mlflow-experiment",
        "energy of it",
    ];
    let output = measured(folder.path(), &args, &format!("{}; exit 4", counter(37_000_000)));
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let told = told(&output);
    let (sci, grams) = (&told["sci"], told["carbon"]["grams"].as_f64().unwrap());
    assert!((sci["score_g_per_unit"].as_f64().unwrap() - (grams + 10.0) / 1000.0).abs() < 1e-12);
    assert_eq!(
        (sci["persona"].as_str(), sci["energy_kwh"].as_f64()),
        (Some("consumer"), Some(1e-5))
    );
    assert!(sci["left_out"].to_string().contains("memory, GPUs"), "{sci}");
    let table = fs::read_to_string(folder.path().join("energy.md")).unwrap();
    assert!(table.contains("| 2 (e) | energy consumption, known | 1.00e-8 MWh"), "{table}");
    assert!(table.contains("| 1.00e15 |"), "{table}");
    let experiment = fs::read_dir(folder.path().join("mlruns")).unwrap().flatten().find(|entry| {
        let meta = fs::read_to_string(entry.path().join("meta.yaml")).unwrap_or_default();
        meta.contains("name: 'energy of it'")
    });
    let runs: Vec<_> = fs::read_dir(experiment.unwrap().path())
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .collect();
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    let read = |file: &str| fs::read_to_string(run.path().join(file)).unwrap();
    // The name of the metric says where the joules come from.
    let total = format!("metrics/energy_{}_j", told["total"]["origin"].as_str().unwrap());
    assert!(read(&total).contains(" 36.0 0"), "{}", read(&total));
    assert!(read("meta.yaml").contains("status: 4"));
    let kept: Value = serde_json::from_str(&read("artifacts/measure.json")).unwrap();
    assert_eq!(kept["total"], told["total"]);
    assert!(read("tags/mlflow.note.content").contains("Left out: memory, GPUs"));
}

#[test]
fn a_form_that_cannot_be_written_is_bad_input_before_the_command_runs() {
    let folder = tempfile::tempdir().unwrap();
    zone(folder.path(), 1_000_000);
    for (args, text) in [
        (&["--sci", "inference=10"][..], "--sci needs the carbon intensity"),
        (&["--region", "FRA", "--sci", "inference"], "UNIT=COUNT"),
        (&["--region", "FRA", "--sci", "inference=0"], "number of functional units"),
        (&["--embodied", "5"], "--sci"),
        (&["--ai-act", "no/such/file"], "--ai-act: failed to write `no/such/file`"),
        (&["--ai-act", "sys"], "--ai-act: failed to write `sys`"),
        (&["--mlflow", "http://localhost:5000"], "address of a server"),
        (&["--mlflow", "sys/class/powercap/intel-rapl:0/name"], "is not a folder"),
    ] {
        let output = measured(folder.path(), args, ": >ran");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
        assert!(!folder.path().join("ran").exists(), "{args:?}");
    }
}
