//! `cargo xtask ci`: every check that must pass before a change lands, one step after another.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, bail};

use crate::{
    commands, embed, fuzz, platforms,
    process::{cargo, target_folder, wattlab},
    slurm, wheel,
};

/// How a step runs.
enum Work {
    /// The next step begins when this function has returned the step's exit code.
    Now(fn() -> anyhow::Result<u8>),
    /// A process that mostly waits. The next steps run beside it, and the last one waits for it.
    Beside(fn() -> Command),
}

/// A step's name, what it checks, and how it runs.
type Step = (&'static str, &'static str, Work);

/// Optional parts that need no more than Rust. The feature `cuda` needs nvcc; see CONTRIBUTING.md.
const FEATURES: &str = "wattlab/pdf,wattlab/parquet";

/// Cheap steps come first, so that a mistake shows early; steps that share build outputs stand together.
const STEPS: &[Step] = &[
    ("fmt", "every file is formatted", Work::Now(|| cargo(&["fmt", "--all", "--check"], &[]))),
    ("platforms", "no Linux-only dependency is used on other systems", Work::Now(platforms::run)),
    ("clippy", "no lint warns", Work::Now(clippy)),
    ("doc", "the documentation builds without a warning", Work::Now(documentation)),
    (
        "test",
        "every test passes (the README's command)",
        Work::Now(|| cargo(&["test", "--workspace"], &[])),
    ),
    (
        "python",
        "the Python package installs, and its tests and recipes pass",
        Work::Now(wheel::check),
    ),
    ("fuzz", "a minute of damaged and extreme inputs does no harm", Work::Now(short_attack)),
    ("slurm", "a study on a Slurm of two nodes survives their loss", Work::Beside(slurm::command)),
    ("features", "reports in optional formats are right", Work::Now(optional_formats)),
    ("embed", "packaged crates work in other people's workspaces", Work::Now(embed::run)),
    (
        "commands",
        "every command in the documentation works, the reproduction among them",
        Work::Now(documented_commands),
    ),
];

/// Runs all steps, or the named ones; prints the time that each took.
pub(crate) fn run(names: &[&str]) -> anyhow::Result<u8> {
    for name in names {
        if !STEPS.iter().any(|(known, ..)| known == name) {
            let known: Vec<&str> = STEPS.iter().map(|&(known, ..)| known).collect();
            bail!("unknown step `{name}`; steps: {}", known.join(", "));
        }
    }
    let start = Instant::now();
    let mut times = Vec::new();
    let mut beside: Vec<Beside> = Vec::new();
    let steps = STEPS.iter().filter(|(name, ..)| names.is_empty() || names.contains(name));
    for (name, checks, work) in steps {
        eprintln!("ci: {name}: {checks}");
        let begin = Instant::now();
        let code = match work {
            Work::Now(step) => step()?,
            Work::Beside(command) => {
                eprintln!("ci: {name}: runs beside the next steps; its output follows at the end");
                beside.push(Beside::start(name, &mut command())?);
                continue;
            }
        };
        times.push(format!("{name} {:.0} s", begin.elapsed().as_secs_f64()));
        if code != 0 {
            eprintln!("ci: step `{name}` failed with exit code {code} ({})", times.join(", "));
            return Ok(code);
        }
    }
    for mut step in beside {
        let code = step.finish()?;
        times.push(format!("{} ended after {:.0} s", step.name, start.elapsed().as_secs_f64()));
        if code != 0 {
            let name = step.name;
            eprintln!("ci: step `{name}` failed with exit code {code} ({})", times.join(", "));
            return Ok(code);
        }
    }
    let total = start.elapsed().as_secs_f64() / 60.0;
    eprintln!("ci: all steps passed in {total:.1} min ({})", times.join(", "));
    Ok(0)
}

/// A step whose process runs beside the next steps. It is killed if one of them fails.
struct Beside {
    name: &'static str,
    child: Child,
    output: PathBuf,
}

impl Beside {
    fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        let output = target_folder().join(format!("ci-{name}.log"));
        let file = File::create(&output)
            .with_context(|| format!("failed to create `{}`", output.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("failed to start step `{name}`"))?;
        Ok(Self { name, child, output })
    }

    /// Waits for the process and prints what it printed. Returns its exit code.
    fn finish(&mut self) -> anyhow::Result<u8> {
        let status = self.child.wait().with_context(|| format!("step `{}` was lost", self.name))?;
        let output = fs::read(&self.output)
            .with_context(|| format!("failed to read `{}`", self.output.display()))?;
        eprintln!("ci: {}:\n{}", self.name, String::from_utf8_lossy(&output));
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After `finish` the process has ended, and this does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// With the program of the tests, so that nothing is compiled again.
fn short_attack() -> anyhow::Result<u8> {
    let code = cargo(&["test", "--workspace", "--no-run", "--quiet"], &[])?;
    if code != 0 {
        return Ok(code);
    }
    let program = target_folder().join("debug/wattlab");
    fuzz::run(&["--seconds", "60", "--program", &program.to_string_lossy()])
}

fn clippy() -> anyhow::Result<u8> {
    let all = ["--workspace", "--all-targets", "--features", FEATURES, "--locked"];
    cargo(&[&["clippy"][..], &all, &["--", "-D", "warnings"]].concat(), &[])
}

fn documentation() -> anyhow::Result<u8> {
    let all = ["--workspace", "--no-deps", "--features", FEATURES, "--locked"];
    cargo(&[&["doc"][..], &all].concat(), &[("RUSTDOCFLAGS", "-D warnings")])
}

/// The whole workspace, because that compiles the dependencies of the tests before with the same features.
fn optional_formats() -> anyhow::Result<u8> {
    let all = ["--workspace", "--features", FEATURES, "--test", "page", "--locked"];
    cargo(&[&["test"][..], &all].concat(), &[])
}

/// Runs the documentation's commands. One of them is the README's quick reproduction, which must have reached a
/// verdict on every claim.
fn documented_commands() -> anyhow::Result<u8> {
    let code = commands::run(&[])?;
    if code != 0 {
        return Ok(code);
    }
    wattlab(&["check".into(), commands::folder().join("target/reproduce")])
}
