//! Measures how the cost of the journal, the plans and the report grows with the number of records; writes the
//! table in `docs/scale.md`.

use std::{
    fs,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::process::root;

const BEGIN: &str = "<!-- measured by `cargo xtask bench journal` -->\n";
const END: &str = "<!-- end -->";

/// Runs the benchmark with journals of these numbers of records and prints the table. Without numbers it uses
/// 10⁴, 10⁵ and 10⁶ records and writes the table into the page. Needs 5 GB in `TMPDIR`.
pub(crate) fn run(sizes: &[&str]) -> anyhow::Result<u8> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["bench", "-p", "wattlab", "--bench", "journal", "--"])
        .args(sizes)
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start cargo")?;
    ensure!(output.status.success(), "the benchmark failed");
    let table = String::from_utf8(output.stdout)?;
    eprintln!("{table}");
    if !sizes.is_empty() {
        return Ok(0);
    }
    let path = root().join("docs/scale.md");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("failed to read `{}`", path.display()))?;
    let around = text.split_once(BEGIN).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(END)?;
        Some((head, tail))
    });
    let (head, tail) =
        around.context("`docs/scale.md` lacks the comments between which the table goes")?;
    fs::write(&path, format!("{head}{BEGIN}\n{table}\n{END}{tail}"))
        .with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}
