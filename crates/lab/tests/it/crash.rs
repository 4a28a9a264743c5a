//! Kills a small study hundreds of times and makes its disk fail; no record may be lost.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use meter::Meter;
use record::{Journal, Outcome, RunId, RunRecord, RunSpec, read_journal, scan_journal};
use rustix::process::{Resource, Rlimit, setrlimit};
use wattlab::{
    Interrupt,
    config::Profile,
    data::DataFolder,
    driver::Driver,
    executor::{Assignment, Event, ExecuteError, Executor, InProcess, RunCounts},
    experiment::{Plan, RecordDigest, Records, plans},
    progress::{Progress, Sinks, StudyStatus},
    work::Worker,
};

use super::{run, stderr, wattlab};

/// A study of 35 runs that take milliseconds each. It includes a search whose trials depend on the ones
/// before.
const STUDY: &str = r#"
name = "crash"
seed = 1

[tuning]
data        = [{ name = "shapes-28", train = 16, validation = 16, test = 16 }]
networks    = ["dense-poly"]
spaces      = ["three"]
samplers    = ["grid", "random", "gp"]
trials      = 8
repetitions = 1
epochs      = 1
minibatch   = 16

[layers]
data        = [{ name = "shapes-28", train = 16, validation = 0, test = 16 }]
conv        = [1, 2]
linear      = [3, 4]
relu        = [false, true]
settings    = 1
repetitions = 1
epochs      = 1
minibatch   = 16

[timeline]
networks       = ["squeezenet1_1"]
image_side     = 32
batch          = 1
batches        = 1
warmup_batches = 0
repetitions    = 3
"#;

/// How often a process is killed by SIGKILL.
const KILLS: usize = 400;
/// How often a process dies while it writes a line, at a random byte of it.
const TORN: usize = 100;

const CHILD: &str = "WATTLAB_CRASH_TEST_FOLDER";
const LIMIT: &str = "WATTLAB_CRASH_TEST_BYTES";

/// Prints `done` when a run has finished and `kept` when its record is in the journal.
struct Printing<'a>(InProcess<'a>);

impl Executor for Printing<'_> {
    fn capacity(&self) -> usize {
        self.0.capacity()
    }

    fn start(&mut self, runs: Vec<Assignment>) -> Result<(), ExecuteError> {
        self.0.start(runs)
    }

    fn wait(&mut self) -> Result<Event, ExecuteError> {
        let event = self.0.wait()?;
        if let Event::Record(record) = &event {
            println!("\ndone {}", record.id);
        }
        Ok(event)
    }

    fn acknowledge(&mut self, id: &RunId) -> Result<(), ExecuteError> {
        println!("\nkept {id}");
        self.0.acknowledge(id)
    }

    fn counts(&self) -> RunCounts {
        self.0.counts()
    }

    fn stop(&mut self, now: bool) -> Result<Vec<RunRecord>, ExecuteError> {
        self.0.stop(now)
    }
}

/// Not a test, but the process that the crash test kills. It continues the study in a folder like
/// `wattlab reproduce`.
#[test]
#[ignore = "the process that the crash test kills"]
fn child() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    if let Ok(bytes) = std::env::var(LIMIT) {
        // A write that would exceed this length is cut off, and the next one kills the process.
        let bytes = Some(bytes.parse().unwrap());
        setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum: bytes }).unwrap();
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
    }
    let plans = plans(&Profile::load(&folder.join("study.toml").to_string_lossy()).unwrap());
    let path = folder.join("journal.jsonl");
    let (mut journal, records, _) = Journal::open_with(&path, RecordDigest::from).unwrap();
    let mut records = Records::new(records);
    let interrupt = Interrupt::default();
    let meter = Meter::builder().sysfs(folder.join("none")).start().unwrap();
    let mut worker = Worker::new(meter.clone(), DataFolder::new(None), interrupt.clone());
    let plans: Vec<&dyn Plan> = plans.iter().map(Box::as_ref).collect();
    let status = StudyStatus::of("crash", "local");
    let mut driver = Driver {
        plans: &plans,
        records: &mut records,
        journal: &mut journal,
        meter: &meter,
        interrupt: &interrupt,
        observer: &mut Progress::new(status, &[], 1, Sinks::default()),
    };
    driver.run(&mut Printing(InProcess::new(&mut worker))).unwrap();
    println!("\nend");
}

/// The folder of a study, and the runs whose records must be in its journal.
struct Study {
    folder: tempfile::TempDir,
    acknowledged: HashSet<String>,
    /// The runs in the journal at the last check, in their order.
    ids: Vec<RunId>,
}

/// Counts what killed processes left behind.
#[derive(Default)]
struct Left {
    torn: usize,
    kept_but_not_acknowledged: usize,
    done_but_not_kept: usize,
}

impl Study {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("study.toml"), STUDY).unwrap();
        Self { folder, acknowledged: HashSet::new(), ids: Vec::new() }
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("journal.jsonl")
    }

    fn length(&self) -> u64 {
        fs::metadata(self.journal()).map_or(0, |metadata| metadata.len())
    }

    fn start(&self, limit: Option<u64>) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "crash::child", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(CHILD, self.folder.path());
        command.envs(limit.map(|bytes| (LIMIT, bytes.to_string())));
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Reads the output of a process and kills it when `stop` returns true for a line. Returns whether the
    /// study was finished, and which runs were done.
    fn listen(
        &mut self,
        child: &mut Child,
        mut stop: impl FnMut(&str) -> bool,
    ) -> (bool, Vec<String>) {
        let mut done = Vec::new();
        let (mut stopped, mut ended) = (false, false);
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Ok(line) = line else { break };
            if let Some(id) = line.strip_prefix("kept ") {
                self.acknowledged.insert(id.to_owned());
            }
            if let Some(id) = line.strip_prefix("done ") {
                done.push(id.to_owned());
            }
            ended |= line == "end";
            // Lines that were printed before the kill are still read.
            if !stopped && !ended && stop(&line) {
                stopped = true;
                child.kill().unwrap();
            }
        }
        (ended, done)
    }

    /// Checks that the journal is undamaged and holds all acknowledged and all earlier records, each once.
    fn check(&mut self, done: &[String], left: &mut Left) {
        let mut ids = Vec::new();
        if self.journal().exists() {
            let state =
                scan_journal(&self.journal(), |record| record.id, |_, id| ids.push(id)).unwrap();
            assert_eq!(state.damage, [], "a line is damaged or repeated");
            left.torn += usize::from(state.torn.is_some());
        }
        assert!(ids.starts_with(&self.ids), "a record of an earlier process is gone");
        let there: HashSet<String> = ids.iter().map(ToString::to_string).collect();
        assert!(self.acknowledged.is_subset(&there), "an acknowledged record is gone");
        left.kept_but_not_acknowledged += there.difference(&self.acknowledged).count();
        left.done_but_not_kept += done.iter().filter(|id| !there.contains(*id)).count();
        // From now on these records must stay in the journal.
        self.acknowledged = there;
        self.ids = ids;
    }

    fn outcomes(&self) -> Vec<(RunSpec, Outcome)> {
        let records = read_journal(&self.journal()).unwrap();
        records.into_iter().map(|record| (record.spec, record.outcome)).collect()
    }
}

/// A random number generator with a fixed seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end
    }
}

/// Waits by spinning, which is more exact than a sleep for times below a millisecond.
fn spin(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn a_study_that_is_killed_hundreds_of_times_has_the_same_outcomes() {
    let begun = Instant::now();
    let mut whole = Study::new();
    let mut process = whole.start(None);
    let (ended, _) = whole.listen(&mut process, |_| false);
    assert!(ended && process.wait().unwrap().success(), "the study cannot be run");
    let expected = whole.outcomes();
    assert_eq!(expected.len(), 35);
    whole.check(&[], &mut Left::default());

    let mut random = Random(8);
    let (mut kills, mut in_writes, mut studies) = (0, 0, 0);
    let mut left = Left::default();
    let mut study = Study::new();
    // A finished study is started again, so that processes are killed at every stage of it.
    while kills < KILLS || in_writes < TORN || studies == 0 {
        let in_a_write = in_writes < TORN && random.below(4) == 0;
        let limit = in_a_write.then(|| study.length() + random.below(6000));
        let mut process = study.start(limit);
        // Kill it before the journal is opened, between the end of a run and its record's write, or
        // after the write.
        let (word, times, micros) = match random.below(8) {
            _ if in_a_write || kills >= KILLS => ("never", 1, 1),
            0 => ("", 1, 30_000),
            1..=5 => ("done ", 1 + random.below(2), 1 + random.below(3) * 700),
            _ => ("kept ", 1 + random.below(3), 10_000),
        };
        let mut heard = 0;
        let delay = Duration::from_micros(random.below(micros));
        let (ended, done) = study.listen(&mut process, |line| {
            heard += u64::from(line.starts_with(word));
            let now = heard >= times;
            if now {
                spin(delay);
            }
            now
        });
        let status = process.wait().unwrap();
        match status.signal() {
            Some(9) => kills += 1,
            Some(_) => in_writes += 1,
            None => assert!(ended, "the process failed: {status}"),
        }
        study.check(&done, &mut left);
        if ended {
            assert_eq!(study.outcomes(), expected, "after {kills} kills");
            studies += 1;
            study = Study::new();
        }
    }
    // The last study can be finished, too.
    let mut process = study.start(None);
    assert!(study.listen(&mut process, |_| false).0);
    process.wait().unwrap();
    assert_eq!(study.outcomes(), expected);
    println!(
        "{kills} kills by SIGKILL and {in_writes} during a write, {} finished studies: {} unfinished \
         lines, {} records that were written but not acknowledged, {} runs that ended but were not \
         written; {:.0} s",
        studies + 1,
        left.torn,
        left.kept_but_not_acknowledged,
        left.done_but_not_kept,
        begun.elapsed().as_secs_f64()
    );
    assert!(left.torn > TORN / 2, "deaths during a write must leave unfinished lines");
}

/// The outcomes in the journal of a folder.
fn outcomes(folder: &Path) -> Vec<(RunSpec, Outcome)> {
    let records = read_journal(&folder.join("journal.jsonl")).unwrap();
    records.into_iter().map(|record| (record.spec, record.outcome)).collect()
}

/// Writes fail with "file too large", as they do when a quota is used up.
#[test]
fn a_write_that_fails_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("study.toml"), STUDY).unwrap();
    let args = |out: &'static str| {
        ["reproduce", "--profile", "study.toml", "--rq", "5", "--sysfs", ".", "--out", out]
    };
    let whole = run(folder.path(), &args("whole"));
    assert!(whole.status.success(), "{}", stderr(&whole));

    // 4 KiB are enough for the first record, but not for the second.
    let mut limited = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    limited.args(["-c", script, env!("CARGO_BIN_EXE_wattlab")]).args(args("full"));
    let failed = limited.current_dir(folder.path()).output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", stderr(&failed));
    let message = stderr(&failed);
    assert!(message.contains("failed to append to journal `full/journal.jsonl`"), "{message}");
    let verified = run(folder.path(), &["journal", "verify", "full", "--json"]);
    assert!(verified.status.success(), "{}", stderr(&verified));
    let verified: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(
        verified["torn_bytes"],
        serde_json::Value::Null,
        "the failed write must be rolled back"
    );
    assert!(verified["records"].as_u64().unwrap() >= 1);

    let on = run(folder.path(), &args("full"));
    assert!(on.status.success(), "{}", stderr(&on));
    assert_eq!(outcomes(&folder.path().join("full")), outcomes(&folder.path().join("whole")));
}

/// A file system of 16 KiB that fills up, is enlarged, and becomes read-only. Skipped where no file system
/// can be mounted in a namespace of its own.
#[test]
fn a_full_disk_and_a_read_only_one_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let study = STUDY.replace("repetitions    = 3", "repetitions    = 8");
    fs::write(folder.path().join("study.toml"), study).unwrap();
    fs::create_dir(folder.path().join("disk")).unwrap();
    let script = r#"
        mount -t tmpfs -o size=16k none disk || exit 99
        set -e
        run() { "$0" reproduce --profile study.toml --rq 5 --sysfs . --out disk 2>$1 && echo 0 >$1.code || echo $? >$1.code; }
        run full
        cp disk/journal.jsonl full.jsonl
        mount -o remount,size=64m disk
        run enlarged
        cp disk/journal.jsonl enlarged.jsonl
        mount -o remount,ro disk
        run read-only
        cp disk/journal.jsonl read-only.jsonl
    "#;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    command.arg(env!("CARGO_BIN_EXE_wattlab")).current_dir(folder.path());
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let reason = stderr(&output);
            let refused = output.status.code() == Some(99) || reason.starts_with("unshare:");
            assert!(refused, "{}: {reason}", output.status);
            println!("skipped: no file system can be mounted here: {}", reason.trim());
            return;
        }
        Err(error) => {
            println!("skipped: no `unshare` here: {error}");
            return;
        }
    }
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let records = |name: &str| read_journal(&folder.path().join(name)).unwrap();

    assert_eq!(text("full.code").trim(), "1", "{}", text("full"));
    assert!(text("full").contains("failed to append to journal"), "{}", text("full"));
    let kept = records("full.jsonl");
    assert!(!kept.is_empty() && kept.len() < 8, "{} records", kept.len());

    assert_eq!(text("enlarged.code").trim(), "0", "{}", text("enlarged"));
    let all = records("enlarged.jsonl");
    assert_eq!((all.len(), &all[..kept.len()]), (8, &kept[..]));

    // No runs are left to do, but the journal cannot be opened for writing.
    assert_eq!(text("read-only.code").trim(), "2", "{}", text("read-only"));
    assert!(text("read-only").contains("journal `disk/journal.jsonl`"), "{}", text("read-only"));
    assert_eq!(text("read-only.jsonl"), text("enlarged.jsonl"));

    let whole = wattlab(
        folder.path(),
        &["reproduce", "--profile", "study.toml", "--rq", "5", "--sysfs", ".", "--out", "whole"],
    );
    let whole = { whole }.output().unwrap();
    assert!(whole.status.success(), "{}", stderr(&whole));
    let all: Vec<_> = all.into_iter().map(|record| (record.spec, record.outcome)).collect();
    assert_eq!(all, outcomes(&folder.path().join("whole")));
}
