//! The meter beside its peers on one simulated machine; writes `crates/meter/BENCHMARKS.md`.

use std::{fmt::Write, fs, path::PathBuf, process::Command};

use anyhow::{Context, ensure};

use crate::process::{cargo, release_folder, root};

const PEERS: [&str; 4] =
    ["codecarbon==3.3.2", "zeus==0.16.0", "pyJoules==0.5.1", "carbontracker==2.4.7"];

pub(crate) fn run() -> anyhow::Result<u8> {
    for args in [
        &["build", "--release", "-p", "wattlab"][..],
        &["build", "--release", "-p", "wattlab-meter", "--example", "cost"],
    ] {
        let code = cargo(args, &[])?;
        if code != 0 {
            return Ok(code);
        }
    }
    let output = Command::new(python()?)
        .arg(root().join("crates/meter/benches/peers.py"))
        .args([release_folder().join("wattlab"), release_folder().join("examples/cost")])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("failed to start the peers")?;
    ensure!(
        output.status.success(),
        "the peers could not be run; they need root for a mount of their own"
    );
    let text = page(&String::from_utf8(output.stdout)?);
    eprintln!("{text}");
    let path = root().join("crates/meter/BENCHMARKS.md");
    fs::write(&path, text).with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}

/// A Python with the peers in it, under `target/`.
fn python() -> anyhow::Result<PathBuf> {
    let folder = root().join("target/bench-meter");
    let python = folder.join("bin/python");
    if !python.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status();
        ensure!(made.context("failed to start `python3`")?.success(), "`python3 -m venv` failed");
    }
    let installed = Command::new(&python).args(["-m", "pip", "install", "-q"]).args(PEERS).status();
    ensure!(installed?.success(), "the peers could not be installed: is PyPI reachable?");
    Ok(python)
}

/// A value of a flat line of JSON.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{key}\": "))?;
    if let Some(text) = rest.strip_prefix('"') {
        return text.split('"').next();
    }
    rest.split([',', '}']).next()
}

fn number(line: &str, key: &str) -> Option<f64> {
    value(line, key)?.parse().ok()
}

fn page(lines: &str) -> String {
    let mut text = String::from(
        "# The meter beside its peers\n\nWritten by `cargo xtask bench meter --peers`: one run on one \
         machine. A process drives the counters of a powercap tree whose true energy is known; each \
         tool (as installed, unmodified) measures 2 s of it (100 ms where said) in a process of its own.\n\n\
         | case | tool | truth (J) | told (J) | error | interval given | measured or estimated told apart |\n\
         |---|---|--:|--:|--:|---|---|\n",
    );
    let rows: Vec<&str> = lines.lines().collect();
    for line in
        rows.iter().filter(|it| value(it, "truth").is_some() || value(it, "error").is_some())
    {
        let (tool, case) = (value(line, "tool").unwrap_or("?"), value(line, "case").unwrap_or("?"));
        if let Some(error) = value(line, "error") {
            let _ =
                writeln!(text, "| {case} | {tool} | | fails: {} | | | |", error.replace('|', "/"));
            continue;
        }
        let (truth, told) =
            (number(line, "truth").unwrap_or(f64::NAN), number(line, "joules").unwrap_or(f64::NAN));
        let interval = number(line, "uncertainty").map_or("no".to_owned(), |it| {
            let inside = (told - truth).abs() <= it;
            format!("± {it:.2} J{}", if inside { "" } else { ", missed" })
        });
        let apart = value(line, "origin").unwrap_or("no");
        let error = 100.0 * (told - truth) / truth;
        let _ = writeln!(
            text,
            "| {case} | {tool} | {truth:.1} | {told:.1} | {error:+.1} % | {interval} | {apart} |"
        );
    }
    text.push_str(
        "\nThe driver renews its counters every half millisecond or so, at real-time priority; where it is \
         late all the same, what passed meanwhile is in no tool's interval (\"missed\"). The peers are asked for the processor's (and \
         memory's) energy alone: CodeCarbon's memory is a model of its own and left out; carbontracker's figures include the mean data center's overhead of 1.58 that it multiplies in.\n\n## Cost\n\n\
         | tool | from import or start to ready (s) | CPU-seconds per second while measuring | memory (MB) |\n\
         |---|--:|--:|--:|\n",
    );
    for line in rows.iter().filter(|it| value(it, "case") == Some("constant")) {
        let of = |key, digits| {
            number(line, key).map_or(String::new(), |it: f64| format!("{it:.digits$}"))
        };
        let per_second =
            number(line, "cpu_s").map_or(String::new(), |it| format!("{:.4}", it / 2.0));
        let tool = value(line, "tool").unwrap_or("?");
        let (ready, memory) = if tool == "wattlab" {
            let start = rows.iter().find(|it| value(it, "case") == Some("start"));
            let of = |key| start.and_then(|it| number(it, key)).unwrap_or(f64::NAN);
            let ready = format!("{:.4} (all of `measure -- true`)", of("ready_s"));
            (ready, format!("{:.1}", of("rss_mb")))
        } else {
            (of("ready_s", 3), of("rss_mb", 0))
        };
        let _ = writeln!(text, "| {tool} | {ready} | {per_second} | {memory} |");
    }
    let ours = |case: &str, key: &str| {
        let line = rows.iter().find(|it| value(it, "case") == Some(case));
        line.and_then(|it| number(it, key)).unwrap_or(f64::NAN)
    };
    let _ = write!(
        text,
        "\nOurs beyond these 2 s, in which it also learns how often the counters are renewed: \
         {:.6} CPU-seconds per second at 1 Hz, {:.6} at 100 Hz; begin or end of a span, whichever takes \
         longer, {:.2} µs with one RAPL zone (median of 20,000).\n",
        ours("1 Hz", "cpu_per_s"),
        ours("100 Hz", "cpu_per_s"),
        ours("edge", "us"),
    );
    text
}
