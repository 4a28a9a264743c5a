//! `cargo xtask fuzz`: feeds damaged and extreme inputs to `wattlab` and counts what must never happen.

mod formats;
mod mutate;
mod trial;

use std::{
    env, fs,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use self::{
    formats::{FORMATS, Format},
    mutate::{Random, extremes, mutated},
    trial::{Harm, Tally, try_input},
};
use crate::process::{cargo, root, target_folder};

const USAGE: &str = "usage: cargo xtask fuzz [--seconds N] [--seed N] [FORMAT]...";

/// Builds `wattlab` with checks of overflow, then tries every format in turns until the time is up.
///
/// First each value of each sample is replaced by each extreme one, then samples are damaged at random. Inputs that
/// do harm are kept in `target/fuzz/found`.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let (mut seconds, mut seed, mut chosen) = (3600_u64, 1_u64, Vec::new());
    let mut rest = args.iter();
    while let Some(argument) = rest.next() {
        let mut number = || -> anyhow::Result<u64> {
            let value = rest.next().context(USAGE)?;
            value
                .parse()
                .with_context(|| format!("flag `{argument}` is `{value}`, expected a number"))
        };
        match *argument {
            "--seconds" => seconds = number()?,
            "--seed" => seed = number()?,
            name => match FORMATS.iter().find(|format| format.name == name) {
                Some(format) => chosen.push(format),
                None => bail!("unknown format `{name}`\n{USAGE}\nformats: {}", names()),
            },
        }
    }
    if chosen.is_empty() {
        chosen.extend(FORMATS);
    }
    let built = cargo(&["build", "-p", "wattlab"], &[])?;
    if built != 0 {
        return Ok(built);
    }
    let program = target_folder().join("debug/wattlab");
    let scratch = target_folder().join("fuzz");
    let found = scratch.join("found");
    fs::create_dir_all(&found)?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random::new(seed);
    let mut rows: Vec<(&Format, Tally)> = Vec::new();
    for (at, format) in chosen.iter().enumerate() {
        // What is left is shared by the formats that are left.
        let left = end.saturating_duration_since(Instant::now());
        let until = Instant::now() + left / (chosen.len() - at) as u32;
        let samples: Vec<Vec<u8>> = format
            .samples
            .iter()
            .map(|sample| sample.read(root()))
            .collect::<anyhow::Result<_>>()
            .with_context(|| format!("a sample of the format `{}`", format.name))?;
        let mut tally = Tally::default();
        // Extreme values are the same in every run; their order is not, so that a short run sees some of each kind.
        let mut exact: Vec<Vec<u8>> = samples.iter().flat_map(|sample| extremes(sample)).collect();
        random.shuffle(&mut exact);
        let mut exact = exact.into_iter();
        while Instant::now() < until {
            // Half of the inputs each, while there are extreme values left.
            let next = if random.below(2) == 0 { exact.next() } else { None };
            let input =
                next.unwrap_or_else(|| mutated(&samples[random.below(samples.len())], &mut random));
            let (harm, seen) = try_input(format, &program, &scratch, &input)?;
            tally.add(harm);
            if let Some(harm) = harm {
                let number = tally.tried;
                let path = found.join(format!("{}-{seed}-{number}.input", format.name));
                fs::write(&path, &input)?;
                eprintln!("{}: {}: {}\n{seen}", format.name, harm.word(), path.display());
            }
        }
        eprintln!("{}: {}", format.name, tally.line());
        rows.push((format, tally));
    }
    show_table(&rows);
    Ok(u8::from(rows.iter().any(|(_, tally)| tally.harms() > 0)))
}

fn names() -> String {
    FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ")
}

/// The table of `docs/robustness.md`.
fn show_table(rows: &[(&Format, Tally)]) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    eprintln!("on {} with {cores} processors", env::consts::ARCH);
    eprintln!("| format | inputs tried | {} |", Harm::ALL.map(Harm::word).join(" | "));
    eprintln!("|---|--:|{}", "--:|".repeat(Harm::ALL.len()));
    for (format, tally) in rows {
        let counts = Harm::ALL.map(|harm| tally.of(harm).to_string());
        eprintln!("| {} | {} | {} |", format.title, tally.tried, counts.join(" | "));
    }
}
