//! `cargo xtask ci`: every check that must pass before a change lands, one step after another.

use std::time::Instant;

use anyhow::bail;

use crate::{
    commands, embed, platforms,
    process::{cargo, wattlab},
};

/// A step's name, what it checks, and the function that returns its exit code.
type Step = (&'static str, &'static str, fn() -> anyhow::Result<u8>);

/// Optional parts that need no more than Rust. The feature `cuda` needs nvcc; see CONTRIBUTING.md.
const FEATURES: &str = "wattlab/pdf,wattlab/parquet";

/// Cheap steps come first, so that a mistake shows early; steps that share build outputs stand together.
const STEPS: &[Step] = &[
    ("fmt", "every file is formatted", || cargo(&["fmt", "--all", "--check"], &[])),
    ("platforms", "no Linux-only dependency is used on other systems", platforms::run),
    ("clippy", "no lint warns", || {
        let all = ["--workspace", "--all-targets", "--features", FEATURES, "--locked"];
        cargo(&[&["clippy"][..], &all, &["--", "-D", "warnings"]].concat(), &[])
    }),
    ("doc", "the documentation builds without a warning", || {
        let all = ["--workspace", "--no-deps", "--features", FEATURES, "--locked"];
        cargo(&[&["doc"][..], &all].concat(), &[("RUSTDOCFLAGS", "-D warnings")])
    }),
    ("test", "every test passes (the README's command)", || cargo(&["test", "--workspace"], &[])),
    ("features", "the tests of optional formats pass", || {
        let tests = ["--features", "pdf,parquet", "--lib", "--test", "page", "--locked"];
        cargo(&[&["test", "-p", "wattlab-report"][..], &tests].concat(), &[])
    }),
    ("embed", "packaged crates work in other people's workspaces", embed::run),
    (
        "commands",
        "every command in the documentation works, the reproduction among them",
        documented_commands,
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
    for (name, checks, step) in STEPS {
        if !names.is_empty() && !names.contains(name) {
            continue;
        }
        eprintln!("ci: {name}: {checks}");
        let begin = Instant::now();
        let code = step()?;
        times.push(format!("{name} {:.0} s", begin.elapsed().as_secs_f64()));
        if code != 0 {
            eprintln!("ci: step `{name}` failed with exit code {code} ({})", times.join(", "));
            return Ok(code);
        }
    }
    let total = start.elapsed().as_secs_f64() / 60.0;
    eprintln!("ci: all steps passed in {total:.1} min ({})", times.join(", "));
    Ok(0)
}

/// Runs the documentation's commands. One of them is the README's quick reproduction, which must have reached
/// a verdict on every claim.
fn documented_commands() -> anyhow::Result<u8> {
    let code = commands::run(&[])?;
    if code != 0 {
        return Ok(code);
    }
    wattlab(&["check".into(), commands::folder().join("target/reproduce")])
}
