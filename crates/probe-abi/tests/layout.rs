//! `include/probe.h` and the Rust structs lay out the same bytes.

use std::{fs, mem::offset_of, process::Command};

use wattlab_probe_abi::{RawChannel, Table};

#[test]
fn the_header_and_the_crate_agree() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("layout.c");
    let program = folder.path().join("layout");
    fs::write(
        &source,
        r#"
        #include <stddef.h>
        #include <stdio.h>
        #include "probe.h"
        #define C(f) (int)offsetof(wattlab_channel, f)
        #define T(f) (int)offsetof(wattlab_probe_table, f)
        int main(void) {
            printf("%d %d %d %d %d %d %d %d\n", (int)sizeof(wattlab_channel), C(device), C(kind),
                   C(domain), C(unit), C(range), C(period_ns), C(relative_error));
            printf("%d %d %d %d %d %d %d %d\n", (int)sizeof(wattlab_probe_table), T(abi), T(size),
                   T(name), T(open), T(channels), T(read), T(close));
            return 0;
        }
        "#,
    )
    .unwrap();
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/include");
    let compiled =
        Command::new("cc").arg("-I").arg(include).arg(&source).arg("-o").arg(&program).status();
    match compiled {
        Err(error) => {
            eprintln!("skipped: no C compiler (`cc`): {error}");
            return;
        }
        Ok(status) => assert!(status.success()),
    }
    let output = Command::new(&program).output().unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    let channel = [
        size_of::<RawChannel>(),
        offset_of!(RawChannel, device),
        offset_of!(RawChannel, kind),
        offset_of!(RawChannel, domain),
        offset_of!(RawChannel, unit),
        offset_of!(RawChannel, range),
        offset_of!(RawChannel, period_ns),
        offset_of!(RawChannel, relative_error),
    ];
    let table = [
        size_of::<Table>(),
        offset_of!(Table, abi),
        offset_of!(Table, size),
        offset_of!(Table, name),
        offset_of!(Table, open),
        offset_of!(Table, channels),
        offset_of!(Table, read),
        offset_of!(Table, close),
    ];
    let line = |values: [usize; 8]| values.map(|it| it.to_string()).join(" ") + "\n";
    assert_eq!(found, line(channel) + &line(table));
}
