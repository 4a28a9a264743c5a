//! A study on a real Slurm: two nodes on this machine, one of which is killed.
//!
//! The tests take minutes, so they run only where WATTLAB_TEST_SLURM is set, as `cargo xtask slurm` does.
//! They need Debian's packages `slurm-wlm` and `munge` and root; otherwise they say that they are skipped.
//! All files, sockets and keys are in a temporary folder, so that a Slurm that is already running
//! on this machine is not affected.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "prints its progress, and that it is skipped")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use record::{Outcome, RunId, read_journal};

/// A study of about fifty runs that take about a second each.
const STUDY: &str = r#"
name = "two-nodes"
seed = 4

[tuning]
data        = [{ name = "shapes-28", train = 2048, validation = 64, test = 64 }]
networks    = ["dense-poly"]
spaces      = ["three"]
samplers    = ["random", "gp"]
trials      = 8
repetitions = 1
epochs      = 4
minibatch   = 32

[layers]
data        = [{ name = "shapes-28", train = 2048, validation = 0, test = 64 }]
conv        = [1, 4]
linear      = [3, 7]
relu        = [false, true]
settings    = 1
repetitions = 6
epochs      = 4
minibatch   = 32

[slurm]
partition   = "main"
time        = "00:10:00"
jobs        = 2
runs_per_job = 8
poll_s      = 2.0
"#;

/// How long to wait for an event before the test fails; generous, for busy machines.
const PATIENCE: Duration = Duration::from_secs(300);

/// The path of one of Slurm's programs; `None` if it is not installed.
fn program(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];
    folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// Only one cluster runs at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A cluster of two virtual nodes on the loopback network.
struct Cluster {
    folder: tempfile::TempDir,
    processes: BTreeMap<&'static str, Child>,
    /// Folder of the studies and their logs.
    scratch: tempfile::TempDir,
}

impl Cluster {
    /// Starts the cluster; prints why and returns `None` if that is not possible.
    fn start() -> Option<Self> {
        if env::var_os("WATTLAB_TEST_SLURM").is_none() {
            println!("skipped: WATTLAB_TEST_SLURM is not set; `cargo xtask slurm` sets it");
            return None;
        }
        let missing: Vec<&str> = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel"]
            .into_iter()
            .filter(|name| program(name).is_none())
            .collect();
        if !missing.is_empty() {
            println!("skipped: no {}; apt-get install slurm-wlm munge", missing.join(", "));
            return None;
        }
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        if !root {
            println!("skipped: Slurm's daemons need root");
            return None;
        }
        // In the shared folder of temporary files, which the daemons can read.
        let folder = tempfile::Builder::new().prefix("wattlab-slurm-").tempdir().unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let mut this = Self { folder, processes: BTreeMap::new(), scratch };
        this.write_configuration();
        this.munge();
        this.controller();
        this.node("n1");
        this.node("n2");
        this.wait("two idle nodes", |cluster| {
            cluster.ask("sinfo", &["-h", "-N", "-o", "%T"]) == "idle\nidle\n"
        });
        Some(this)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_configuration(&self) {
        for name in ["state", "spool/n1", "spool/n2", "log", "munge"] {
            fs::create_dir_all(self.path(name)).unwrap();
        }
        // Ports that are free now; the daemons bind them in a moment.
        let ports: Vec<TcpListener> =
            (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let port = |at: usize| ports[at].local_addr().unwrap().port();
        let host = Command::new("hostname").arg("-s").output().unwrap().stdout;
        let host = String::from_utf8(host).unwrap().trim().to_owned();
        let folder = self.folder.path().display();
        let text = format!(
            "ClusterName=wattlab\n\
             SlurmctldHost={host}(127.0.0.1)\n\
             SlurmctldPort={}\n\
             AuthType=auth/munge\n\
             AuthInfo=socket={folder}/munge/socket\n\
             CredType=cred/munge\n\
             SlurmUser=root\n\
             SlurmdUser=root\n\
             StateSaveLocation={folder}/state\n\
             SlurmdSpoolDir={folder}/spool/%n\n\
             SlurmctldLogFile={folder}/log/slurmctld.log\n\
             SlurmdLogFile={folder}/log/slurmd-%n.log\n\
             SlurmctldPidFile={folder}/slurmctld.pid\n\
             SlurmdPidFile={folder}/slurmd-%n.pid\n\
             ProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\n\
             SelectType=select/cons_tres\n\
             SelectTypeParameters=CR_Core\n\
             SchedulerType=sched/backfill\n\
             SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0\n\
             SlurmdTimeout=4\n\
             ReturnToService=2\n\
             KillWait=5\n\
             MessageTimeout=4\n\
             SlurmdParameters=config_overrides\n\
             MpiDefault=none\n\
             JobAcctGatherType=jobacct_gather/none\n\
             NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={} CPUs=1 State=UNKNOWN\n\
             NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={} CPUs=1 State=UNKNOWN\n\
             PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP\n",
            port(0),
            port(1),
            port(2),
        );
        fs::write(self.path("slurm.conf"), text).unwrap();
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name).unwrap());
        command.env("SLURM_CONF", self.path("slurm.conf"));
        command
    }

    fn daemon(&mut self, key: &'static str, command: &mut Command) {
        let log = fs::File::create(self.path(&format!("log/{key}.out"))).unwrap();
        let error = log.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(log).stderr(error).spawn().unwrap();
        self.processes.insert(key, child);
    }

    /// Starts an authentication service with its own key and socket.
    fn munge(&mut self) {
        let folder = self.path("munge");
        let of = |option: &str, name: &str| format!("--{option}={}", folder.join(name).display());
        let key = folder.join("key");
        let random: Vec<u8> = (0..128_u32).map(|i| (i.wrapping_mul(167) ^ 0x5a) as u8).collect();
        fs::write(&key, random).unwrap();
        let private = |path: &Path, mode: u32| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        private(&key, 0o400);
        private(&folder, 0o711);
        // munged requires that only its user can write to the folders above.
        private(self.folder.path(), 0o755);
        let mut command = self.command("munged");
        command.args(["--foreground", "--force"]).args([
            of("key-file", "key"),
            of("socket", "socket"),
            of("pid-file", "pid"),
            of("seed-file", "seed"),
            of("log-file", "log"),
        ]);
        self.daemon("munged", &mut command);
        self.wait("munge's socket", |cluster| cluster.path("munge/socket").exists());
    }

    fn controller(&mut self) {
        let mut command = self.command("slurmctld");
        command.args(["-D", "-i"]);
        self.daemon("slurmctld", &mut command);
        self.wait("the controller", |cluster| cluster.ask("scontrol", &["ping"]).contains("is UP"));
    }

    fn node(&mut self, name: &'static str) {
        let mut command = self.command("slurmd");
        command.args(["-D", "-N", name]);
        self.daemon(name, &mut command);
    }

    /// Kills a daemon as a power cut would.
    fn kill(&mut self, key: &str) {
        let mut child = self.processes.remove(key).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Kills a node: its daemon, the steps it started, and their work.
    fn kill_node(&mut self, name: &str) {
        self.kill(name);
        for pid in self.steps(name).into_iter().rev() {
            drop(Command::new("kill").args(["-KILL", &pid]).status());
        }
    }

    /// The processes of the jobs of a node: those whose environment names the node, and the
    /// `slurmstepd` that started them.
    fn steps(&self, node: &str) -> Vec<String> {
        let spool = self.path(&format!("spool/{node}"));
        let mark = format!("SLURMD_NODENAME={node}");
        let conf = format!("SLURM_CONF={}", self.path("slurm.conf").display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let environment = read("environ");
            let variables: BTreeSet<&[u8]> = environment.split(|byte| *byte == 0).collect();
            let line = String::from_utf8_lossy(&read("cmdline")).into_owned();
            let ours = variables.contains(conf.as_bytes());
            let starter = line.contains("slurmstepd") && line.contains(&*spool.to_string_lossy());
            if (ours && variables.contains(mark.as_bytes())) || starter {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        found
    }

    fn run(&self, name: &str, args: &[&str]) -> Output {
        self.command(name).args(args).output().unwrap()
    }

    fn ask(&self, name: &str, args: &[&str]) -> String {
        String::from_utf8_lossy(&self.run(name, args).stdout).into_owned()
    }

    /// Waits until a condition holds; panics with the logs of the daemons after [`PATIENCE`].
    fn wait(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            if started.elapsed() > PATIENCE {
                self.tell();
                panic!("waited {PATIENCE:?} for {what}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Prints the ends of all logs and the state of the cluster.
    fn tell(&self) {
        let logs = [self.path("log"), self.scratch.path().to_owned()];
        let entries = logs.iter().flat_map(|folder| fs::read_dir(folder).unwrap().flatten());
        for entry in
            entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "log"))
        {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(25)..].join("\n");
            println!("--- {}\n{last}", entry.path().display());
        }
        println!("--- squeue\n{}", self.ask("squeue", &["--states=all", "--array"]));
        println!("--- sinfo\n{}", self.ask("sinfo", &["-N", "-l"]));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.run("scancel", &["--name=wattlab"]));
        // The nodes are stopped before the controller, and munge last.
        for key in ["n1", "n2", "slurmctld", "munged"] {
            if self.processes.contains_key(key) {
                self.kill(key);
            }
        }
        for node in ["n1", "n2"] {
            for pid in self.steps(node) {
                drop(Command::new("kill").args(["-KILL", &pid]).status());
            }
        }
    }
}

fn wattlab(cluster: &Cluster, folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wattlab"));
    command.current_dir(folder).args(args).env_remove("WATTLAB_DATA_DIR");
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    command.env("SLURM_CONF", cluster.path("slurm.conf"));
    command
}

fn lines(journal: &Path) -> usize {
    fs::read(journal).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())
}

fn outcomes(out: &Path) -> BTreeMap<RunId, Outcome> {
    let records = read_journal(&out.join("journal.jsonl")).unwrap();
    let count = records.len();
    let outcomes: BTreeMap<_, _> =
        records.into_iter().map(|record| (record.id, record.outcome)).collect();
    assert_eq!(outcomes.len(), count, "a run is in the journal twice");
    outcomes
}

/// Nodes and numbers of the running jobs.
fn busy(cluster: &Cluster) -> Vec<(String, String)> {
    let text = cluster.ask("squeue", &["-h", "--array", "-t", "RUNNING", "-o", "%N %i"]);
    let pair = |line: &str| line.split_once(' ').map(|pair| (pair.0.to_owned(), pair.1.to_owned()));
    text.lines().filter_map(pair).collect()
}

#[test]
fn a_study_survives_lost_nodes_controllers_and_jobs() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut cluster) = Cluster::start() else { return };
    println!("{}", cluster.ask("sinfo", &["--version"]).trim());
    let folder = cluster.scratch.path().to_owned();
    let folder = folder.as_path();
    fs::write(folder.join("study.toml"), STUDY).unwrap();
    let start = |cluster: &Cluster, log: &str| {
        let args = ["reproduce", "--profile", "study.toml", "--out", "spread"];
        let log = fs::File::create(folder.join(log)).unwrap();
        let mut command = wattlab(cluster, folder, &args);
        command.args(["--executor", "slurm", "--metrics", "study.prom"]);
        command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
    };
    let said = |log: &str| fs::read_to_string(folder.join(log)).unwrap_or_default();
    let journal = folder.join("spread/journal.jsonl");

    // Both nodes work; one is killed during a run.
    let mut study = start(&cluster, "first.log");
    cluster.wait("both nodes at work", |cluster| busy(cluster).len() == 2 && lines(&journal) >= 4);
    println!("both nodes work: {} records", lines(&journal));
    cluster.kill_node("n2");
    println!("node n2 is killed at {} records", lines(&journal));
    cluster.wait("its job to be lost", |_| said("first.log").contains("lost its worker"));
    println!("{}", said("first.log").lines().rfind(|line| line.contains("lost")).unwrap());

    // The controller is killed; it and the node are started again.
    cluster.kill("slurmctld");
    let before = lines(&journal);
    println!("the controller is killed at {before} records");
    cluster.wait("an unreachable controller to be noticed", |_| {
        said("first.log").contains("trying again")
    });
    cluster.controller();
    cluster.node("n2");
    cluster.wait("work to go on", |_| lines(&journal) > before + 2);
    println!("the controller and n2 are back, work goes on: {} records", lines(&journal));

    // A job is cancelled by the user.
    cluster.wait("a running job", |cluster| !busy(cluster).is_empty());
    let (node, job) = busy(&cluster).remove(0);
    assert!(cluster.run("scancel", &[&job]).status.success());
    println!("job {job} on {node} is cancelled by hand at {} records", lines(&journal));
    let at = lines(&journal);
    cluster.wait("work to go on", |_| lines(&journal) > at + 2);

    // The program is killed. Its jobs go on, and the next call collects their records.
    study.kill().unwrap();
    study.wait().unwrap();
    let at = lines(&journal);
    let done = folder.join("spread/work/done");
    cluster.wait("jobs to work on alone", |_| fs::read_dir(&done).unwrap().count() >= 2);
    println!("reproduce is killed at {at} records, its jobs go on");
    let status = wattlab(&cluster, folder, &["status", "spread", "--json"]).output().unwrap();
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains(r#""state": "killed""#), "{status}");
    let mut study = start(&cluster, "second.log");
    cluster.wait("their records to be collected", |_| {
        said("second.log").contains("added to the journal")
    });
    println!(
        "{}",
        said("second.log").lines().find(|line| line.contains("to the journal")).unwrap()
    );

    // The program is interrupted and cancels its jobs.
    let at = lines(&journal);
    cluster.wait("work to go on", |_| lines(&journal) > at + 1);
    drop(Command::new("kill").args(["-INT", &study.id().to_string()]).status());
    assert_eq!(study.wait().unwrap().code(), Some(130), "{}", said("second.log"));
    let queue = cluster.ask("squeue", &["-h"]);
    assert_eq!(queue, "", "jobs are left");
    println!("interrupted at {} records: no job is left", lines(&journal));

    // The study is finished.
    let ended = start(&cluster, "third.log").wait().unwrap();
    if !ended.success() {
        cluster.tell();
        panic!("{}", said("third.log"));
    }
    let mut local =
        wattlab(&cluster, folder, &["reproduce", "--profile", "study.toml", "--out", "local"]);
    let local = local.output().unwrap();
    assert!(local.status.success(), "{}", String::from_utf8_lossy(&local.stderr));
    let (spread, local) = (outcomes(&folder.join("spread")), outcomes(&folder.join("local")));
    assert_eq!(spread, local);
    println!("{} outcomes, equal to the local ones", spread.len());
    let records = read_journal(&journal).unwrap();
    let worker =
        |record: &record::RunRecord| record.timing.surroundings.clone().unwrap().worker.unwrap();
    let workers: BTreeSet<String> = records.iter().map(worker).collect();
    assert!(
        workers.len() >= 4 && workers.iter().all(|worker| worker.starts_with("slurm-")),
        "{workers:?}"
    );
    println!(
        "done by {} jobs: {}",
        workers.len(),
        workers.into_iter().collect::<Vec<_>>().join(", ")
    );
    let metrics = fs::read_to_string(folder.join("study.prom")).unwrap();
    assert!(metrics.contains("wattlab_study_up 0"), "{metrics}");
    for part in ["todo", "taken", "done", "failed", "jobs"] {
        let left = fs::read_dir(folder.join("spread/work").join(part)).unwrap().count();
        assert_eq!(left, 0, "{part}");
    }
    assert_eq!(cluster.ask("squeue", &["-h"]), "", "jobs are left");
}

#[test]
fn a_failing_job_is_reported_with_its_log() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(cluster) = Cluster::start() else { return };
    let folder = cluster.scratch.path();
    // The copy of the program that jobs run is changed after it was made.
    fs::write(folder.join("study.toml"), STUDY).unwrap();
    let args = ["reproduce", "--profile", "study.toml", "--out", "bad", "--rq", "1"];
    let mut command = wattlab(&cluster, folder, &args);
    command.args(["--executor", "slurm", "--workers", "1"]);
    let spool = folder.join("bad/work");
    let study = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    cluster.wait("a copy of the program", |_| {
        let names = fs::read_dir(&spool).into_iter().flatten().flatten();
        let mut copies = names
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("bin-"))
            .filter(|entry| !entry.file_name().to_string_lossy().ends_with("part"));
        let Some(copy) = copies.next() else { return false };
        let mut text = fs::read(copy.path()).unwrap();
        text.push(b'x');
        // In one step, so that the program never misses its copy.
        let changed = spool.join("changed");
        fs::write(&changed, text).unwrap();
        fs::rename(&changed, copy.path()).is_ok()
    });
    let output = study.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let log = error.split("its log is `").nth(1).and_then(|rest| rest.split('`').next());
    let log = fs::read_to_string(log.unwrap_or_else(|| panic!("{error}"))).unwrap();
    assert!(log.contains("has changed since the job was submitted"), "{log}");
    assert_eq!(cluster.ask("squeue", &["-h"]), "");

    // An unknown partition is bad input; the message repeats that of Slurm.
    let text = STUDY.replace("\"main\"", "\"mian\"");
    fs::write(folder.join("study.toml"), text).unwrap();
    let args = ["reproduce", "--profile", "study.toml", "--out", "mian", "--executor", "slurm"];
    let output = wattlab(&cluster, folder, &args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("sbatch") && error.contains("[slurm]"), "{error}");
}
