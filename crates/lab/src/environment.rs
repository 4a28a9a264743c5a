//! The machine and the code of a run.

use std::fs;

use record::{Code, Environment, Machine, ProbeUse};

/// Describes the code and the machine of this process, with the probes that it reads.
#[must_use]
pub(crate) fn environment(probes: Vec<ProbeUse>) -> Environment {
    let revision = env!("WATTLAB_REVISION");
    Environment {
        code: Code {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: (!revision.is_empty()).then(|| revision.to_owned()),
            modified: env!("WATTLAB_MODIFIED") == "true",
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        },
        machine: machine(),
        probes,
        threads: threads(),
    }
}

/// The number of threads for the work: the processors that this process may use.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Describes the machine of this process.
pub(crate) fn machine() -> Machine {
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    Machine {
        os: format!("{} {}", text(system.sysname()), text(system.release())),
        arch: std::env::consts::ARCH.to_owned(),
        cpu: cpu_model().unwrap_or_else(|| "unknown".to_owned()),
        cpus: threads(),
        memory_bytes: memory(),
        device: "cpu".to_owned(),
        instructions: Some(models::InstructionSet::current().name().to_owned()),
    }
}

fn cpu_model() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
