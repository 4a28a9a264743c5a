//! `cargo xtask fuzz`: feeds damaged and extreme inputs to `wattlab` and counts what must never happen.

mod formats;
mod keys;
mod mutate;
mod png;
mod trial;

use std::{
    env, fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use self::{
    formats::{Checks, Format, Syntax},
    mutate::{Random, extremes, mutated},
    trial::{Harm, Tally, Trial, try_input},
};
use crate::process::{cargo, root, target_folder};

const USAGE: &str = "usage: cargo xtask fuzz [--seconds N] [--seed N] [--program FILE] [FORMAT]...";

/// Builds `wattlab` with checks of overflow, then tries every format in turns until the time is up.
///
/// Half of the inputs are extreme: each value of each sample, and each key that the program says it has, with each
/// extreme value. The others are samples that are damaged at random. Inputs that do harm are kept in
/// `target/fuzz/found`.
pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let (mut seconds, mut seed, mut chosen) = (3600_u64, 1_u64, Vec::new());
    let mut program = None;
    let mut rest = args.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().context(USAGE);
        let number = |value: &&str| -> anyhow::Result<u64> {
            value
                .parse()
                .with_context(|| format!("flag `{argument}` is `{value}`, expected a number"))
        };
        match *argument {
            "--seconds" => seconds = number(value()?)?,
            "--seed" => seed = number(value()?)?,
            "--program" => program = Some(fs::canonicalize(value()?)?),
            name => match formats::all().find(|format| format.name == name) {
                Some(format) => chosen.push(format),
                None => bail!("unknown format `{name}`\n{USAGE}\nformats: {}", names()),
            },
        }
    }
    if chosen.is_empty() {
        chosen.extend(formats::all());
    }
    let program = match program {
        Some(program) => program,
        None => {
            let built = cargo(&["build", "-p", "wattlab"], &[])?;
            if built != 0 {
                return Ok(built);
            }
            target_folder().join("debug/wattlab")
        }
    };
    // A folder for each process, so that two attacks can run at once.
    let scratch = target_folder().join(format!("fuzz/{}", std::process::id()));
    let found = target_folder().join("fuzz/found");
    fs::create_dir_all(&found)?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random::new(seed);
    let mut rows: Vec<(&Format, Tally)> = Vec::new();
    for (at, format) in chosen.iter().enumerate() {
        // What is left is shared by the formats that are left.
        let left = end.saturating_duration_since(Instant::now());
        let share = left / (chosen.len() - at) as u32;
        let mut attack = Attack {
            format,
            program: &program,
            scratch: &scratch,
            found: &found,
            seed,
            tally: Tally::default(),
        };
        attack.run(share, &mut random)?;
        eprintln!("{}: {}", format.name, attack.tally.line());
        rows.push((format, attack.tally));
    }
    drop(fs::remove_dir_all(&scratch));
    show_table(&rows);
    Ok(u8::from(rows.iter().any(|(_, tally)| tally.harms() > 0)))
}

/// The attack on one format.
struct Attack<'a> {
    format: &'a Format,
    program: &'a Path,
    scratch: &'a Path,
    found: &'a Path,
    seed: u64,
    tally: Tally,
}

impl Attack<'_> {
    fn run(&mut self, time: Duration, random: &mut Random) -> anyhow::Result<()> {
        let begin = Instant::now();
        let samples: Vec<Vec<u8>> = self
            .format
            .samples
            .iter()
            .map(|sample| formats::read(root(), sample))
            .collect::<anyhow::Result<_>>()?;
        // Extreme values are the same in every run; their order is not, so that a short run sees some of each kind.
        let mut exact: Vec<Vec<u8>> = samples.iter().flat_map(|sample| extremes(sample)).collect();
        exact.extend(self.learn(&samples, begin + time / 3, random)?);
        random.shuffle(&mut exact);
        let mut exact = exact.into_iter();
        while begin.elapsed() < time {
            // Half of the inputs each, while there are extreme values left.
            let next = if random.below(2) == 0 { exact.next() } else { None };
            let mut input =
                next.unwrap_or_else(|| mutated(&samples[random.below(samples.len())], random));
            if self.format.checks == Checks::Png && random.below(4) > 0 {
                input = png::with_right_checks(input);
            }
            self.try_one(&input)?;
        }
        Ok(())
    }

    /// Inputs with keys that the samples do not have.
    fn learn(
        &mut self,
        samples: &[Vec<u8>],
        until: Instant,
        random: &mut Random,
    ) -> anyhow::Result<Vec<Vec<u8>>> {
        let syntax = self.format.syntax;
        let mut learned = keys::Learned::default();
        if syntax == Syntax::Other {
            return Ok(Vec::new());
        }
        for sample in samples {
            let mut failed = None;
            let mut ask = |input: &str| {
                if Instant::now() > until || failed.is_some() {
                    return None;
                }
                match self.try_one(input.as_bytes()) {
                    Ok(trial) => {
                        // A worker sets a damaged file aside, and a tuner answers an error; both go on.
                        let words = ["\"error\"", "unknown ", "missing field", "invalid "];
                        let refused = words.iter().any(|word| trial.said.contains(word));
                        (!trial.accepted || refused).then_some(trial.said)
                    }
                    Err(error) => {
                        failed = Some(error);
                        None
                    }
                }
            };
            let text = String::from_utf8_lossy(sample);
            learned.add(&text, syntax, random, &mut ask);
            if let Some(error) = failed {
                return Err(error);
            }
        }
        let names: Vec<&str> = learned.names.iter().map(String::as_str).collect();
        self.tally.keys = names.len();
        eprintln!("{}: keys that no sample has: {}", self.format.name, names.join(", "));
        Ok(learned.inputs)
    }

    fn try_one(&mut self, input: &[u8]) -> anyhow::Result<Trial> {
        let Self { format, seed, .. } = *self;
        let trial = try_input(format, self.program, self.scratch, input)?;
        self.tally.add(&trial);
        if let Some(harm) = trial.harm {
            let name = format!("{}-{seed}-{}.input", format.name, self.tally.tried);
            let path = self.found.join(name);
            fs::write(&path, input)?;
            let said: String = trial.said.chars().take(600).collect();
            eprintln!("{}: {}: {}\n{said}", format.name, harm.word(), path.display());
        }
        Ok(trial)
    }
}

fn names() -> String {
    formats::all().map(|format| format.name).collect::<Vec<_>>().join(", ")
}

/// The table of `docs/robustness.md`.
fn show_table(rows: &[(&Format, Tally)]) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    eprintln!("on {} with {cores} processors", env::consts::ARCH);
    let harms = Harm::ALL.map(Harm::word).join(" | ");
    eprintln!("| format | inputs tried | more keys | long work | peak memory | {harms} |");
    eprintln!("|---|--:|--:|--:|--:|{}", "--:|".repeat(Harm::ALL.len()));
    for (format, tally) in rows {
        let counts = Harm::ALL.map(|harm| tally.of(harm).to_string());
        let (title, counts) = (format.title, counts.join(" | "));
        let Tally { tried, keys, long, peak_kib, .. } = tally;
        let mib = peak_kib / 1024;
        eprintln!("| {title} | {tried} | {keys} | {long} | {mib} MiB | {counts} |");
    }
}
