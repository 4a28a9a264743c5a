//! `cargo xtask ci`: everything that must be green before a change lands.

use crate::process::{cargo, root, wattlab};

/// Arguments of cargo, and variables of its environment.
type Step<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

pub(crate) fn run() -> anyhow::Result<u8> {
    let steps: &[Step<'_>] = &[
        (&["fmt", "--all", "--check"], &[]),
        (&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[]),
        (&["doc", "--workspace", "--no-deps", "--locked"], &[("RUSTDOCFLAGS", "-D warnings")]),
        // The README's test command.
        (&["test", "--workspace"], &[]),
    ];
    for (args, env) in steps {
        eprintln!("ci: cargo {}", args.join(" "));
        let code = cargo(args, env)?;
        if code != 0 {
            return Ok(code);
        }
    }
    quick_reproduction()
}

/// A real quick reproduction from scratch, and a verdict for every claim.
fn quick_reproduction() -> anyhow::Result<u8> {
    let out = root().join("target/ci-reproduce");
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    eprintln!("ci: cargo xtask reproduce --out {}", out.display());
    let out = out.to_string_lossy();
    let code = crate::reproduce::run(&["--out", &out])?;
    if code != 0 {
        return Ok(code);
    }
    wattlab(&["check", &out])
}
