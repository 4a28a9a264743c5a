//! `include/probe.h` and the Rust structs have the same layout, and everything that a plugin returns is
//! checked.
#![expect(clippy::print_stderr, reason = "says visibly that it skips")]

extern crate std;

use core::{
    ffi::{CStr, c_char},
    mem::offset_of,
    ptr,
};
use std::{
    eprintln, format, fs,
    process::Command,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use proptest::prelude::*;

use super::*;

macro_rules! layout {
    ($type:ty, $($field:tt)*) => {
        [size_of::<$type>(), $(offset_of!($type, $field)),*].map(|bytes| bytes.to_string()).join(" ")
    };
}

#[test]
fn the_header_and_the_crate_have_the_same_layout() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("layout.c");
    let program = folder.path().join("layout");
    let mut code = String::from(
        "#include <stddef.h>\n#include <stdio.h>\n#include \"probe.h\"\nint main(void) {\n",
    );
    let types = [
        (
            "wattlab_channel",
            "device inside identity kind domain unit range period_ns averaging_ns relative_error",
        ),
        ("wattlab_probe_table", "abi size name open channels read close extension"),
        ("wattlab_configure", "set"),
        ("wattlab_reason", "reason"),
    ];
    for (name, fields) in types {
        code += &format!("printf(\"%d\", (int)sizeof({name}));\n");
        for field in fields.split(' ') {
            code += &format!("printf(\" %d\", (int)offsetof({name}, {field}));\n");
        }
        code += "puts(\"\");\n";
    }
    fs::write(&source, code + "return 0;\n}\n").unwrap();
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
    let ours = [
        layout!(RawChannel, device inside identity kind domain unit range period_ns averaging_ns
            relative_error),
        layout!(ProbeTable, abi size name open channels read close extension),
        layout!(Configure, set),
        layout!(Reason, reason),
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), ours);
}

/// A board whose option sets the number of its channels.
struct Board(usize);

impl Probe for Board {
    const NAME: &'static CStr = c"board";
    const OPTIONS: &'static [&'static str] = &["count"];

    fn open(options: &Options) -> Result<Self, Failure> {
        let count = options.get("count").unwrap_or("1").parse();
        count.map(Self).map_err(|_| Failure { code: -1, reason: "ähm: no number\ngive one" })
    }

    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>)) {
        for _ in 0..self.0 {
            describe(Channel::new(Kind::Counter, Domain::Gpu, "board", 1.0));
        }
    }

    fn read(&mut self, channel: usize) -> Result<u64, Failure> {
        match channel {
            0 => Ok(7),
            1 => panic!("on purpose"),
            _ => Err(Failure { code: 5, reason: "it fell off" }),
        }
    }
}

const BOARD: &ProbeTable = &ProbeTable::of::<Board>();

/// Opens the board with options, as a host does. Returns the state, or the code and the text.
fn open(options: &[(&CStr, &CStr)], size: usize) -> Result<*mut core::ffi::c_void, (i32, Vec<u8>)> {
    // Options of one probe are kept in one place, so only one test at a time may open it.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap();
    let functions = BOARD.functions().unwrap();
    let mut state = ptr::null_mut();
    let mut text = vec![0xff_u8; size];
    // SAFETY: nul-terminated texts, and places of the sizes that are passed.
    let code = unsafe {
        for (key, value) in options {
            assert_eq!(functions.set.unwrap()(key.as_ptr(), value.as_ptr()), 0);
        }
        (functions.open)(&mut state, text.as_mut_ptr().cast::<c_char>(), size as u32)
    };
    if code == 0 { Ok(state) } else { Err((code, text)) }
}

#[test]
fn options_apply_to_one_opening_and_reasons_to_one_reading() {
    let Functions { set, open: _, channels, read, close, reason, .. } = BOARD.functions().unwrap();
    // SAFETY: nul-terminated texts.
    assert_eq!(unsafe { set.unwrap()(c"color".as_ptr(), c"".as_ptr()) }, UNKNOWN_OPTION);
    let many = open(&[(c"count", c"1"), (c"count", c"3")], 0).unwrap();
    let one = open(&[], 0).unwrap();
    let mut value = 0;
    // SAFETY: both states are open, places are valid, a capacity of 0 writes nothing.
    unsafe {
        assert_eq!(channels(many, ptr::null_mut(), 0), 3);
        assert_eq!(channels(one, ptr::null_mut(), 0), 1);
        assert_eq!((read(many, 0, &mut value), value), (0, 7));
        assert_eq!(read(many, 1, &mut value), PANICKED);
        // A failure's code is always negative.
        assert_eq!(read(many, 2, &mut value), -1);
        assert_eq!(CStr::from_ptr(reason.unwrap()(many, -1)), c"it fell off");
        assert!(reason.unwrap()(many, PANICKED).is_null());
        assert!(reason.unwrap()(one, -1).is_null());
        close(many);
        close(one);
    }
}

/// A table's first two numbers, and room.
#[repr(C, align(8))]
struct Bytes([u8; 96]);

proptest! {
    /// A reason is cut between characters to fit into the buffer with its nul.
    #[test]
    fn reasons_are_cut_to_the_buffer(size in 0_usize..40) {
        let (code, text) = open(&[(c"count", c"many")], size).unwrap_err();
        prop_assert_eq!(code, -1);
        if size > 0 {
            let found = CStr::from_bytes_until_nul(&text).unwrap().to_str().unwrap();
            prop_assert!("ähm: no number\ngive one".starts_with(found));
            prop_assert!(found.len() + 2 >= size.min(25));
        }
    }

    /// Whatever bytes are in a field, its text is a beginning of them.
    #[test]
    fn fields_of_any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 64)) {
        let field = <[u8; 64]>::try_from(&bytes[..]).unwrap();
        let raw = RawChannel { device: field, inside: field, identity: field, ..RawChannel::EMPTY };
        let name = raw.device();
        prop_assert!(bytes.starts_with(name.as_bytes()));
        prop_assert!(!name.contains('\0'));
        prop_assert_eq!((raw.inside(), raw.identity()), (name, name));
    }

    /// A name of any length becomes its longest beginning that fits.
    #[test]
    fn names_are_cut_to_the_field(name in "[^\0]{0,80}") {
        let raw = RawChannel::from(&Channel::new(Kind::Power, Domain::Other, &name, 1.0));
        prop_assert!(name.starts_with(raw.device()));
        prop_assert!(raw.device().len() >= name.len().min(60));
    }

    /// Version and size are checked first, and no field beyond the size is read.
    #[test]
    fn tables_of_any_version_and_size_are_accepted_or_refused(
        abi in prop_oneof![Just(ABI), any::<u32>()],
        size in prop_oneof![0_u32..96, any::<u32>()],
        extension in any::<bool>(),
    ) {
        let mut bytes = Bytes([0; 96]);
        let mut table = ProbeTable::of::<Board>();
        (table.abi, table.size) = (abi, size);
        if !extension {
            table.extension = None;
        }
        // SAFETY: the room is larger than the table, and aligned.
        let found = unsafe {
            bytes.0.as_mut_ptr().cast::<ProbeTable>().write(table);
            if abi == ABI && (size as usize) < size_of::<ProbeTable>() {
                // Any bytes may follow the end of the table.
                let start = size as usize;
                bytes.0[start.max(8)..].fill(0xff);
            }
            ProbeTable::check(bytes.0.as_ptr().cast())
        };
        match found {
            Err(Refusal::Abi(other)) => prop_assert!(other == abi && abi != ABI),
            Err(Refusal::Size(short)) => {
                prop_assert!(short == size && (size as usize) < ProbeTable::MANDATORY);
            }
            Err(other) => prop_assert!(false, "{:?}", other),
            Ok(functions) => {
                prop_assert!(abi == ABI && size as usize >= ProbeTable::MANDATORY);
                prop_assert_eq!(functions.name, "board");
                let whole = extension && size as usize >= size_of::<ProbeTable>();
                prop_assert_eq!(functions.set.is_some(), whole);
            }
        }
    }
}

#[test]
fn null_and_incomplete_tables_are_refused() {
    // SAFETY: null is allowed.
    assert_eq!(unsafe { ProbeTable::check(ptr::null()) }.unwrap_err(), Refusal::Null);
    let empty = ProbeTable { open: None, ..ProbeTable::of::<Board>() };
    assert_eq!(empty.functions().unwrap_err(), Refusal::Incomplete);
    let nameless = ProbeTable { name: ptr::null(), ..ProbeTable::of::<Board>() };
    assert_eq!(nameless.functions().unwrap_err(), Refusal::Incomplete);
}
