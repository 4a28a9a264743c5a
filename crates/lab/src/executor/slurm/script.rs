//! The script of a job, which runs a verified copy of this program.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    config::SlurmConfig,
    executor::{FolderError, WorkFolder, files::rename},
};

/// Copies a file into the work folder as `<stem>-<sha256><end>`, so that jobs are not affected when the
/// original changes. Returns the path of the copy and its SHA-256.
pub(super) fn copy(
    folder: &WorkFolder,
    file: &Path,
    stem: &str,
    end: &str,
) -> Result<(PathBuf, String), FolderError> {
    let fail = |action, path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Io { action, path, source }
    };
    let sha256 = sha256(file).map_err(fail("read", file))?;
    let copy = folder.path().join(format!("{stem}-{sha256}{end}"));
    if self::sha256(&copy).ok().as_ref() != Some(&sha256) {
        let part = copy.with_extension("part");
        let written = fs::copy(file, &part)
            .and_then(|_| File::open(&part)?.sync_all())
            .and_then(|()| rename(&part, &copy));
        written.map_err(fail("write", &copy))?;
    }
    Ok((copy, sha256))
}

/// The SHA-256 of a file, in hexadecimal digits.
pub(super) fn sha256(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The text of the script that a job runs.
pub(super) fn script(
    folder: &WorkFolder,
    config: &SlurmConfig,
    program: &Path,
    sha256: &str,
) -> String {
    let options: Vec<String> = ["--job-name=wattlab", "--no-requeue", "--ntasks=1"]
        .into_iter()
        .map(str::to_owned)
        .chain(config.options())
        .map(|option| format!("#SBATCH {option}"))
        .collect();
    format!(
        "#!/bin/bash\n\
         # Does the runs of a work folder of wattlab, one after the other. wattlab overwrites this file.\n\
         {}\n\
         set -u\n\
         {}\
         program={}\n\
         if ! echo \"{sha256}  $program\" | sha256sum --check --status; then\n\
         \x20 echo \"$program has changed since the job was submitted, expected SHA-256 {sha256}\" >&2\n\
         \x20 exit 3\n\
         fi\n\
         exec \"$program\" worker {} --name \"slurm-${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\"\n",
        options.join("\n"),
        config.setup.iter().map(|line| format!("{line}\n")).collect::<String>(),
        quoted(program),
        quoted(folder.path()),
    )
}

/// A path in single quotes, for a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_contains_the_options_and_verifies_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let folder = WorkFolder::open(&folder.path().join("it's work")).unwrap();
        let config = SlurmConfig {
            partition: Some("cpu".into()),
            cpus_per_task: Some(8),
            options: vec!["--mail-type=FAIL".into()],
            setup: vec!["module load gcc".into()],
            ..SlurmConfig::default()
        };
        let program = folder.path().join("bin-ab12");
        let text = script(&folder, &config, &program, "ab12");
        for line in [
            "#SBATCH --partition=cpu",
            "#SBATCH --cpus-per-task=8",
            "#SBATCH --exclusive",
            "#SBATCH --no-requeue",
            "#SBATCH --mail-type=FAIL",
            "module load gcc",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(text.contains(r"it'\''s work"), "{text}");
        assert!(text.contains("echo \"ab12  $program\" | sha256sum --check"), "{text}");
        // Slurm reads options only before the first command.
        assert!(text.rfind("#SBATCH").unwrap() < text.find("set -u").unwrap());
    }

    #[test]
    fn a_changed_copy_is_replaced() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = WorkFolder::open(&scratch.path().join("work")).unwrap();
        let file = scratch.path().join("program");
        fs::write(&file, b"abc").unwrap();
        let (copy, sha256) = copy(&folder, &file, "bin", "").unwrap();
        assert!(sha256.starts_with("ba7816bf8f01cfea414140de5dae2223"));
        fs::write(&copy, b"abx").unwrap();
        let again = super::copy(&folder, &file, "bin", "").unwrap();
        assert_eq!((again.0.clone(), fs::read(again.0).unwrap()), (copy, b"abc".to_vec()));
    }
}
