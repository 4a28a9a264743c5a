//! The tests of networks, layers and operations once more, with a page without access behind every buffer, for each
//! instruction set that the kernels are compiled for.
//!
//! Their shapes are odd: widths that no register divides, batches of one, images of one pixel. A kernel that reads or
//! writes past the end of an operand ends the process here, whatever it does with the value.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]
#![expect(unsafe_code, reason = "an allocator, and a read that must fail")]

mod allocator;
#[path = "../it/formula.rs"]
mod formula;
#[path = "../it/int8.rs"]
mod int8;
#[path = "../it/nn_operations.rs"]
mod nn_operations;
#[path = "../it/nn_reference.rs"]
mod nn_reference;
#[path = "../it/nn_training.rs"]
mod nn_training;
#[path = "../it/random_networks.rs"]
mod random_networks;
#[path = "../it/same_padding.rs"]
mod same_padding;
#[path = "../it/study.rs"]
mod study;

use std::{
    env,
    hint::black_box,
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

#[global_allocator]
static ALLOCATOR: allocator::Guarded = allocator::Guarded::new();

const SIGSEGV: i32 = 11;

/// The variable that chooses the kernels' instruction set.
const LANES: &str = "WATTLAB_LANES";

#[test]
fn one_float_too_many_ends_the_process() {
    const ASKED: &str = "WATTLAB_TEST_READ_BEHIND";
    let floats: Vec<f32> = (0..37_u8).map(f32::from).collect();
    if env::var_os(ASKED).is_some() {
        // SAFETY: none; the page behind the buffer has no access, and that is what is tested.
        black_box(unsafe { floats.as_ptr().add(floats.len()).read_volatile() });
        return;
    }
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", "one_float_too_many_ends_the_process"]).env(ASKED, "1");
    let status = again.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.signal(), Some(SIGSEGV), "{status}");
}

/// This process has the widest registers of the processor; others have the narrower ones.
#[test]
fn every_instruction_set_stays_within_its_operands() {
    if env::var_os(LANES).is_some() {
        return;
    }
    for lanes in ["avx2", "portable"] {
        let mut again = Command::new(env::current_exe().unwrap());
        let output = again.env(LANES, lanes).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{lanes}: {}\n{said}", output.status);
    }
}
