//! Compares the simulator with SimPy, Ciw and nexosim, and writes `crates/inference-sim/BENCHMARKS.md`; with
//! `--live` compares it with queues that are served, and writes `LIVE.md` beside that.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};

use super::python;
use crate::process::{cargo, release_folder, root};

/// The networks that serve the live queues.
const NETWORKS: [&str; 3] = ["shufflenet_v2_x0_5", "mobilenet_v2", "resnet18"];
/// The least and the greatest number of rounds of each queue.
const ROUNDS: usize = 4;
const MAX_ROUNDS: usize = 60;
/// A queue needs no further round once the relative standard errors of its ratios, live over simulated, are
/// at most this.
const PRECISION: &str = "0.03";
/// The objective of tuning: the 99th percentile of the response time, in seconds.
const OBJECTIVE: &str = "0.5";
/// The load to tune for, as a share of the rate that single requests can be served at.
const LOAD: &str = "0.6";
const PEERS: [&str; 2] = ["simpy==4.1.2", "ciw==3.2.7"];

/// What a program reported about a case.
struct Line {
    tool: String,
    case: String,
    requests: f64,
    seconds: f64,
    peak_mib: Option<f64>,
}

pub(crate) fn run() -> anyhow::Result<u8> {
    let example = ["build", "--release", "-p", "wattlab-inference-sim", "--example", "speed"];
    let code = cargo(&example, &[])?;
    if code != 0 {
        return Ok(code);
    }
    let speed = release_folder().join("examples/speed");
    let python = python::with("bench-sim", &PEERS)?;
    let peers = root().join("crates/inference-sim/benches/peers.py");
    let mut lines = reports(&mut Command::new(&speed))?;
    lines.extend(reports(&mut with(&python, &peers))?);
    lines.extend(reports(&mut nexosim()?)?);
    lines.extend(reports(&mut with(&speed, "day"))?);
    lines.extend(reports(&mut with(&speed, "sweep"))?);
    lines.extend(reports(&mut with(&speed, "generation"))?);
    let path = root().join("crates/inference-sim/BENCHMARKS.md");
    let text = page(&lines);
    eprintln!("{text}");
    fs::write(&path, text).with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}

/// Builds nexosim's program, which has its own workspace and target folder.
fn nexosim() -> anyhow::Result<Command> {
    let manifest = root().join("crates/inference-sim/benches/peers/Cargo.toml");
    let target = root().join("target/bench-sim/nexosim");
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target)
        .status();
    ensure!(
        built.context("failed to start `cargo`")?.success(),
        "nexosim's program failed to build"
    );
    Ok(Command::new(target.join("release/inference-sim-peers")))
}

/// Compares calibrated simulations with live queues (`wattlab simulate validate`) and measures what tuning
/// saves (`wattlab simulate tune --live`). Measurements are kept in `target/bench-sim/live` and not repeated.
pub(crate) fn live() -> anyhow::Result<u8> {
    let code = cargo(&["build", "--release", "-p", "wattlab"], &[])?;
    if code != 0 {
        return Ok(code);
    }
    let wattlab = release_folder().join("wattlab");
    let folder = root().join("target/bench-sim/live");
    let cells = validated(&wattlab, &folder)?;
    let mut text = format!(
        "# Simulated and live queues\n\nWritten by `cargo xtask bench sim --live` on an otherwise idle \
         machine.\n\n## Calibrated against live\n\n`wattlab simulate validate` measures each network's \
         batches before, between and after the queues, both batches that follow one another and batches \
         after pauses.\nIt serves Poisson requests, and simulates the same requests from these measurements, at \
         the speed found right before and right after the queue.\nA shared machine's speed drifts. \
         Therefore each queue was served in {ROUNDS} rounds or more, up to {MAX_ROUNDS}, until the relative \
         standard errors of its ratios were at most {PRECISION}.\nA round was left out if other processes used \
         more than 5 % of the processors, or if the same batches took more than 10 % longer or shorter after \
         it than before it.\nWhether live and simulated agreed played no part in this.\nOne thread runs the \
         networks.\nLoads are 0.3 and 0.6 of the rate that the fastest batches can serve when a round begins, \
         so arrival rates differ from round to round.\n\n{cells}\n## Tuned\n\n\
         `wattlab simulate tune --live` finds the policy that needs the fewest simulated joules among those \
         whose p99 meets the objective.\nIt is served in turns with single requests, at {LOAD} of the rate that \
         single requests can be served at, with one thread per processor.\n\n"
    );
    for network in &NETWORKS[..2] {
        let description = folder.join(format!("{network}-tuned.toml"));
        if !description.exists() {
            let mut calibrate = with(&wattlab, "simulate");
            calibrate.args(["calibrate", "--arch", network, "--repetitions", "2", "--out"]);
            output_of(calibrate.arg(&description))?;
        }
        let kept = folder.join(format!("{network}-tuned.txt"));
        if !kept.exists() {
            let mut tune = with(&wattlab, "simulate");
            tune.arg("tune").arg(&description);
            tune.args(["--p99", OBJECTIVE, "--load", LOAD, "--live", "24"]);
            fs::write(&kept, output_of(&mut tune)?)?;
        }
        let found = fs::read_to_string(&kept)?;
        let short = found.find("single requests").map_or(found.as_str(), |at| &found[at..]);
        text.push_str(&format!("{network}, p99 within {OBJECTIVE} s:\n\n```text\n{short}```\n\n"));
    }
    text.push_str(&photographs(&wattlab, &folder)?);
    let path = root().join("crates/inference-sim/LIVE.md");
    fs::write(&path, text.trim_end().to_owned() + "\n")
        .with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}

/// The table of `wattlab simulate validate`.
fn validated(wattlab: &Path, folder: &Path) -> anyhow::Result<String> {
    let mut validate = with(wattlab, "simulate");
    validate
        .args(["validate", "--arch", &NETWORKS.join(","), "--threads", "1"])
        .args(["--rounds", &ROUNDS.to_string(), "--most-rounds", &MAX_ROUNDS.to_string()])
        .args(["--precision", PRECISION, "--duration", "6", "--seconds", "0.1"])
        .args(["--batches", "1,2,3,4,8,16,32", "--repetitions", "1", "--out"])
        .arg(folder);
    let table = output_of(&mut validate)?;
    // The fourth column of a queue's row.
    let rounds = |line: &str| line.split('|').nth(4)?.trim().parse::<usize>().ok();
    let enough = table.lines().filter_map(rounds).filter(|&count| count >= ROUNDS).count();
    // Each network has two loads and three policies.
    ensure!(
        enough == NETWORKS.len() * 2 * 3,
        "too few rounds count, because other processes disturbed the queues; run again on an idle machine (what \
         was measured is kept)"
    );
    Ok(table)
}

/// Queues whose service includes decoding photographs, if `WATTLAB_SHARED` names a folder that has some.
fn photographs(wattlab: &Path, folder: &Path) -> anyhow::Result<String> {
    let shared = std::env::var_os("WATTLAB_SHARED")
        .map_or_else(|| root().join("../shared"), std::path::PathBuf::from);
    let images = shared.join("datasets/images");
    if !images.is_dir() {
        eprintln!("skipped: no photographs in `{}` (set WATTLAB_SHARED)", images.display());
        return Ok(String::new());
    }
    let network = NETWORKS[0];
    let mut text = format!(
        "## With photographs\n\n`wattlab simulate live` of {network}, calibrated with `--images`: \
         the service includes decoding, resizing, cropping and normalizing.\n\n"
    );
    for (name, flags) in
        [("decoded on arrival", &[][..]), ("prepared in advance", &["--cache-images"])]
    {
        let stem = name.replace(' ', "-");
        let description = folder.join(format!("{stem}.toml"));
        if !description.exists() {
            let mut calibrate = with(wattlab, "simulate");
            calibrate.args(["calibrate", "--arch", network, "--batches", "1,2,4,8,16"]);
            calibrate
                .args(["--repetitions", "3", "--threads", "1", "--images"])
                .arg(&images)
                .args(flags);
            output_of(calibrate.arg("--out").arg(&description))?;
        }
        let kept = folder.join(format!("{stem}.live.txt"));
        if !kept.exists() {
            let mut live = with(wattlab, "simulate");
            live.arg("live").arg(&description).args(["--requests", "480", "--rate", "24"]);
            fs::write(&kept, output_of(&mut live)?)?;
        }
        let found = fs::read_to_string(&kept)?;
        text.push_str(&format!("Photographs {name}:\n\n```text\n{found}```\n\n"));
    }
    Ok(text)
}

/// Runs a command and returns its standard output.
fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("failed to start {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed");
    Ok(String::from_utf8(output.stdout)?)
}

fn with(program: &Path, arg: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.arg(arg);
    command
}

fn reports(command: &mut Command) -> anyhow::Result<Vec<Line>> {
    let text = output_of(command)?;
    text.lines()
        .map(|line| read(line).with_context(|| format!("unexpected line `{line}`")))
        .collect()
}

/// Reads a line that is one flat JSON object. A JSON library would make xtask slower to build.
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
        peak_mib: value("peak_mib").and_then(|text| text.parse().ok()),
    })
}

fn page(lines: &[Line]) -> String {
    let mut text = String::from(
        "# How fast the simulator is\n\nWritten by `cargo xtask bench sim`, in one run on one machine, each \
         program on one core.\nM/M/1 has load 0.8.\nGreedy batches hold at most 32 requests and take 0.3 s plus \
         10 ms per request, at 40 requests/s.\nwattlab also computes quantiles and intervals, its peers only the \
         mean wait.\n\n\
         | case | tool | requests | seconds | million requests/s | wattlab is faster by | peak MiB |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    );
    for line in lines {
        let rate = |line: &Line| line.requests / line.seconds;
        let ours = lines.iter().find(|other| other.tool == "wattlab" && other.case == line.case);
        let ratio = ours
            .filter(|_| line.tool != "wattlab")
            .map_or_else(String::new, |ours| format!("{:.0} ×", rate(ours) / rate(line)));
        text.push_str(&format!(
            "| {} | {} | {} | {:.2} | {:.3} | {ratio} | {} |\n",
            line.case,
            line.tool,
            line.requests,
            line.seconds,
            rate(line) / 1e6,
            line.peak_mib.map_or_else(String::new, |mib| format!("{mib:.1}"))
        ));
    }
    text.push_str(
        "\n`day` is a day of a service with 10⁹ requests and greedy batches of at most 64, in constant \
         memory.\n`sweep` is 5 models × 6 policies × 5 rates × 30 seeds with 20,000 requests each; all policies \
         of a seed see the same arrivals.\n`generation` is a generative model that keeps up \
         with its requests; its rows count generated tokens, not requests.\n",
    );
    text
}
