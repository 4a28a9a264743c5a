//! Compares the networks with runtimes that people use instead; writes `crates/models/BENCHMARKS.md`.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

use super::python;
use crate::process::{cargo, release_folder, root};

/// The peers by name, with their packages. PyTorch is always there: it exports the networks for the others.
const PEERS: [(&str, &[&str]); 3] = [
    ("torch", &["torch==2.15.0", "torchvision==0.29.2"]),
    ("onnxruntime", &["onnxruntime==1.32.0", "onnx==1.23.2"]),
    ("openvino", &["openvino==2026.4.1", "onnx==1.23.2", "nncf==3.4.0"]),
];

/// What the file says above its sections.
const HEAD: &str = "# Speed compared with other runtimes

This file is written by `cargo xtask bench models --peer torch,onnxruntime,openvino`. A run replaces the section \
of its kind of processor, instruction set and precision (`--precision int8`) and keeps the others. `WATTLAB_LANES=avx2` measures the kernels for \
AVX2 on a processor that has AVX-512.
";

/// Flags of the comparison.
struct Flags<'a> {
    peers: &'a str,
    /// A Python that has the peers. Without one, they are installed under `target/` (several gigabytes).
    python: Option<&'a str>,
    seconds: &'a str,
    /// `float32` or `int8`.
    precision: &'a str,
    networks: Vec<&'a str>,
}

/// Runs the comparison.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let flags = parse(args)?;
    let code = cargo(&["build", "--release", "-p", "wattlab"], &[])?;
    if code != 0 {
        return Ok(code);
    }
    let python = match flags.python {
        Some(path) => PathBuf::from(path),
        None => {
            let wanted = flags.peers.split(',').chain(["torch"]);
            let packages: Vec<&str> = wanted
                .flat_map(|name| PEERS.iter().filter(move |(peer, _)| *peer == name))
                .flat_map(|(_, packages)| packages.iter().copied())
                .collect();
            python::with("bench-models", &packages)?
        }
    };
    let output = Command::new(python)
        .arg(root().join("crates/models/benches/peer.py"))
        .arg(release_folder().join("wattlab"))
        .args([flags.peers, flags.seconds, flags.precision])
        .current_dir(root())
        .args(&flags.networks)
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start Python")?;
    ensure!(
        output.status.success(),
        "the comparison failed; check that this Python has {}",
        flags.peers
    );
    let text = String::from_utf8(output.stdout)?;
    eprintln!("{text}");
    if !flags.networks.is_empty() {
        eprintln!(
            "crates/models/BENCHMARKS.md is unchanged, because only some networks were measured"
        );
        return Ok(0);
    }
    let path = root().join("crates/models/BENCHMARKS.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, replaced(&old, &text))
        .with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}

fn parse<'a>(args: &[&'a str]) -> anyhow::Result<Flags<'a>> {
    let mut flags = Flags {
        peers: "torch",
        python: None,
        seconds: "1",
        precision: "float32",
        networks: Vec::new(),
    };
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        let mut value = || args.next().copied().with_context(|| format!("{flag} needs a value"));
        match *flag {
            "--peer" => flags.peers = value()?,
            "--python" => flags.python = Some(value()?),
            "--seconds" => flags.seconds = value()?,
            "--precision" => flags.precision = value()?,
            "--network" => flags.networks.push(value()?),
            _ => bail!(
                "`{flag}` is unknown; the flags are --peer, --python, --seconds, --precision and --network \
                 (repeatable)"
            ),
        }
    }
    let known = |name: &str| PEERS.iter().any(|(peer, _)| *peer == name);
    if let Some(name) = flags.peers.split(',').find(|name| !known(name)) {
        bail!("--peer: `{name}` is unknown; the peers are torch, onnxruntime and openvino");
    }
    ensure!(
        ["float32", "int8"].contains(&flags.precision),
        "--precision: expected `float32` or `int8`, got `{}`",
        flags.precision
    );
    ensure!(
        flags.precision == "float32" || flags.peers != "torch",
        "--precision int8 needs --peer onnxruntime or openvino: PyTorch is no peer of it"
    );
    ensure!(
        flags.seconds.parse::<f64>().is_ok_and(|it| it.is_finite() && it > 0.0),
        "--seconds: expected a positive number, got `{}`",
        flags.seconds
    );
    Ok(flags)
}

/// The file with a section replaced, or added at its end if no section has the same heading.
fn replaced(old: &str, section: &str) -> String {
    let heading = section.lines().next().unwrap_or_default();
    let mut sections: Vec<String> = Vec::new();
    for line in old.lines() {
        if line.starts_with("## ") {
            sections.push(String::new());
        }
        if let Some(last) = sections.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    let section = format!("{}\n", section.trim_end());
    match sections.iter_mut().find(|old| old.lines().next() == Some(heading)) {
        Some(old) => *old = section,
        None => sections.push(section),
    }
    let sections: Vec<&str> = sections.iter().map(|section| section.trim_end()).collect();
    format!("{HEAD}\n{}\n", sections.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_replaces_the_section_of_its_processor_only() {
        let old = "# Title\n\n## A, avx512\n\n### Training\n\nold\n\n## B, avx2\n\nkept\n";
        let new = replaced(old, "## A, avx512\n\nnew\n\n");
        assert_eq!(new, format!("{HEAD}\n## A, avx512\n\nnew\n\n## B, avx2\n\nkept\n"));
        let both = replaced(&new, "## C, portable\n\nthird\n");
        assert!(both.ends_with("## B, avx2\n\nkept\n\n## C, portable\n\nthird\n"), "{both}");
    }

    #[test]
    fn unknown_peers_and_flags_are_refused() {
        assert!(parse(&["--peer", "torch,tensorflow"]).is_err());
        assert!(parse(&["--seconds", "0"]).is_err());
        assert!(parse(&["--peer"]).is_err());
        assert!(parse(&["--quick"]).is_err());
        assert!(parse(&["--precision", "int4", "--peer", "openvino"]).is_err());
        assert!(parse(&["--precision", "int8"]).is_err());
        let int8 = parse(&["--precision", "int8", "--peer", "openvino"]).unwrap();
        assert_eq!(int8.precision, "int8");
        let flags = parse(&["--peer", "onnxruntime,openvino", "--network", "alexnet"]).unwrap();
        assert_eq!((flags.peers, flags.networks), ("onnxruntime,openvino", vec!["alexnet"]));
    }
}
