//! Runs a plugin in a process of its own, so that a plugin that crashes does not end this program.
//!
//! The two processes exchange lines of JSON over the child's standard input and output, which the child
//! takes away from the plugin. The child first sends its channels, then answers each `{"read": 0}` with
//! `{"value": 42}` or `{"error": "…"}`. A child that ends or does not answer in time is started again at
//! a later reading, after a pause that doubles from 1 s to 60 s. The child ends with its parent.

mod child;
mod error;
mod message;
mod running;

use std::{fmt, process::Command, sync::Arc, time::Duration};

use units::Seconds;

use self::running::Running;
pub use self::{child::serve, error::IsolateError};
use crate::{
    clock::Clock,
    plugin::OPENS_WITHIN,
    source::{Channel, ReadError, Source},
};

/// A plugin in a process of its own.
pub struct Isolated {
    command: Box<dyn Fn() -> Command + Send>,
    clock: Arc<dyn Clock>,
    /// How long the child may take to open the plugin.
    patience: Duration,
    channels: Vec<Channel>,
    running: Option<Running>,
    /// The child is not started again before this time, after this many losses in a row.
    pause: (Seconds, u32),
}

impl fmt::Debug for Isolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Isolated").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl Isolated {
    /// Starts a child process that calls [`serve`], and starts it again whenever it is lost.
    ///
    /// # Errors
    ///
    /// If the process cannot be started, or the plugin cannot be loaded or opened within 10 s.
    pub fn start(
        command: impl Fn() -> Command + Send + 'static,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IsolateError> {
        Self::start_within(command, clock, OPENS_WITHIN)
    }

    /// As [`start`](Self::start), with another time limit for opening the plugin.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_within(
        command: impl Fn() -> Command + Send + 'static,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Result<Self, IsolateError> {
        let (running, channels) = Running::start(command(), patience)?;
        Ok(Self {
            command: Box::new(command),
            clock,
            patience,
            channels,
            running: Some(running),
            pause: (Seconds(0.0), 0),
        })
    }

    fn lose(&mut self) {
        self.running = None;
        let losses = self.pause.1.saturating_add(1);
        let seconds = 2_f64.powi(losses.min(30) as i32 - 1).min(60.0);
        self.pause = (self.clock.now() + Seconds(seconds), losses);
    }

    fn try_read(&mut self, channel: usize) -> Result<u64, String> {
        if self.running.is_none() {
            if self.clock.now() < self.pause.0 {
                return Err("its process ended and will be started again later".to_owned());
            }
            match Running::start((self.command)(), self.patience) {
                Ok((running, channels)) if channels == self.channels => {
                    self.running = Some(running);
                }
                Ok(_) => {
                    self.lose();
                    return Err("its process was started again and lists other channels".to_owned());
                }
                Err(error) => {
                    self.lose();
                    return Err(error.to_string());
                }
            }
        }
        let Some(running) = &mut self.running else {
            return Err("its process is not running".to_owned());
        };
        match running.read(channel) {
            Ok(Ok(value)) => {
                self.pause.1 = 0;
                Ok(value)
            }
            Ok(Err(reason)) => Err(reason),
            Err(fate) => {
                self.lose();
                Err(format!("its process {fate}"))
            }
        }
    }
}

impl Source for Isolated {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        self.try_read(channel).map_err(|reason| {
            let (probe, device) = self.channels.get(channel).map_or_else(
                || (String::new(), String::new()),
                |channel| (channel.probe.clone(), channel.device.clone()),
            );
            ReadError { probe, device, reason }
        })
    }
}
