//! The simulator beside SimPy, Ciw and nexosim, and beside the real thing; writes
//! `crates/inference-sim/BENCHMARKS.md` or, with `--live`, `LIVE.md` beside it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};

use crate::process::{cargo, release_folder, root};

/// Served live.
const NETWORKS: [&str; 3] = ["shufflenet_v2_x0_5", "mobilenet_v2", "resnet18"];
/// Of each queue, at least and at most.
const ROUNDS: usize = 4;
const MOST_ROUNDS: usize = 60;
/// Standard errors of live over simulated, as shares of it, with which a queue needs no more rounds.
const PRECISION: &str = "0.03";
/// Seconds that 99 % of the responses must not exceed.
const OBJECTIVE: &str = "0.5";
/// A load that single requests can bear.
const LOAD: &str = "0.6";
const PEERS: [&str; 2] = ["simpy==4.1.2", "ciw==3.2.7"];

/// What a program said about a case.
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
    let python = python()?;
    let peers = root().join("crates/inference-sim/benches/peers.py");
    let mut lines = told(&mut Command::new(&speed))?;
    lines.extend(told(&mut with(&python, &peers))?);
    lines.extend(told(&mut nexosim()?)?);
    lines.extend(told(&mut with(&speed, "day"))?);
    lines.extend(told(&mut with(&speed, "sweep"))?);
    let path = root().join("crates/inference-sim/BENCHMARKS.md");
    let text = page(&lines);
    eprintln!("{text}");
    fs::write(&path, text).with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(0)
}

/// nexosim's program, in a workspace and a target folder of its own.
fn nexosim() -> anyhow::Result<Command> {
    let manifest = root().join("crates/inference-sim/benches/peers/Cargo.toml");
    let target = root().join("target/bench-sim/nexosim");
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target)
        .status();
    ensure!(built.context("failed to start `cargo`")?.success(), "nexosim's program was not built");
    Ok(Command::new(target.join("release/inference-sim-peers")))
}

/// Calibrated simulations beside live queues, and what tuning saves: `wattlab simulate validate`
/// and `wattlab simulate tune --live`. What has been measured is kept under `target/bench-sim/live`
/// and not measured again.
pub(crate) fn live() -> anyhow::Result<u8> {
    let code = cargo(&["build", "--release", "-p", "wattlab"], &[])?;
    if code != 0 {
        return Ok(code);
    }
    let wattlab = release_folder().join("wattlab");
    let folder = root().join("target/bench-sim/live");
    let cells = validated(&wattlab, &folder)?;
    let mut text = format!(
        "# Simulated and served\n\nWritten by `cargo xtask bench sim --live`, on one machine whose \
         processors nobody else used.\n\n## Calibrated against live\n\n`wattlab simulate validate`: \
         each network's batches are measured, those that follow another and those after pauses, before, \
         between and after the queues; the same Poisson requests are served, and simulated with what \
         was measured, at the speed right before and right after. That of a shared machine \
         drifts: each queue was served in {ROUNDS} rounds and then, up to {MOST_ROUNDS}, until the \
         standard errors of its ratios were at most {PRECISION} of them. One was left out if others used more \
         than 5 % of the processors meanwhile or the same batches took more than 10 % longer, or less, \
         after it than before it; whether live and simulated agreed played no part. One thread runs the \
         networks. Loads are 0.3 and 0.6 of what the fastest batches can serve as a round begins, so that \
         frequencies differ from round to round.\n\n{cells}\n## Tuned\n\n\
         `wattlab simulate tune --live`: the policy with the fewest \
         simulated joules whose p99 keeps to the objective, served in turns with single requests, at \
         {LOAD} of the rate that single requests can be served at, by as many threads as processors.\n\n"
    );
    for network in &NETWORKS[..2] {
        let description = folder.join(format!("{network}-tuned.toml"));
        if !description.exists() {
            let mut calibrate = with(&wattlab, "simulate");
            calibrate.args(["calibrate", "--arch", network, "--repetitions", "2", "--out"]);
            said(calibrate.arg(&description))?;
        }
        let kept = folder.join(format!("{network}-tuned.txt"));
        if !kept.exists() {
            let mut tune = with(&wattlab, "simulate");
            tune.arg("tune").arg(&description);
            tune.args(["--p99", OBJECTIVE, "--load", LOAD, "--live", "24"]);
            fs::write(&kept, said(&mut tune)?)?;
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
        .args(["--rounds", &ROUNDS.to_string(), "--most-rounds", &MOST_ROUNDS.to_string()])
        .args(["--precision", PRECISION, "--duration", "6", "--seconds", "0.1"])
        .args(["--batches", "1,2,3,4,8,16,32", "--repetitions", "1", "--out"])
        .arg(folder);
    let table = said(&mut validate)?;
    // A queue's fourth column.
    let rounds = |line: &str| line.split('|').nth(4)?.trim().parse::<usize>().ok();
    let enough = table.lines().filter_map(rounds).filter(|&it| it >= ROUNDS).count();
    // Of two loads and three policies.
    ensure!(
        enough == NETWORKS.len() * 2 * 3,
        "queues are left out again and again: is the machine quiet? What was measured is kept"
    );
    Ok(table)
}

/// Photographs decoded within the service, where there are some (`WATTLAB_SHARED`).
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
         decoding, resizing, cropping and normalizing are a part of the service.\n\n"
    );
    for (name, flags) in [("as they come", &[][..]), ("prepared before", &["--cache-images"])] {
        let stem = name.replace(' ', "-");
        let description = folder.join(format!("{stem}.toml"));
        if !description.exists() {
            let mut calibrate = with(wattlab, "simulate");
            calibrate.args(["calibrate", "--arch", network, "--batches", "1,2,4,8,16"]);
            calibrate
                .args(["--repetitions", "3", "--threads", "1", "--images"])
                .arg(&images)
                .args(flags);
            said(calibrate.arg("--out").arg(&description))?;
        }
        let kept = folder.join(format!("{stem}.live.txt"));
        if !kept.exists() {
            let mut live = with(wattlab, "simulate");
            live.arg("live").arg(&description).args(["--requests", "480", "--rate", "24"]);
            fs::write(&kept, said(&mut live)?)?;
        }
        let found = fs::read_to_string(&kept)?;
        text.push_str(&format!("Photographs {name}:\n\n```text\n{found}```\n\n"));
    }
    Ok(text)
}

/// What a command prints.
fn said(command: &mut Command) -> anyhow::Result<String> {
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

fn told(command: &mut Command) -> anyhow::Result<Vec<Line>> {
    let text = said(command)?;
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
        peak_mib: value("peak_mib").and_then(|it| it.parse().ok()),
    })
}

fn page(lines: &[Line]) -> String {
    let mut text = String::from(
        "# How fast the simulator is\n\nWritten by `cargo xtask bench sim`: all rows are of one run \
         on one machine, each on one core. M/M/1 is at load 0.8, greedy in batches of at most 32 of \
         0.3 s + 10 ms each at 40 requests/s; ours with quantiles and intervals, the peers with the \
         mean wait alone.\n\n\
         | case | tool | requests | seconds | million requests/s | ours is faster by | peak MiB |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    );
    for line in lines {
        let rate = |line: &Line| line.requests / line.seconds;
        let ours = lines.iter().find(|it| it.tool == "wattlab" && it.case == line.case);
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
            line.peak_mib.map_or_else(String::new, |it| format!("{it:.1}"))
        ));
    }
    text.push_str(
        "\n`day`: a day of a service with 10⁹ requests, greedy batches of at most 64, in constant \
         memory. `sweep`: 5 models × 6 policies × 5 rates × 30 seeds, 20,000 requests each, the \
         same arrivals for all policies of a seed.\n",
    );
    text
}
