//! Power of AMD GPUs through the hwmon files of the kernel's `amdgpu` driver.
#![forbid(unsafe_code)]

use std::{
    ffi::CStr,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use probe_abi::{Channel, Domain, Failure, Kind, Options, Probe};

/// `power1_average` on most boards, `power1_input` on those that show an instantaneous power.
const FILES: [&str; 2] = ["power1_average", "power1_input"];

/// One board. Its file is kept open.
struct Board {
    name: String,
    /// Its PCI address, or an empty text.
    identity: String,
    averages: bool,
    power: File,
}

/// Every board of the `amdgpu` driver that shows its power.
struct AmdGpus(Vec<Board>);

/// Reads a file in microwatts, the unit in the kernel's documentation of hwmon.
fn microwatts(file: &File) -> io::Result<u64> {
    let mut text = [0; 32];
    let length = file.read_at(&mut text, 0)?;
    let text = str::from_utf8(&text[..length]).map_err(io::Error::other)?;
    text.trim().parse().map_err(io::Error::other)
}

/// The board of one hwmon folder; `None` if the folder is another driver's or shows no power.
fn board(folder: &Path) -> Option<Result<Board, io::Error>> {
    let driver = fs::read_to_string(folder.join("name")).ok()?;
    if driver.trim() != "amdgpu" {
        return None;
    }
    let file = FILES.iter().find(|file| folder.join(file).exists())?;
    // The link `device` leads to the board's folder, which is named by its PCI address.
    let place = fs::canonicalize(folder.join("device")).ok();
    let address = place.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let identity = address.filter(|address| address.contains(':')).unwrap_or_default().into_owned();
    let name = match &*identity {
        "" => folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        address => address.to_owned(),
    };
    let averages = *file == FILES[0];
    Some(File::open(folder.join(file)).map(|power| Board { name, identity, averages, power }))
}

impl Probe for AmdGpus {
    const NAME: &'static CStr = c"amdgpu";
    const OPTIONS: &'static [&'static str] = &["sysfs"];

    fn open(options: &Options) -> Result<Self, Failure> {
        let root = Path::new(options.get("sysfs").unwrap_or("/sys")).join("class/hwmon");
        let folders = fs::read_dir(root).into_iter().flatten().flatten();
        let mut found: Vec<_> = folders.filter_map(|entry| board(&entry.path())).collect();
        let denied = found.iter().any(Result::is_err);
        let mut boards: Vec<Board> = found.drain(..).flatten().collect();
        boards.sort_by(|a, b| a.name.cmp(&b.name));
        if boards.is_empty() {
            return Err(if denied {
                Failure {
                    code: -2,
                    reason: "no permission to read the GPUs' power\nrun `chmod a+r` on /sys/class/hwmon/hwmon*/power1_*",
                }
            } else {
                Failure {
                    code: -1,
                    reason: "no AMD GPU shows its power\nload the driver (`modprobe amdgpu`); the command `sensors` lists what it shows",
                }
            });
        }
        Ok(Self(boards))
    }

    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>)) {
        for board in &self.0 {
            describe(Channel {
                identity: &board.identity,
                // Neither is documented; the firmware of these boards averages over about this time.
                period_ns: 100_000_000,
                averaging_ns: if board.averages { 100_000_000 } else { 0 },
                relative_error: 0.1,
                ..Channel::new(Kind::Power, Domain::Gpu, &board.name, 1e-6)
            });
        }
    }

    fn read(&mut self, channel: usize) -> Result<u64, Failure> {
        let board = self.0.get(channel).ok_or(Failure { code: -3, reason: "no such channel" })?;
        // Reading a board that sleeps fails with EPERM or EBUSY until something wakes it.
        microwatts(&board.power).map_err(|error| match error.kind() {
            io::ErrorKind::Other => Failure { code: -5, reason: "the file holds no number" },
            _ => Failure { code: -4, reason: "the GPU does not answer; it may be asleep" },
        })
    }
}

probe_abi::export!(AmdGpus);

#[cfg(test)]
mod tests;
