//! The control groups of a Slurm job on this node.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use super::{
    cgroup::{Cgroup, CgroupError},
    mounts::CgroupMounts,
};

/// A job of Slurm, or one of its steps: `1234`, `1234.0`, `1234.batch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlurmJob {
    id: u32,
    step: Option<String>,
}

/// Why a job cannot be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The text is no id of a job.
    #[error(
        "`{text}` is no id of a Slurm job; expected a number such as 1234, or a step such as \
         1234.0 or 1234.batch (for a task of an array, the job's own id: `squeue --format %A`)"
    )]
    Id {
        /// The text.
        text: String,
    },
    /// The job has no control group here.
    #[error(
        "Slurm job `{job}` has no control group on this node (looked below {}); `squeue --jobs \
         {job}` shows on which nodes it runs, and Slurm must keep jobs in control groups \
         (`ProctrackType=proctrack/cgroup`)",
        searched.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
    )]
    NotHere {
        /// The job.
        job: SlurmJob,
        /// The folders that were searched.
        searched: Vec<PathBuf>,
    },
    /// The job has control groups without CPU time.
    #[error(
        "{0}; with control groups of version 1, Slurm counts CPU time only with \
         `JobAcctGatherType=jobacct_gather/cgroup`"
    )]
    NoCpuTime(#[source] CgroupError),
}

/// Jobs are at most this many folders below a mount: in a container of Kubernetes, whose own path has
/// five.
const DEEPEST: usize = 9;
/// A search ends after this many folders.
const MOST: usize = 50_000;

impl SlurmJob {
    /// The id of a job or of a step.
    ///
    /// # Errors
    ///
    /// [`JobError::Id`] if the text is none.
    pub fn parse(text: &str) -> Result<Self, JobError> {
        let (id, step) = match text.split_once('.') {
            Some((id, step)) => (id, Some(step)),
            None => (text, None),
        };
        let named = |step: &str| ["batch", "extern", "interactive"].contains(&step);
        let fail = || JobError::Id { text: text.to_owned() };
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(id) || step.is_some_and(|step| !named(step) && !digits(step)) {
            return Err(fail());
        }
        let id = id.parse().ok().filter(|id| *id > 0).ok_or_else(fail)?;
        Ok(Self { id, step: step.map(str::to_owned) })
    }

    /// Its control groups on this node: one, or one for each `slurmd` if several share the machine.
    ///
    /// Slurm names them `…/slurmstepd.scope/job_ID/step_STEP` (cgroup/v2 plugin; the scope is in
    /// `system.slice`, or with several `slurmd` is named `NODE_slurmstepd.scope`) and
    /// `…/slurm/uid_UID/job_ID/step_STEP` (cgroup/v1; with several `slurmd` `slurm_NODE`).
    ///
    /// # Errors
    ///
    /// If there is none, or it does not tell the CPU time.
    pub fn cgroups(&self, mounts: &CgroupMounts) -> Result<Vec<Cgroup>, JobError> {
        let folders = mounts.folders().map(|mount| self.below(mount));
        let mut without = None;
        for folders in folders {
            let (mut cgroups, mut failed) = (Vec::new(), false);
            for folder in folders {
                match Cgroup::open(&folder) {
                    Ok(cgroup) => cgroups.push(cgroup),
                    Err(error) => {
                        without = without.or(Some(error));
                        failed = true;
                    }
                }
            }
            // Another hierarchy of the same job may tell the CPU time.
            if !failed && !cgroups.is_empty() {
                return Ok(cgroups);
            }
        }
        Err(without.map_or_else(
            || JobError::NotHere {
                job: self.clone(),
                searched: mounts.folders().map(Path::to_owned).collect(),
            },
            JobError::NoCpuTime,
        ))
    }

    /// The folders of this job or step in a hierarchy, in order.
    fn below(&self, mount: &Path) -> Vec<PathBuf> {
        let name = format!("job_{}", self.id);
        let (mut found, mut seen) = (Vec::new(), 0);
        let mut folders = vec![(mount.to_owned(), 0, false)];
        while let Some((folder, depth, slurm)) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                seen += 1;
                let text = entry.file_name().to_string_lossy().into_owned();
                if slurm && text == name {
                    let step = self.step.as_ref().map(|step| format!("step_{step}"));
                    let folder = step.map_or(entry.path(), |step| entry.path().join(step));
                    found.extend(folder.is_dir().then_some(folder));
                } else if depth < DEEPEST && seen < MOST && !(slurm && text.starts_with("job_")) {
                    let slurm = slurm || text.contains("slurm");
                    folders.push((entry.path(), depth + 1, slurm));
                }
            }
        }
        found.sort();
        found
    }
}

impl fmt::Display for SlurmJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        self.step.iter().try_for_each(|step| write!(f, ".{step}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Makes groups with 1 s, 2 s, … of CPU time, and finds those of a job.
    fn found(groups: &[&str], job: &str) -> Result<Vec<String>, JobError> {
        let folder = tempfile::tempdir().unwrap();
        for (at, group) in groups.iter().enumerate() {
            let path = folder.path().join("fs/cgroup").join(group);
            fs::create_dir_all(&path).unwrap();
            if group.starts_with("cpuacct") {
                fs::write(path.join("cpuacct.usage"), format!("{}000000000\n", at + 1)).unwrap();
            } else if !group.starts_with("freezer") && !group.contains("bare") {
                fs::write(path.join("cpu.stat"), format!("usage_usec {}000000\n", at + 1)).unwrap();
            }
        }
        let mounts = CgroupMounts::below(folder.path());
        let cgroups = SlurmJob::parse(job).unwrap().cgroups(&mounts)?;
        let root = folder.path().join("fs/cgroup");
        let inside =
            |cgroup: &Cgroup| cgroup.path().strip_prefix(&root).unwrap().display().to_string();
        Ok(cgroups.iter().map(inside).collect())
    }

    #[test]
    fn a_job_is_found_in_the_layouts_of_both_versions() {
        // Slurm 23.11 with systemd; two `slurmd` on one machine; a `slurmd` in a pod of Kubernetes;
        // Slurm 20.11 with version 1.
        let new = "system.slice/slurmstepd.scope/job_7";
        assert_eq!(found(&[new, "system.slice/slurmstepd.scope/job_70"], "7").unwrap(), [new]);
        let two =
            ["system.slice/n1_slurmstepd.scope/job_7", "system.slice/n2_slurmstepd.scope/job_7"];
        assert_eq!(found(&two, "7").unwrap(), two);
        let pod = "kubepods.slice/kubepods-pod1.slice/cri-containerd-2.scope/system.slice/\
                   slurmstepd.scope/job_7";
        assert_eq!(found(&[pod], "7").unwrap(), [pod]);
        let old = "cpuacct/slurm/uid_1000/job_7";
        assert_eq!(found(&[old, "freezer/slurm/uid_1000/job_7"], "7").unwrap(), [old]);
        let step = format!("{new}/step_batch");
        assert_eq!(found(&[new, &step], "7.batch").unwrap(), [step.as_str()]);
        // Another program's group of that name is no job.
        assert!(matches!(found(&["system.slice/job_7"], "7"), Err(JobError::NotHere { .. })));
    }

    #[test]
    fn a_job_without_a_group_or_without_cpu_time_is_an_error_that_says_what_to_do() {
        let error = found(&["system.slice/slurmstepd.scope/job_8"], "7").unwrap_err().to_string();
        assert!(error.contains("`7`") && error.contains("squeue --jobs 7"), "{error}");
        let error = found(&["slurm/bare/job_7"], "7").unwrap_err().to_string();
        assert!(error.contains("jobacct_gather/cgroup"), "{error}");
    }

    #[test]
    fn ids_are_numbers_and_steps() {
        for good in ["1", "1234.0", "1234.batch", "4294967295.extern"] {
            assert_eq!(SlurmJob::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "0", "x", "12_3", "1.", "1.x", "4294967296", "+1", "1/../2", "1.0.0"] {
            assert!(SlurmJob::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_id_or_refused(text in "\\PC{0,12}") {
            if let Ok(job) = SlurmJob::parse(&text) {
                prop_assert!(!job.to_string().contains('/'));
            }
        }
    }
}
