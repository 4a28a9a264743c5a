//! A study on a real Slurm: two nodes on this machine, one of which is killed.
//!
//! Needs Debian's `slurm-wlm` and `munge` and root; skips visibly otherwise. Everything lies in a
//! folder of its own, sockets and keys included: a Slurm that runs here already is not touched.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "tells what it does, and that it is skipped")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use record::{Outcome, RunId, read_journal};

/// A study of about fifty runs of a second or so.
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

const PATIENCE: Duration = Duration::from_secs(60);

/// Slurm's programs, wherever Debian puts them.
fn program(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];
    folders.iter().map(|it| Path::new(it).join(name)).find(|it| it.is_file())
}

/// One cluster at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A cluster of two virtual nodes on loopback.
struct Cluster {
    folder: tempfile::TempDir,
    processes: BTreeMap<&'static str, Child>,
    /// What the study says.
    scratch: tempfile::TempDir,
}

impl Cluster {
    /// Starts it; `None`, with the reason said, where that cannot be done.
    fn start() -> Option<Self> {
        let missing: Vec<&str> = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel"]
            .into_iter()
            .filter(|it| program(it).is_none())
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
        // Not a system's folder of private temporary files: the daemons must see it.
        let folder = tempfile::Builder::new().prefix("wattlab-slurm-").tempdir().unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let mut this = Self { folder, processes: BTreeMap::new(), scratch };
        this.write_configuration();
        this.munge();
        this.controller();
        this.node("n1");
        this.node("n2");
        this.wait("two idle nodes", |it| {
            it.ask("sinfo", &["-h", "-N", "-o", "%T"]) == "idle\nidle\n"
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
        // Free now, and bound again a moment later.
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

    /// An authentication service of our own: another key, another socket.
    fn munge(&mut self) {
        let folder = self.path("munge");
        let of = |option: &str, name: &str| format!("--{option}={}", folder.join(name).display());
        let key = folder.join("key");
        let random: Vec<u8> = (0..128_u32).map(|it| (it.wrapping_mul(167) ^ 0x5a) as u8).collect();
        fs::write(&key, random).unwrap();
        let private = |path: &Path, mode: u32| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        private(&key, 0o400);
        private(&folder, 0o711);
        // It insists that nobody else can write the folders above.
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
        self.wait("munge's socket", |it| it.path("munge/socket").exists());
    }

    fn controller(&mut self) {
        let mut command = self.command("slurmctld");
        command.args(["-D", "-i"]);
        self.daemon("slurmctld", &mut command);
        self.wait("the controller", |it| it.ask("scontrol", &["ping"]).contains("is UP"));
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

    /// Processes of the jobs of a node: those whose environment names it, and their keepers.
    fn steps(&self, node: &str) -> Vec<String> {
        let spool = self.path(&format!("spool/{node}"));
        let mark = format!("SLURMD_NODENAME={node}");
        let conf = format!("SLURM_CONF={}", self.path("slurm.conf").display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let environment = read("environ");
            let variables: BTreeSet<&[u8]> = environment.split(|it| *it == 0).collect();
            let line = String::from_utf8_lossy(&read("cmdline")).into_owned();
            let ours = variables.contains(conf.as_bytes());
            let keeper = line.contains("slurmstepd") && line.contains(&*spool.to_string_lossy());
            if (ours && variables.contains(mark.as_bytes())) || keeper {
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

    fn wait(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !so(self) {
            if started.elapsed() > PATIENCE {
                self.tell();
                panic!("waited {PATIENCE:?} for {what}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the daemons said last.
    fn tell(&self) {
        let logs = [self.path("log"), self.scratch.path().to_owned()];
        let entries = logs.iter().flat_map(|it| fs::read_dir(it).unwrap().flatten());
        for entry in entries.filter(|it| it.path().extension().is_some_and(|it| it == "log")) {
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
        // Nodes before the controller, munge last.
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
    fs::read(journal).map_or(0, |it| it.iter().filter(|it| **it == b'\n').count())
}

fn outcomes(out: &Path) -> BTreeMap<RunId, Outcome> {
    let records = read_journal(&out.join("journal.jsonl")).unwrap();
    let count = records.len();
    let outcomes: BTreeMap<_, _> = records.into_iter().map(|it| (it.id, it.outcome)).collect();
    assert_eq!(outcomes.len(), count, "a run is in the journal twice");
    outcomes
}

/// Nodes and jobs of the workers that are at a run.
fn busy(cluster: &Cluster) -> Vec<(String, String)> {
    let text = cluster.ask("squeue", &["-h", "--array", "-t", "RUNNING", "-o", "%N %i"]);
    let pair = |line: &str| line.split_once(' ').map(|it| (it.0.to_owned(), it.1.to_owned()));
    text.lines().filter_map(pair).collect()
}

#[test]
fn a_study_survives_nodes_controllers_and_hands() {
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

    // Two nodes at work; one is killed in the middle of a run.
    let mut study = start(&cluster, "first.log");
    cluster.wait("both nodes at work", |it| busy(it).len() == 2 && lines(&journal) >= 4);
    println!("both nodes work: {} records", lines(&journal));
    cluster.kill_node("n2");
    println!("node n2 is killed at {} records", lines(&journal));
    cluster.wait("its job to be lost", |_| said("first.log").contains("lost its worker"));
    println!("{}", said("first.log").lines().rfind(|it| it.contains("lost")).unwrap());

    // The controller goes and comes back; the node too.
    cluster.kill("slurmctld");
    let before = lines(&journal);
    println!("the controller is killed at {before} records");
    cluster.wait("a silent Slurm to be noticed", |_| said("first.log").contains("trying again"));
    cluster.controller();
    cluster.node("n2");
    cluster.wait("work to go on", |_| lines(&journal) > before + 2);
    println!("the controller and n2 are back, work goes on: {} records", lines(&journal));

    // Somebody cancels a job by hand.
    cluster.wait("a running job", |it| !busy(it).is_empty());
    let (node, job) = busy(&cluster).remove(0);
    assert!(cluster.run("scancel", &[&job]).status.success());
    println!("job {job} on {node} is cancelled by hand at {} records", lines(&journal));
    let at = lines(&journal);
    cluster.wait("work to go on", |_| lines(&journal) > at + 2);

    // The program itself is killed; its jobs work on, and the next call takes up what they left.
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
    cluster.wait("what they left to be taken up", |_| {
        said("second.log").contains("in the journal now")
    });
    println!("{}", said("second.log").lines().find(|it| it.contains("in the journal")).unwrap());

    // Interrupted: its jobs are cancelled.
    let at = lines(&journal);
    cluster.wait("work to go on", |_| lines(&journal) > at + 1);
    drop(Command::new("kill").args(["-INT", &study.id().to_string()]).status());
    assert_eq!(study.wait().unwrap().code(), Some(130), "{}", said("second.log"));
    let queue = cluster.ask("squeue", &["-h"]);
    assert_eq!(queue, "", "jobs are left");
    println!("interrupted at {} records: no job is left", lines(&journal));

    // To the end.
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
    let worker = |it: &record::RunRecord| it.timing.surroundings.clone().unwrap().worker.unwrap();
    let workers: BTreeSet<String> = records.iter().map(worker).collect();
    assert!(workers.len() >= 4 && workers.iter().all(|it| it.starts_with("slurm-")), "{workers:?}");
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
fn a_run_that_cannot_be_done_names_its_log() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(cluster) = Cluster::start() else { return };
    let folder = cluster.scratch.path();
    // What the login node can do and its compute nodes cannot: the program is changed on the way.
    fs::write(folder.join("study.toml"), STUDY).unwrap();
    let args = ["reproduce", "--profile", "study.toml", "--out", "bad", "--rq", "1"];
    let mut command = wattlab(&cluster, folder, &args);
    command.args(["--executor", "slurm", "--workers", "1"]);
    let spool = folder.join("bad/work");
    let study = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    cluster.wait("a copy of the program", |_| {
        let names = fs::read_dir(&spool).into_iter().flatten().flatten();
        let mut copies = names
            .filter(|it| it.file_name().to_string_lossy().starts_with("bin-"))
            .filter(|it| !it.file_name().to_string_lossy().ends_with("part"));
        let Some(copy) = copies.next() else { return false };
        let mut text = fs::read(copy.path()).unwrap();
        text.push(b'x');
        fs::remove_file(copy.path()).unwrap();
        fs::write(copy.path(), text).is_ok()
    });
    let output = study.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let log = error.split("its log is `").nth(1).and_then(|it| it.split('`').next());
    let log = fs::read_to_string(log.unwrap_or_else(|| panic!("{error}"))).unwrap();
    assert!(log.contains("is not what was submitted"), "{log}");
    assert_eq!(cluster.ask("squeue", &["-h"]), "");

    // A partition that is not there is bad input, with Slurm's own words.
    let text = STUDY.replace("\"main\"", "\"mian\"");
    fs::write(folder.join("study.toml"), text).unwrap();
    let args = ["reproduce", "--profile", "study.toml", "--out", "mian", "--executor", "slurm"];
    let output = wattlab(&cluster, folder, &args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("sbatch") && error.contains("[slurm]"), "{error}");
}
