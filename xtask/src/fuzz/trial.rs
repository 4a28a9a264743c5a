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

use super::formats::{Format, Place};

/// The longest time that an input may take.
const PATIENCE: Duration = Duration::from_secs(20);
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
    counts: [u64; Harm::ALL.len()],
}

impl Tally {
    pub(super) fn add(&mut self, harm: Option<Harm>) {
        self.tried += 1;
        if let Some(at) = harm.and_then(|harm| Harm::ALL.iter().position(|other| *other == harm)) {
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
        format!("{} inputs, {}", self.tried, harms.join(", "))
    }
}

/// Gives an input to the program; the harm that it did, and what the program said.
pub(super) fn try_input(
    format: &Format,
    program: &Path,
    scratch: &Path,
    input: &[u8],
) -> anyhow::Result<(Option<Harm>, String)> {
    let folder = scratch.join("now");
    // Pipes and folders that an earlier input made are removed, too.
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    for (name, content) in format.beside {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs::write(path, content)?;
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
    let (begin, mut memory, mut hung) = (Instant::now(), 0, false);
    let mut pause = Duration::from_millis(1);
    let status = loop {
        memory = memory.max(peak_kib(child.id()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            hung = true;
            child.kill()?;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    let text = reader.join().unwrap_or_default();
    let error = error_reader.join().unwrap_or_default();
    let said = String::from_utf8_lossy(&error).into_owned();
    let is_control = |byte: &u8| matches!(byte, 0x1b | 0x07 | 0x08);
    let harm = if hung {
        Some(Harm::Hang)
    } else if said.contains("panicked at") {
        Some(Harm::Panic)
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
    let shown: String =
        said.chars().take(600).filter(|letter| !letter.is_control() || *letter == '\n').collect();
    Ok((harm, format!("exit {:?}, {memory} KiB: {shown}", status.code())))
}

/// The most memory that a process has used so far.
fn peak_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
