//! The simulator beside SimPy and Ciw; writes `crates/inference-sim/BENCHMARKS.md`.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};

use crate::process::{cargo, release_folder, root};

const PEERS: [&str; 2] = ["simpy==4.1.2", "ciw==3.2.7"];

/// What a program said about a case.
struct Line {
    tool: String,
    case: String,
    requests: f64,
    seconds: f64,
}

pub(crate) fn run() -> anyhow::Result<u8> {
    let example = ["build", "--release", "-p", "wattlab-inference-sim", "--example", "speed"];
    let code = cargo(&example, &[])?;
    if code != 0 {
        return Ok(code);
    }
    let speed = release_folder().join("examples/speed");
    let python = python()?;
    let peers = root().join("crates/inference-sim/benches/peers.py");
    let mut lines = told(Command::new(&speed))?;
    lines.extend(told(with(&python, &peers))?);
    lines.extend(told(with(&speed, "day"))?);
    lines.extend(told(with(&speed, "sweep"))?);
    let path = root().join("crates/inference-sim/BENCHMARKS.md");
    let text = page(&lines);
    eprintln!("{text}");
    fs::write(&path, text).with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}

fn with(program: &Path, arg: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.arg(arg);
    command
}

/// A Python with the peers in it, under `target/`.
fn python() -> anyhow::Result<std::path::PathBuf> {
    let folder = root().join("target/bench-sim");
    let python = folder.join("bin/python");
    if !python.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status();
        ensure!(made.context("failed to start `python3`")?.success(), "`python3 -m venv` failed");
    }
    let installed = Command::new(&python).args(["-m", "pip", "install", "-q"]).args(PEERS).status();
    ensure!(installed?.success(), "the peers could not be installed: is PyPI reachable?");
    Ok(python)
}

fn told(mut command: Command) -> anyhow::Result<Vec<Line>> {
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("failed to start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| read(line).with_context(|| format!("not understood: {line}"))).collect()
}

/// One flat object, without the weight of a JSON library in every xtask.
fn read(line: &str) -> Option<Line> {
    let value = |key: &str| {
        let (_, rest) = line.split_once(&format!("\"{key}\": "))?;
        let end = rest.find([',', '}'])?;
        Some(rest[..end].trim_matches('"').to_owned())
    };
    Some(Line {
        tool: value("tool")?,
        case: value("case")?,
        requests: value("requests")?.parse().ok()?,
        seconds: value("seconds")?.parse().ok()?,
    })
}

fn page(lines: &[Line]) -> String {
    let mut text = String::from(
        "# How fast the simulator is\n\nWritten by `cargo xtask bench sim`: all rows are of one run \
         on one machine, each on one core. M/M/1 is at load 0.8, greedy in batches of at most 32 of \
         0.3 s + 10 ms each at 40 requests/s; ours with quantiles and intervals, the peers with the \
         mean wait alone.\n\n\
         | case | tool | requests | seconds | million requests/s | ours is faster by |\n\
         |---|---|--:|--:|--:|--:|\n",
    );
    for line in lines {
        let rate = |line: &Line| line.requests / line.seconds;
        let ours = lines.iter().find(|it| it.tool == "wattlab" && it.case == line.case);
        let ratio = ours
            .filter(|_| line.tool != "wattlab")
            .map_or_else(String::new, |ours| format!("{:.0} ×", rate(ours) / rate(line)));
        text.push_str(&format!(
            "| {} | {} | {} | {:.2} | {:.3} | {ratio} |\n",
            line.case,
            line.tool,
            line.requests,
            line.seconds,
            rate(line) / 1e6
        ));
    }
    text.push_str(
        "\n`day`: a day of a service with 10⁹ requests, greedy batches of at most 64, in constant \
         memory. `sweep`: 5 models × 6 policies × 5 rates × 30 seeds, 20,000 requests each, the \
         same arrivals for all policies of a seed.\n",
    );
    text
}
