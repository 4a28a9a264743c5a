//! The formats that are tried, with samples and the commands that read them.

mod networks;
mod queues;
mod studies;
mod tuning;

use std::{fs, path::Path};

use anyhow::Context;

/// Where an input is put.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A file of this name.
    File(&'static str),
    /// Standard input.
    Stdin,
}

/// How keys and values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Toml,
    /// JSON, or a JSON object per line.
    Json,
    /// Another format.
    Other,
}

/// What is repaired after a damage, so that more than the check sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checks {
    None,
    /// The CRC-32 of each chunk of a PNG file.
    Png,
}

/// A format, and a command that reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) syntax: Syntax,
    /// Sound inputs: files, relative to the root folder.
    pub(super) samples: &'static [&'static str],
    pub(super) place: Place,
    /// Files that the command needs beside the input, each with the file that it is a copy of.
    pub(super) beside: &'static [(&'static str, &'static str)],
    pub(super) args: &'static [&'static str],
    /// The exit codes that are right: 0, 2 for bad input, 1 where the answer may be "no".
    pub(super) codes: &'static [i32],
    /// Whether the input says how much work is done, of which it may ask for days.
    pub(super) asks_for_work: bool,
    pub(super) checks: Checks,
}

impl Format {
    /// A format without keys, whose command answers or refuses its input.
    const fn new(
        name: &'static str,
        title: &'static str,
        samples: &'static [&'static str],
        place: Place,
        args: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            title,
            syntax: Syntax::Other,
            samples,
            place,
            beside: &[],
            args,
            codes: &[0, 2],
            asks_for_work: false,
            checks: Checks::None,
        }
    }

    const fn toml(self) -> Self {
        Self { syntax: Syntax::Toml, ..self }
    }

    const fn json(self) -> Self {
        Self { syntax: Syntax::Json, ..self }
    }

    const fn beside(self, beside: &'static [(&'static str, &'static str)]) -> Self {
        Self { beside, ..self }
    }

    const fn codes(self, codes: &'static [i32]) -> Self {
        Self { codes, ..self }
    }

    const fn asks_for_work(self) -> Self {
        Self { asks_for_work: true, ..self }
    }
}

/// The path of a sample in this folder.
macro_rules! sample {
    ($name:literal) => {
        concat!("xtask/src/fuzz/samples/", $name)
    };
}
use sample;

/// Every format.
pub(super) fn all() -> impl Iterator<Item = &'static Format> {
    [studies::FORMATS, queues::FORMATS, tuning::FORMATS, networks::FORMATS].into_iter().flatten()
}

/// A file of the repository.
pub(super) fn read(root: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let path = root.join(name);
    fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::root;

    #[test]
    fn every_format_has_its_own_name_and_its_files() {
        let mut names: Vec<&str> = all().map(|format| format.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for format in all() {
            assert!(!format.samples.is_empty(), "{}", format.name);
            for name in format.samples.iter().chain(format.beside.iter().map(|(_, name)| name)) {
                assert!(!read(root(), name).unwrap().is_empty(), "{name}");
            }
        }
    }
}
