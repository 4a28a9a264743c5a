//! Downloads: resumed after interruptions, and verified.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use sha2::{Digest, Sha256};

use crate::{Failure, output::line};

/// Downloads a file to `PATH.part`, resuming an earlier attempt, and renames it to `path` when its SHA-256 starts
/// with `sha256`. `offline` is the advice that the error gives if there is no network connection.
///
/// # Errors
///
/// If the address cannot be reached or the file cannot be written (run time), or if the checksum differs (bad
/// input).
pub(crate) fn get(address: &str, path: &Path, sha256: &str, offline: &str) -> Result<(), Failure> {
    let part = PathBuf::from(format!("{}.part", path.display()));
    fetch(address, &part, offline).map_err(Failure::RunTime)?;
    let found = sha256_of(&part).map_err(Failure::RunTime)?;
    if !found.starts_with(sha256) {
        fs::remove_file(&part).map_err(Failure::run_time)?;
        return Err(Failure::BadInput(anyhow!(
            "`{address}` has SHA-256 {found}, expected {sha256}{}; try again or use another mirror",
            if sha256.len() < found.len() { "…" } else { "" }
        )));
    }
    fs::rename(&part, path)
        .with_context(|| format!("failed to write `{}`", path.display()))
        .map_err(Failure::RunTime)
}

fn fetch(address: &str, part: &Path, offline: &str) -> anyhow::Result<()> {
    let have = fs::metadata(part).map_or(0, |metadata| metadata.len());
    line(&format!("{address}: downloading{}", if have > 0 { " the rest" } else { "" }));
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_connect(Some(Duration::from_secs(30))).build().into();
    let mut request = agent.get(address);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response =
        request.call().with_context(|| format!("failed to reach `{address}`; {offline}"))?;
    // A server that does not support ranges sends the whole file.
    let resumed = response.status() == 206;
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .append(resumed)
        .truncate(!resumed)
        .open(part)
        .with_context(|| format!("failed to write `{}`", part.display()))?;
    io::copy(&mut response.body_mut().as_reader(), &mut file)
        .context("the download was interrupted; run the same command again to resume it")?;
    Ok(file.sync_all()?)
}

/// SHA-256 of a file in hex.
pub(crate) fn sha256_of(path: &Path) -> anyhow::Result<String> {
    let failed = || format!("failed to read `{}`", path.display());
    let mut file = units::open_regular(path).with_context(failed)?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).with_context(failed)? {
            0 => break,
            more => digest.update(&buffer[..more]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    const CONTENT: &[u8] = b"a file that takes two attempts";

    /// Serves `requests` requests with the ranges they ask for. If `breaks`, the first connection ends after 10
    /// bytes.
    fn server(requests: usize, breaks: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        thread::spawn(move || {
            for index in 0..requests {
                let (mut stream, _) = listener.accept().unwrap();
                let mut start = 0;
                for header in BufReader::new(stream.try_clone().unwrap()).lines() {
                    let header = header.unwrap().to_lowercase();
                    if let Some(range) = header.strip_prefix("range: bytes=") {
                        start = range.trim_end_matches('-').parse().unwrap();
                    }
                    if header.is_empty() {
                        break;
                    }
                }
                let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
                let content = &CONTENT[start..];
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", content.len())
                    .unwrap();
                let sent = if breaks && index == 0 { 10 } else { content.len() };
                stream.write_all(&content[..sent]).unwrap();
            }
        });
        address
    }

    fn sum() -> String {
        Sha256::digest(CONTENT).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn an_interrupted_download_is_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let address = server(2, true);
        let error = get(&address, &path, &sum()[..8], "").unwrap_err();
        assert!(matches!(error, Failure::RunTime(_)) && error.to_string().contains("interrupted"));
        assert!(!path.exists());
        get(&address, &path, &sum()[..8], "").unwrap();
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
        assert_eq!(sha256_of(&path).unwrap(), sum());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_with_a_wrong_checksum_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let error = get(&server(1, false), &path, "0123456789", "").unwrap_err();
        assert!(matches!(error, Failure::BadInput(_)), "{error}");
        assert!(error.to_string().contains("expected 0123456789…"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn without_a_connection_the_error_gives_advice() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        drop(listener);
        let folder = tempfile::tempdir().unwrap();
        let error = get(&address, &folder.path().join("file"), "", "use a USB stick").unwrap_err();
        assert!(matches!(error, Failure::RunTime(_)));
        assert!(error.to_string().contains("use a USB stick"), "{error}");
    }
}
