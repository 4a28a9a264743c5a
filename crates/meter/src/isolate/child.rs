//! What the process of a plugin does.

use std::{
    io::{self, BufReader, Write},
    path::Path,
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group, kill_process};

use super::message::{Answer, ChannelMessage, Request, line};
use crate::{
    plugin::{LoadError, Plugin},
    source::Source,
    standard_streams::{take_input, take_output},
};

/// A process whose parent has ended gets this long to close the plugin; then it is killed.
const GRACE: Duration = Duration::from_millis(100);

/// What the child process does: it loads the plugin and answers requests until its input ends. It takes
/// standard input and output for that: the plugin finds its input empty, and what it prints goes to
/// standard error.
///
/// When the parent ends, in whatever way, this process ends, too, even if the plugin hangs.
///
/// # Errors
///
/// If it cannot write. A plugin that cannot be loaded is no error here; the parent is told.
pub fn serve(path: &Path, options: &[(String, String)]) -> io::Result<()> {
    let mut output = take_output()?;
    let mut input = BufReader::new(take_input()?);
    // A process that is stopped (it may have read from the terminal) has to notice the end, too.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::CONT))?;
    let (received, requests) = channel();
    thread::Builder::new().name("wattlab-requests".to_owned()).spawn(move || {
        while let Ok(Some(line)) = line(&mut input) {
            if received.send(line).is_err() {
                break;
            }
        }
        drop(received);
        thread::sleep(GRACE);
        end();
    })?;
    let mut say = |answer: &Answer| -> io::Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        output.write_all(&line)
    };
    let mut plugin = match Plugin::load_here(path, options) {
        Ok(plugin) => plugin,
        Err(LoadError::Open { name, code, reason, remedy }) => {
            return say(&Answer::Closed { name, code, reason, remedy });
        }
        Err(error) => return say(&Answer::Refused(error.in_full())),
    };
    say(&Answer::Plugin(plugin.channels().iter().map(ChannelMessage::from).collect()))?;
    for request in requests {
        let answer = match serde_json::from_slice(&request) {
            Ok(Request::Read(channel)) if channel < plugin.channels().len() => {
                match plugin.read(channel) {
                    Ok(value) => Answer::Value(value),
                    Err(error) => Answer::Error(error.reason),
                }
            }
            Ok(Request::Read(channel)) => Answer::Error(format!("no channel {channel}")),
            Err(error) => Answer::Error(format!("not a request: {error}")),
        };
        say(&answer)?;
    }
    Ok(())
}

/// Kills this process, and the programs that the plugin has started if they are in its group.
fn end() {
    // There is nobody left to tell that this failed.
    let _ = if getpgrp() == getpid() {
        kill_current_process_group(Signal::KILL)
    } else {
        kill_process(getpid(), Signal::KILL)
    };
}
