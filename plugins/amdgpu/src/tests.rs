//! Tests on a fake tree of hwmon files. The meter's tests load the library.

use std::os::unix::fs::symlink;

use super::*;

fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |number: u32, file: &str, text: &str| {
        let folder = root.path().join(format!("class/hwmon/hwmon{number}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), text).unwrap();
    };
    write(0, "name", "coretemp\n");
    write(0, "power1_input", "1\n");
    write(1, "name", "amdgpu\n");
    write(1, "power1_input", "31000000\n");
    write(2, "name", "amdgpu\n");
    write(2, "power1_average", "205000000\n");
    write(3, "name", "amdgpu\n");
    let board = root.path().join("devices/0000:03:00.0");
    fs::create_dir_all(&board).unwrap();
    symlink(board, root.path().join("class/hwmon/hwmon2/device")).unwrap();
    root
}

/// Opens the boards of a tree.
fn open(root: &Path) -> Result<AmdGpus, Failure> {
    AmdGpus::open(&[("sysfs", root.to_str().unwrap())].into_iter().collect())
}

#[test]
fn boards_that_show_their_power_are_read() {
    let root = tree();
    let mut gpus = open(root.path()).unwrap();
    let mut seen = Vec::new();
    gpus.channels(&mut |channel| {
        let (device, identity) = (channel.device.to_owned(), channel.identity.to_owned());
        seen.push((device, identity, channel.averaging_ns > 0));
    });
    let board = "0000:03:00.0".to_owned();
    assert_eq!(seen, [(board.clone(), board, true), ("hwmon1".into(), String::new(), false)]);
    assert_eq!((gpus.read(0), gpus.read(1)), (Ok(205_000_000), Ok(31_000_000)));
    assert_eq!(gpus.read(2).unwrap_err().code, -3);
    // The file is kept open, and its next value is read.
    let file = root.path().join("class/hwmon/hwmon1/power1_input");
    fs::write(&file, "7\n").unwrap();
    assert_eq!(gpus.read(1), Ok(7));
    fs::write(&file, "N/A\n").unwrap();
    assert_eq!(gpus.read(1).unwrap_err().code, -5);
    assert_eq!(gpus.read(0), Ok(205_000_000));
}

#[test]
fn a_machine_without_a_board_gets_a_reason() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(open(root.path()).err().unwrap().code, -1);
}
