//! Small files of the kernel that hold one number or one word.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

/// How often a file is read again that was caught half written.
const TRIES: u32 = 5;

/// A file that holds one number. It is kept open, because reading an open file is five times as
/// fast.
pub(crate) struct NumberFile {
    pub(crate) path: PathBuf,
    file: File,
    /// Whether another file may take its place without an error from this one. In the kernel's own
    /// file system, reading a file that is gone fails; anywhere else the old content stays readable,
    /// so each reading first checks whether the file was replaced.
    replaceable: bool,
    /// Whether its values end with a line break; a value of the kernel's without one is cut short.
    ends: bool,
    sign: Sign,
}

/// What a number below 0 means.
#[derive(Clone, Copy)]
enum Sign {
    /// It is no number of this file.
    Refused,
    /// Its magnitude: some drivers show a battery's discharge as negative.
    Ignored,
    /// 0: an idle sensor of a current may show a little less.
    Zero,
}

impl NumberFile {
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let replaceable = !is_in_sysfs(&file);
        Ok(Self { path, file, replaceable, ends: false, sign: Sign::Refused })
    }

    /// Reads the number without its sign: some drivers show a battery's discharge as negative.
    pub(crate) fn read_magnitude(&mut self) -> Result<u64, String> {
        self.sign = Sign::Ignored;
        self.read()
    }

    /// Reads the number, or 0 if it is below 0.
    pub(crate) fn read_at_least_zero(&mut self) -> Result<u64, String> {
        self.sign = Sign::Zero;
        self.read()
    }

    /// Reads the number; on failure returns the reason in words.
    pub(crate) fn read(&mut self) -> Result<u64, String> {
        if self.replaceable && self.file.metadata().map_or(true, |data| data.nlink() == 0) {
            self.reopen()?;
        }
        let mut answer = self.read_open();
        if matches!(answer, Err(Failed::Read(_))) {
            self.reopen()?;
            answer = self.read_open();
        }
        for _ in 1..TRIES {
            if self.replaceable && matches!(answer, Err(Failed::Parse(_))) {
                std::thread::yield_now();
                answer = self.read_open();
            }
        }
        answer.map_err(|failed| match failed {
            Failed::Read(error) => error.to_string(),
            Failed::Parse(text) => format!("`{text}` is not a number"),
        })
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.file = File::open(&self.path).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn read_open(&mut self) -> Result<u64, Failed> {
        let mut buffer = [0; 32];
        let length = self.file.read_at(&mut buffer, 0).map_err(Failed::Read)?;
        let text = str::from_utf8(&buffer[..length]).unwrap_or_default();
        let ends = text.ends_with('\n');
        let number = text.trim();
        let (negative, digits) =
            number.strip_prefix('-').map_or((false, number), |digits| (true, digits));
        let value = match self.sign {
            Sign::Refused => number.parse(),
            Sign::Ignored => digits.parse(),
            Sign::Zero => digits.parse().map(|value: u64| if negative { 0 } else { value }),
        };
        match value {
            Ok(value) if ends || !self.ends || self.replaceable => {
                self.ends = ends;
                Ok(value)
            }
            _ => Err(Failed::Parse(text.trim().to_owned())),
        }
    }
}

enum Failed {
    Read(io::Error),
    Parse(String),
}

#[cfg(target_os = "linux")]
fn is_in_sysfs(file: &File) -> bool {
    /// `SYSFS_MAGIC` of `linux/magic.h`.
    const SYSFS: i64 = 0x6265_6572;
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type == SYSFS)
}

#[cfg(not(target_os = "linux"))]
fn is_in_sysfs(_file: &File) -> bool {
    false
}

/// Why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// This user may not read it.
    Denied,
    /// It, or what a link to it leads to, does not exist.
    Missing,
    /// It is there, and reading it fails.
    Failing,
}

impl Trouble {
    /// What is wrong with a file whose reading has failed.
    pub(crate) fn of(path: &Path) -> Self {
        match fs::read(path).map_err(|error| error.kind()) {
            Err(io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory) => Self::Denied,
            Err(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Self::Missing,
            _ => Self::Failing,
        }
    }
}

/// A file's text without the white space around it; on failure the file's name and the reason.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    Ok(text.trim().to_owned())
}
