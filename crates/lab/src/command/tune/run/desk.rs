//! Where trials are asked for and told: a study that this process alone has open, or one that it
//! shares with other workers.

use std::{
    thread,
    time::{Duration, Instant},
};

use record::JournalError;
use tuner::{OpenStudy, StudySpec, TunerError};

use super::shared::Leases;
use crate::{Failure, interrupt::Interrupt};

/// How long a shared journal may be in use by one other process.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two attempts to open a shared journal: at first, and at most.
const TRY_EVERY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// A study, as it is or as it was when this process last had it open.
pub(super) struct Desk<'a> {
    study: OpenStudy,
    leases: Option<Leases>,
    interrupt: &'a Interrupt,
}

impl<'a> Desk<'a> {
    /// A study that this process alone has open.
    pub(super) fn alone(study: OpenStudy, interrupt: &'a Interrupt) -> Self {
        Self { study, leases: None, interrupt }
    }

    /// A study that this process shares with others; it joins the workers.
    ///
    /// # Errors
    ///
    /// If the journal or the workers' folder cannot be used.
    pub(super) fn shared(spec: StudySpec, interrupt: &'a Interrupt) -> Result<Self, Failure> {
        let study = patiently(spec, interrupt)?;
        // While the journal is open, nobody else looks at the workers.
        let leases = study.spec().journal.as_deref().map(Leases::join).transpose();
        let leases = leases.map_err(Failure::bad_input)?;
        Ok(Self { study: study.closed(), leases, interrupt })
    }

    /// The study.
    pub(super) fn into_study(self) -> OpenStudy {
        self.study
    }

    /// The study, for reading. Others may have changed it since.
    pub(super) fn study(&self) -> &OpenStudy {
        &self.study
    }

    /// This worker's leases; `None` if the study is not shared.
    pub(super) fn leases(&self) -> Option<&Leases> {
        self.leases.as_ref()
    }

    /// Changes the study as it is now, with its journal open.
    ///
    /// # Errors
    ///
    /// If the journal cannot be opened, or the change fails.
    pub(super) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut OpenStudy, Option<&Leases>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.leases.is_none() {
            return change(&mut self.study, None);
        }
        let mut study = patiently(self.study.spec().clone(), self.interrupt)?;
        let changed = change(&mut study, self.leases.as_ref());
        self.study = study.closed();
        changed
    }
}

/// Opens a study; while another process has its journal open, waits.
///
/// # Errors
///
/// If it cannot be opened, or another process keeps it open for long.
pub(super) fn patiently(spec: StudySpec, interrupt: &Interrupt) -> Result<OpenStudy, Failure> {
    let (began, mut pause) = (Instant::now(), TRY_EVERY.0);
    loop {
        match OpenStudy::new(spec.clone()) {
            Err(TunerError::Journal(JournalError::Locked { path })) => {
                if began.elapsed() >= PATIENCE {
                    return Err(Failure::bad_input(anyhow::anyhow!(
                        "another process has kept journal `{}` open for {} s; if it is `wattlab tune \
                         run`, start it with `--workers`, too",
                        path.display(),
                        PATIENCE.as_secs()
                    )));
                }
            }
            opened => return Ok(opened.map_err(Failure::bad_input)?.without_repeats()),
        }
        // A finished trial is written down even after Ctrl-C, unless the journal stays in use for long.
        if interrupt.is_set() && began.elapsed() >= Duration::from_secs(5) {
            return Err(Failure::Interrupted);
        }
        thread::sleep(pause);
        pause = pause.mul_f64(1.5).min(TRY_EVERY.1);
    }
}
