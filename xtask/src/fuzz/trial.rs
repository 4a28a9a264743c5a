//! One input given to the program.

use std::{
    fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;

use super::formats::{Format, Place, read};
use crate::process::root;

/// The longest time that an input may take on a processor.
const PATIENCE_CPU_S: f64 = 20.0;
/// The longest time that an input may take on a clock, even if other programs have the processors.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time after SIGTERM within which a program must end that does the work it was asked for.
const ENDING: Duration = Duration::from_secs(20);
/// The most memory that an input may take. The program itself takes less than a tenth of it.
const MOST_KIB: u64 = 500 * 1024;
/// The most addresses, so that a wrong allocation ends the program and not the machine.
const ADDRESSES_KIB: u64 = 6 << 20;

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    Panic,
    Signal,
    Hang,
    Memory,
    ExitCode,
    Terminal,
}

impl Harm {
    pub(super) const ALL: [Self; 6] =
        [Self::Panic, Self::Signal, Self::Hang, Self::Memory, Self::ExitCode, Self::Terminal];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Panic => "panics",
            Self::Signal => "signals",
            Self::Hang => "over 20 s",
            Self::Memory => "over 500 MiB",
            Self::ExitCode => "wrong exit codes",
            Self::Terminal => "control characters",
        }
    }
}

/// What happened to the inputs of a format.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) tried: u64,
    /// Keys beyond those of the samples.
    pub(super) keys: usize,
    /// Inputs that asked for much work, which SIGTERM ended.
    pub(super) long: u64,
    /// The most memory that an input took, in KiB.
    pub(super) peak_kib: u64,
    counts: [u64; Harm::ALL.len()],
}

impl Tally {
    pub(super) fn add(&mut self, trial: &Trial) {
        self.tried += 1;
        self.long += u64::from(trial.long);
        self.peak_kib = self.peak_kib.max(trial.peak_kib);
        if let Some(at) =
            trial.harm.and_then(|harm| Harm::ALL.iter().position(|other| *other == harm))
        {
            self.counts[at] += 1;
        }
    }

    pub(super) fn of(&self, harm: Harm) -> u64 {
        Harm::ALL.iter().position(|other| *other == harm).map_or(0, |at| self.counts[at])
    }

    pub(super) fn harms(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn line(&self) -> String {
        let harms = Harm::ALL.map(|harm| format!("{} {}", self.of(harm), harm.word()));
        let (tried, keys, long) = (self.tried, self.keys, self.long);
        let mib = self.peak_kib / 1024;
        let harms = harms.join(", ");
        format!("{tried} inputs, {keys} more keys, {long} long, at most {mib} MiB, {harms}")
    }
}

/// What happened to an input.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) harm: Option<Harm>,
    /// Whether the program did what it was asked for until SIGTERM ended it.
    long: bool,
    peak_kib: u64,
    /// Whether the exit code was 0.
    pub(super) accepted: bool,
    /// The beginning of what the program printed.
    pub(super) said: String,
}

/// Gives an input to the program.
pub(super) fn try_input(
    format: &Format,
    program: &Path,
    scratch: &Path,
    input: &[u8],
) -> anyhow::Result<Trial> {
    let folder = scratch.join("now");
    // Pipes and folders that an earlier input made are removed, too.
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    for (name, sample) in format.beside {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs::write(path, read(root(), sample)?)?;
    }
    let mut stdin = Stdio::null();
    match format.place {
        Place::File(name) => {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
            fs::write(path, input)?;
        }
        Place::Stdin => {
            fs::write(folder.join("stdin"), input)?;
            stdin = fs::File::open(folder.join("stdin"))?.into();
        }
    }
    let limited = format!("ulimit -v {ADDRESSES_KIB}; exec \"$0\" \"$@\"");
    let mut child = Command::new("bash")
        .args(["-c", &limited])
        .arg(program)
        .args(format.args)
        .current_dir(&folder)
        .env("XDG_CACHE_HOME", &folder)
        .env("RUST_BACKTRACE", "0")
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("failed to start `bash`")?;
    let mut output = child.stdout.take().context("a pipe was asked for")?;
    let mut errors = child.stderr.take().context("a pipe was asked for")?;
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        drop(output.read_to_end(&mut text));
        text
    });
    let error_reader = thread::spawn(move || {
        let mut text = Vec::new();
        drop(errors.read_to_end(&mut text));
        text
    });
    let (begin, mut memory) = (Instant::now(), 0);
    let (mut ended_by_us, mut hung) = (None, false);
    let mut pause = Duration::from_millis(1);
    let status = loop {
        memory = memory.max(peak_kib(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        match ended_by_us {
            None if begin.elapsed() > PATIENCE || cpu_s(child.id()) > PATIENCE_CPU_S => {
                ended_by_us = Some(Instant::now());
                if format.asks_for_work {
                    let number = child.id().to_string();
                    Command::new("kill").args(["-TERM", &number]).status()?;
                } else {
                    hung = true;
                    child.kill()?;
                }
            }
            Some(since) if !hung && since.elapsed() > ENDING => {
                hung = true;
                child.kill()?;
            }
            _ => {}
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    let long = ended_by_us.is_some() && !hung;
    let text = reader.join().unwrap_or_default();
    let error = error_reader.join().unwrap_or_default();
    let said = String::from_utf8_lossy(&error).into_owned();
    let is_control = |byte: &u8| matches!(byte, 0x1b | 0x07 | 0x08);
    let harm = if hung {
        Some(Harm::Hang)
    } else if said.contains("panicked at") {
        Some(Harm::Panic)
    } else if long {
        // Its exit code or signal is that of SIGTERM.
        (memory > MOST_KIB).then_some(Harm::Memory)
    } else if status.signal().is_some() {
        Some(Harm::Signal)
    } else if memory > MOST_KIB {
        Some(Harm::Memory)
    } else if !status.code().is_some_and(|code| format.codes.contains(&code)) {
        Some(Harm::ExitCode)
    } else if text.iter().chain(&error).any(is_control) {
        Some(Harm::Terminal)
    } else {
        None
    };
    let answer = String::from_utf8_lossy(&text);
    let said: String = said
        .chars()
        .take(4000)
        .chain(answer.chars().take(4000))
        .filter(|letter| !letter.is_control() || *letter == '\n')
        .collect();
    let said = format!("exit {:?}, {memory} KiB: {said}", status.code());
    Ok(Trial { harm, long, peak_kib: memory, accepted: status.success(), said })
}

/// The processor time of a process so far, in seconds.
fn cpu_s(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which is in parentheses: `utime` and `stime` are fields 14 and 15 of proc(5), in ticks of
    // 10 ms on every Linux.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

/// The most memory that a process has used so far.
fn peak_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
