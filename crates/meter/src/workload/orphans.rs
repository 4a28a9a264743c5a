//! Adopts the orphans among this process's descendants.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, PoisonError},
};

use crate::cpu_time::family::Id;

/// An ended child is waited for after it was found this many times, so that whoever started it comes
/// first: only an orphan is found that often.
const FOUND: u32 = 5;

/// Orphans become children of this process until this is dropped.
#[derive(Debug)]
pub(super) struct Orphans {
    /// How often each ended child was found.
    ended: Mutex<HashMap<Id, u32>>,
}

impl Orphans {
    /// Begins to adopt.
    ///
    /// # Errors
    ///
    /// If the system has no such feature (Linux has it since 3.4).
    pub(super) fn adopt() -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        #[cfg(not(target_os = "linux"))]
        return Err(io::ErrorKind::Unsupported.into());
        #[cfg(target_os = "linux")]
        Ok(Self { ended: Mutex::new(HashMap::new()) })
    }

    /// Waits for children that have ended and that nobody else waits for. The kernel then adds their
    /// CPU time to this process's children.
    pub(super) fn wait_for(&self, ended: impl Iterator<Item = Id>) {
        let mut counts = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *counts);
        for id in ended {
            let found = before.remove(&id).unwrap_or(0) + 1;
            if found < FOUND {
                counts.insert(id, found);
                continue;
            }
            let pid = i32::try_from(id.pid).ok().and_then(rustix::process::Pid::from_raw);
            if pid.is_some() {
                // It may have been waited for in the meantime.
                let _ = rustix::process::waitpid(pid, rustix::process::WaitOptions::NOHANG);
            }
        }
    }
}

impl Drop for Orphans {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        let _ = rustix::process::set_child_subreaper(None);
    }
}
