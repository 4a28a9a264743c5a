//! Compares the meter with its peers on one simulated machine; writes `crates/meter/BENCHMARKS.md`.

use std::{fmt::Write, fs, process::Command};

use anyhow::{Context, ensure};

use super::python;
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
    let output = Command::new(python::with("bench-meter", &PEERS)?)
        .arg(root().join("crates/meter/benches/peers.py"))
        .args([release_folder().join("wattlab"), release_folder().join("examples/cost")])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("failed to start the peers")?;
    ensure!(
        output.status.success(),
        "the peers failed; they need root, because they mount a folder over `/sys/class/powercap`"
    );
    let text = page(&String::from_utf8(output.stdout)?);
    eprintln!("{text}");
    let path = root().join("crates/meter/BENCHMARKS.md");
    fs::write(&path, text).with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}

/// A member's value in a line that is one flat JSON object.
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
        "# The meter compared with its peers\n\nWritten by `cargo xtask bench meter --peers`, in one run on \
         one machine.\nA process drives the counters of a simulated powercap tree, so that the true energy is \
         known.\nEach tool, unmodified, measures 2 s of it (100 ms where stated) in its own process.\n\n\
         | case | tool | truth (J) | reported (J) | error | interval | distinguishes measured from estimated |\n\
         |---|---|--:|--:|--:|---|---|\n",
    );
    let rows: Vec<&str> = lines.lines().collect();
    for line in
        rows.iter().filter(|row| value(row, "truth").is_some() || value(row, "error").is_some())
    {
        let (tool, case) = (value(line, "tool").unwrap_or("?"), value(line, "case").unwrap_or("?"));
        if let Some(error) = value(line, "error") {
            let _ =
                writeln!(text, "| {case} | {tool} | | fails: {} | | | |", error.replace('|', "/"));
            continue;
        }
        let (truth, reported) =
            (number(line, "truth").unwrap_or(f64::NAN), number(line, "joules").unwrap_or(f64::NAN));
        let interval = number(line, "uncertainty").map_or("no".to_owned(), |half_width| {
            let inside = (reported - truth).abs() <= half_width;
            format!("± {half_width:.2} J{}", if inside { "" } else { ", missed" })
        });
        let apart = value(line, "origin").unwrap_or("no");
        let error = 100.0 * (reported - truth) / truth;
        let _ = writeln!(
            text,
            "| {case} | {tool} | {truth:.1} | {reported:.1} | {error:+.1} % | {interval} | {apart} |"
        );
    }
    text.push_str(
        "\nThe driver updates its counters about every half millisecond, at real-time priority.\nWhen an \
         update is late, no tool's interval covers the difference (\"missed\").\nOnly the energy of the \
         processor and its memory is compared: CodeCarbon's model of memory is left out.\ncarbontracker's \
         figures include its factor 1.58, the mean overhead of data centers.\n\n## Cost\n\n\
         | tool | import or start until ready (s) | CPU-seconds per second while measuring | memory (MB) |\n\
         |---|--:|--:|--:|\n",
    );
    for line in rows.iter().filter(|row| value(row, "case") == Some("constant")) {
        let of = |key, digits| {
            number(line, key).map_or(String::new(), |value: f64| format!("{value:.digits$}"))
        };
        let per_second =
            number(line, "cpu_s").map_or(String::new(), |seconds| format!("{:.4}", seconds / 2.0));
        let tool = value(line, "tool").unwrap_or("?");
        let (ready, memory) = if tool == "wattlab" {
            let start = rows.iter().find(|row| value(row, "case") == Some("start"));
            let of = |key| start.and_then(|row| number(row, key)).unwrap_or(f64::NAN);
            let ready = format!("{:.4} (the whole of `measure -- true`)", of("ready_s"));
            (ready, format!("{:.1}", of("rss_mb")))
        } else {
            (of("ready_s", 3), of("rss_mb", 0))
        };
        let _ = writeln!(text, "| {tool} | {ready} | {per_second} | {memory} |");
    }
    let ours = |case: &str, key: &str| {
        let line = rows.iter().find(|row| value(row, "case") == Some(case));
        line.and_then(|row| number(row, key)).unwrap_or(f64::NAN)
    };
    let _ = write!(
        text,
        "\nIn the first 2 s wattlab also learns how often the counters are updated.\nAfter that it costs \
         {:.6} CPU-seconds per second at 1 Hz and {:.6} at 100 Hz.\nBeginning or ending a span, whichever \
         is slower, takes {:.2} µs with one RAPL zone (median of 20,000).\n\nA thread that wakes up 100 \
         times a second and does nothing costs {:.6} CPU-seconds per second on this machine.\nOf wattlab's \
         memory {:.1} MB is its own; the rest are pages of the program file, which the system can drop.\n",
        ours("1 Hz", "cpu_per_s"),
        ours("100 Hz", "cpu_per_s"),
        ours("edge", "us"),
        ours("bare wait", "cpu_per_s"),
        ours("start", "own_mb"),
    );
    text
}
