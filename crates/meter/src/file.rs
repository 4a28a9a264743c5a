//! Small files of the kernel.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

/// `SYSFS_MAGIC` of `linux/magic.h`.
const SYSFS: i64 = 0x6265_6572;

/// A file that is being replaced may be seen half written so many times in a row.
const TRIES: u32 = 5;

/// A file with one number in it that is kept open: reading an open file is five times as fast.
pub(crate) struct NumberFile {
    pub(crate) path: PathBuf,
    file: File,
    /// The kernel's own file system answers an error from a file that is gone; any other goes on
    /// answering from a file that was replaced, and has to be asked.
    replaceable: bool,
    /// Whether its values end with a line break; one of the kernel's that does not is cut short.
    ends: bool,
    /// Whether a sign is passed over.
    signed: bool,
}

impl NumberFile {
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let kernel = rustix::fs::fstatfs(&file).is_ok_and(|it| it.f_type == SYSFS);
        Ok(Self { path, file, replaceable: !kernel, ends: false, signed: false })
    }

    /// The number without its sign, which some drivers give to what flows out of a battery.
    pub(crate) fn read_magnitude(&mut self) -> Result<u64, String> {
        self.signed = true;
        self.read()
    }

    /// The number, or in words why there is none.
    pub(crate) fn read(&mut self) -> Result<u64, String> {
        if self.replaceable && self.file.metadata().map_or(true, |it| it.nlink() == 0) {
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
        let number = if self.signed { number.trim_start_matches('-') } else { number };
        match number.parse() {
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

/// A file's text without the white space around it.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    Ok(text.trim().to_owned())
}
