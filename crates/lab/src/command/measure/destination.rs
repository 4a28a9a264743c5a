//! A file that gets a whole document once the command has ended.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};

use crate::Failure;

/// A file that was checked before the command runs. Until [`Destination::write`], an existing file keeps
/// its content.
#[derive(Debug)]
pub(super) struct Destination {
    /// The flag that names it.
    flag: &'static str,
    path: PathBuf,
    way: Way,
}

/// How the document gets into the file.
#[derive(Debug)]
enum Way {
    /// Under a temporary name, and renamed. The path is free of links.
    Rename(PathBuf),
    /// Into the open file: a device, a pipe, or a file in a folder that cannot be written.
    InPlace(File),
}

impl Destination {
    /// Checks that the file can be written; changes nothing.
    ///
    /// # Errors
    ///
    /// If it is a folder or cannot be written.
    pub(super) fn check(flag: &'static str, path: &Path) -> Result<Self, Failure> {
        let way = Way::of(path).with_context(|| cannot(flag, path)).map_err(Failure::bad_input)?;
        Ok(Self { flag, path: path.to_owned(), way })
    }

    /// [`Destination::check`] of a flag that may be absent.
    ///
    /// # Errors
    ///
    /// As [`Destination::check`].
    pub(super) fn optional(
        flag: &'static str,
        path: Option<&PathBuf>,
    ) -> Result<Option<Self>, Failure> {
        path.map(|path| Self::check(flag, path)).transpose()
    }

    /// Writes the document. If that fails, an existing file keeps its content, unless it had to be
    /// written in place.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, as on a full disk.
    pub(super) fn write(self, text: &str) -> Result<(), Failure> {
        let written = match self.way {
            Way::Rename(target) => replace(&target, text.as_bytes()),
            Way::InPlace(mut file) => overwrite(&mut file, text.as_bytes()),
        };
        written.with_context(|| cannot(self.flag, &self.path)).map_err(Failure::run_time)
    }
}

impl Way {
    fn of(path: &Path) -> io::Result<Self> {
        let target = without_links(path)?;
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if metadata.is_file() && !is_a_descriptor(path) => {
                // Not through a read-only file, as with a shell's `>`.
                let file = OpenOptions::new().write(true).open(&target)?;
                match probe_folder(&target) {
                    Ok(()) => Ok(Self::Rename(target)),
                    Err(_) => Ok(Self::InPlace(file)),
                }
            }
            Ok(_) => OpenOptions::new().append(true).open(path).map(Self::InPlace),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                probe_folder(&target).map(|()| Self::Rename(target))
            }
            Err(error) => Err(error),
        }
    }
}

/// Checks that a file can be created beside this one.
///
/// # Errors
///
/// If it cannot.
pub(super) fn probe_folder(path: &Path) -> io::Result<()> {
    tempfile::tempfile_in(folder(path)).map(drop)
}

/// Puts a file in the place of another in one step: after an error or a power failure it has its old
/// content or the new one, never a part. It keeps its permissions.
///
/// # Errors
///
/// If the folder cannot be written or is full.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    let permissions = fs::metadata(path).ok().map(|metadata| metadata.permissions());
    let new: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    // The system takes away what the user's mask forbids.
    let mut file = builder.prefix(".wattlab-").permissions(new).tempfile_in(folder(path))?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// The path that a chain of links leads to, also if there is no file yet.
///
/// # Errors
///
/// If the path is empty or ends with a slash, or its links form a circle.
pub(super) fn without_links(path: &Path) -> io::Result<PathBuf> {
    const MOST: usize = 32;
    match path.as_os_str().as_encoded_bytes().last() {
        None => return Err(io::ErrorKind::NotFound.into()),
        Some(b'/') => return Err(io::ErrorKind::IsADirectory.into()),
        Some(_) => {}
    }
    let mut path = path.to_owned();
    for _ in 0..MOST {
        match fs::read_link(&path) {
            Ok(to) => path = folder(&path).join(to),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("its links form a circle"))
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether the path names an open file of a process, such as `/dev/stdout` or `/proc/self/fd/3`. The
/// file behind it must not be replaced, because others write to it.
fn is_a_descriptor(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc")
}

fn overwrite(file: &mut File, content: &[u8]) -> io::Result<()> {
    // A pipe or a terminal has no length and no position.
    if file.metadata()?.is_file() && file.seek(SeekFrom::Start(0)).is_ok() {
        file.set_len(0)?;
    }
    file.write_all(content)?;
    file.flush()
}

fn cannot(flag: &str, path: &Path) -> String {
    format!("{flag}: failed to write `{}`", path.display())
}

/// Fails if two flags name the same file.
///
/// # Errors
///
/// Names both flags.
pub(super) fn distinct(files: &[(&str, Option<&PathBuf>)]) -> Result<(), Failure> {
    for (at, (flag, path)) in files.iter().enumerate() {
        let same = |other: &&(&str, Option<&PathBuf>)| path.is_some() && other.1 == *path;
        if let (Some(path), Some((other, _))) = (path, files[..at].iter().find(same)) {
            let text = format!("{other} and {flag} both name `{}`; name two files", path.display());
            return Err(Failure::bad_input(anyhow!(text)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_keeps_its_content_until_the_end_and_its_permissions_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("told.json");
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let destination = Destination::check("--output", &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        destination.write("after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(names(folder.path()), ["told.json"]);
    }

    #[test]
    fn a_check_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        drop(Destination::check("--output", &folder.path().join("told.json")).unwrap());
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn a_link_stays_and_its_target_is_written() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("there")).unwrap();
        let link = folder.path().join("link.json");
        symlink("there/told.json", &link).unwrap();
        Destination::check("--output", &link).unwrap().write("text").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(folder.path().join("there/told.json")).unwrap(), "text");
    }

    #[test]
    fn what_cannot_be_written_is_found_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("circle", path("circle")).unwrap();
        let long = "x".repeat(300);
        for name in ["", "no-folder/told.json", "new/", "circle", long.as_str()] {
            let failure = Destination::check("--output", &path(name)).unwrap_err();
            let text = failure.to_string();
            assert!(text.starts_with("--output: failed to write `"), "{name}: {text}");
            assert!(matches!(failure, Failure::BadInput(_)), "{name}: {text}");
        }
        assert!(Destination::check("--output", Path::new("")).is_err());
    }

    #[test]
    fn a_device_is_written_in_place() {
        Destination::check("--output", Path::new("/dev/null")).unwrap().write("text").unwrap();
        let full = Destination::check("--output", Path::new("/dev/full")).unwrap().write("text");
        assert!(matches!(full, Err(Failure::RunTime(_))));
        assert!(fs::symlink_metadata("/dev/full").is_ok());
    }

    #[test]
    fn two_flags_cannot_name_one_file() {
        let (a, b) = (PathBuf::from("a"), PathBuf::from("b"));
        assert!(distinct(&[("--csv", Some(&a)), ("--output", Some(&b)), ("--x", None)]).is_ok());
        let text = distinct(&[("--csv", Some(&a)), ("--x", None), ("--output", Some(&a))]);
        assert_eq!(
            text.unwrap_err().to_string(),
            "--csv and --output both name `a`; name two files"
        );
    }
}
