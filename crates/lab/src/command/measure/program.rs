//! The command that is measured: how it is given, found and named.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use rustix::fs::{Access, access};

use crate::Failure;

/// A command to run. Arguments are bytes, because names of files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// A program and its arguments.
    Arguments(Vec<OsString>),
    /// A line for `/bin/sh`.
    Shell(OsString),
}

/// The shell that runs lines.
const SHELL: &str = "/bin/sh";

impl Program {
    /// Checks that there is such a program. It does not read a shell's line.
    ///
    /// # Errors
    ///
    /// If there is no such program, or it may not be run.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.words().first() {
            Some(program) => {
                find(program).with_context(|| cannot_run(program)).map_err(Failure::bad_input)
            }
            None => Err(Failure::bad_input(anyhow::anyhow!("give a command after `--`"))),
        }
    }

    /// The process to start.
    pub(super) fn command(&self) -> Command {
        let words = self.words();
        let (program, arguments) = words.split_first().expect("checked before");
        let mut command = Command::new(program);
        command.args(arguments);
        command
    }

    /// The command as text: the line for the shell unchanged, or else the program and its arguments
    /// with spaces between them. Bytes that are not UTF-8 are replaced.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Shell(line) => line.to_string_lossy().into_owned(),
            Self::Arguments(_) => self.shown().join(" "),
        }
    }

    /// The program and its arguments for a document. Bytes that are not
    /// UTF-8 are replaced.
    pub(super) fn shown(&self) -> Vec<String> {
        self.words().iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    fn words(&self) -> Vec<OsString> {
        match self {
            Self::Arguments(words) => words.clone(),
            Self::Shell(line) => vec![SHELL.into(), "-c".into(), line.clone()],
        }
    }
}

/// The message that a program cannot be run.
pub(super) fn cannot_run(program: &OsStr) -> String {
    format!("failed to run `{}`", program.to_string_lossy())
}

/// Looks for a program as `execvp` does: a name without a slash in the folders of `PATH`.
fn find(program: &OsStr) -> io::Result<()> {
    if program.as_encoded_bytes().contains(&b'/') {
        return may_run(Path::new(program));
    }
    let folders = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let paths = env::split_paths(&folders).map(|folder| match folder {
        empty if empty.as_os_str().is_empty() => PathBuf::from("."),
        other => other,
    });
    let mut refused = None;
    for path in paths.map(|folder| folder.join(program)) {
        match may_run(&path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                refused = Some(error);
            }
            Err(_) => {}
        }
    }
    Err(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

fn may_run(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(access(path, Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str]) -> Result<(), Failure> {
        Program::Arguments(words.iter().map(OsString::from).collect()).check()
    }

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        assert!(check(&["sh", "-c", "true"]).is_ok() && check(&["/bin/sh"]).is_ok());
        assert!(Program::Shell("no-such-program".into()).check().is_ok());
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data");
        std::fs::write(&file, "text").unwrap();
        let (folder, file) = (folder.path().to_str().unwrap(), file.to_str().unwrap());
        for program in ["no-such-program", "./no-such-program", folder, file, ""] {
            let failure = check(&[program]).unwrap_err();
            assert!(failure.to_string().starts_with(&format!("failed to run `{program}`")));
            assert!(matches!(failure, Failure::BadInput(_)));
        }
    }

    #[test]
    fn a_program_may_have_a_name_that_is_no_text() {
        use std::os::unix::ffi::OsStringExt;
        let name = OsString::from_vec(b"caf\xe9".to_vec());
        let program = Program::Arguments(vec!["ls".into(), name.clone()]);
        assert_eq!(program.command().get_args().collect::<Vec<_>>(), [name.as_os_str()]);
        assert_eq!(program.text(), "ls caf\u{fffd}");
    }
}
