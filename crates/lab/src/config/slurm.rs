//! `[slurm]`: how jobs are submitted to a Slurm cluster.

use serde::Deserialize;
use units::limits;

use super::check::Check;

/// How jobs are submitted. The cluster's defaults hold for every option that is absent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlurmConfig {
    /// `#SBATCH --partition`.
    pub partition: Option<String>,
    /// `#SBATCH --account`.
    pub account: Option<String>,
    /// `#SBATCH --qos`.
    pub qos: Option<String>,
    /// `#SBATCH --time` of one job, such as `"04:00:00"`. A job does many runs, one after the other.
    pub time: Option<String>,
    /// `#SBATCH --cpus-per-task`.
    pub cpus_per_task: Option<u32>,
    /// `#SBATCH --mem`, such as `"8G"`.
    pub memory: Option<String>,
    /// `#SBATCH --gres`, such as `"gpu:1"`.
    pub gres: Option<String>,
    /// `#SBATCH --constraint`. The energies of different processors are not comparable, so choose
    /// nodes of one kind.
    pub constraint: Option<String>,
    /// `#SBATCH --exclusive`: whether the node runs no other jobs meanwhile.
    pub exclusive: bool,
    /// Further options, without `#SBATCH`, such as `"--mail-type=FAIL"`.
    pub options: Vec<String>,
    /// Shell lines that run before the work, such as `"module load gcc"`.
    pub setup: Vec<String>,
    /// The largest number of jobs that are queued or running at once.
    pub jobs: usize,
    /// The largest number of runs of one job; `None` for no limit.
    pub runs_per_job: Option<u32>,
    /// How long a job without work waits for more, in seconds: a search asks for its next trial only
    /// when the one before has ended.
    pub linger_s: f64,
    /// How often a run is started at most if its jobs are lost, the first start included.
    pub tries: u32,
    /// The longest time between two looks at the queue, in seconds.
    pub poll_s: f64,
}

impl Default for SlurmConfig {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            qos: None,
            time: None,
            cpus_per_task: None,
            memory: None,
            gres: None,
            constraint: None,
            exclusive: true,
            options: Vec::new(),
            setup: Vec::new(),
            jobs: 16,
            runs_per_job: None,
            linger_s: 15.0,
            tries: 3,
            poll_s: 30.0,
        }
    }
}

impl SlurmConfig {
    /// The options of a job, without `#SBATCH`.
    #[must_use]
    pub(crate) fn options(&self) -> Vec<String> {
        let text = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("--{name}={value}"))
        };
        let mut options: Vec<String> = [
            text("partition", &self.partition),
            text("account", &self.account),
            text("qos", &self.qos),
            text("time", &self.time),
            self.cpus_per_task.map(|cpus| format!("--cpus-per-task={cpus}")),
            text("mem", &self.memory),
            text("gres", &self.gres),
            text("constraint", &self.constraint),
            self.exclusive.then(|| "--exclusive".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect();
        options.extend(self.options.iter().cloned());
        options
    }

    pub(super) fn check(&self, check: &mut Check<'_>) {
        check.whole("slurm.jobs", self.jobs, limits::JOBS);
        check.whole("slurm.tries", self.tries, limits::TRIES);
        check.whole("slurm.cpus_per_task", self.cpus_per_task.unwrap_or(1), limits::THREADS);
        check.whole("slurm.runs_per_job", self.runs_per_job.unwrap_or(1), limits::RUNS);
        check.real("slurm.poll_s", self.poll_s, limits::POLL_S);
        check.real("slurm.linger_s", self.linger_s, limits::LINGER_S);
        for (key, value) in [
            ("slurm.partition", &self.partition),
            ("slurm.account", &self.account),
            ("slurm.qos", &self.qos),
            ("slurm.time", &self.time),
            ("slurm.memory", &self.memory),
            ("slurm.gres", &self.gres),
            ("slurm.constraint", &self.constraint),
        ] {
            // It would end the line of the job script, and what follows would be a command.
            for value in value.iter().filter(|value| value.contains(char::is_control)) {
                check.fail(
                    key,
                    &format!("`{}`", value.escape_debug()),
                    "one line without control characters",
                );
            }
        }
        for (key, lines) in [("slurm.options", &self.options), ("slurm.setup", &self.setup)] {
            for line in lines.iter().filter(|line| line.contains(['\n', '\r', '\0'])) {
                check.fail(key, &format!("`{}`", line.escape_debug()), "one line each");
            }
        }
        for option in self.options.iter().filter(|option| !option.starts_with('-')) {
            let expected = "options of sbatch, such as `--mail-type=FAIL`";
            check.fail("slurm.options", &format!("`{option}`"), expected);
        }
        let own = ["--array", "--output", "--error", "--requeue"];
        for option in &self.options {
            if own.iter().any(|own| option.split('=').next() == Some(own)) {
                let expected = "options other than --array, --output, --error and --requeue, which wattlab sets";
                check.fail("slurm.options", &format!("`{option}`"), expected);
            }
        }
    }
}
