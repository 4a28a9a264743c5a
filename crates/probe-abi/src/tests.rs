//! `include/probe.h` and the Rust structs lay out the same bytes.

extern crate std;

use core::{mem::offset_of, ptr};
use std::{
    eprintln, fs,
    process::Command,
    string::{String, ToString},
};

use super::*;

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

#[test]
fn a_table_is_believed_only_if_version_and_size_fit() {
    struct Silent;
    impl Probe for Silent {
        const NAME: &'static CStr = c"silent";
        fn open() -> Result<Self, Failure> {
            Ok(Self)
        }
        fn channels(&self, _: &mut dyn FnMut(Channel<'_>)) {}
        fn read(&mut self, _: usize) -> Result<u64, Failure> {
            Err(Failure { code: -1, reason: "nothing to read" })
        }
    }
    #[repr(align(8))]
    struct Aligned([u32; 2]);
    static HEADERS: [Aligned; 2] = [Aligned([2, 4096]), Aligned([ABI, 8])];
    const TABLE: &Table = &Table::of::<Silent>();
    // SAFETY: a good table, no table, and headers alone, of another version or too short.
    let (good, none, other, short) = unsafe {
        (
            Table::check(TABLE),
            Table::check(ptr::null()),
            Table::check(HEADERS[0].0.as_ptr().cast()),
            Table::check(HEADERS[1].0.as_ptr().cast()),
        )
    };
    assert_eq!(good.unwrap().name(), "silent");
    assert_eq!(none.unwrap_err(), Refusal::Null);
    assert_eq!(other.unwrap_err(), Refusal::Abi(2));
    assert_eq!(short.unwrap_err(), Refusal::Size(8));
}
