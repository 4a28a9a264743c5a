//! Networks agree with their references under every instruction set of the processor. The program `guarded` tests
//! training in this way.

use std::process::Command;

use wattlab_models::{InstructionSet, LANES_VARIABLE};

/// Runs tests of this program again, in processes that use another instruction set.
fn again(filters: &[&str]) {
    for set in InstructionSet::ALL {
        if set == InstructionSet::current() {
            continue;
        }
        if !set.is_available() {
            eprintln!("skipped: this processor has no {}", set.name());
            continue;
        }
        let out = Command::new(std::env::current_exe().unwrap())
            .args(filters)
            .env(LANES_VARIABLE, set.name())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{}: {text}", set.name());
        assert!(!text.contains("running 0 tests"), "{}: {text}", set.name());
    }
}

#[test]
fn logits_agree_with_torchvision_under_every_instruction_set() {
    again(&["vision::"]);
}

#[test]
fn logits_of_8_bit_integers_are_near_under_every_instruction_set() {
    again(&["int8::"]);
}

#[test]
fn the_chosen_instruction_set_is_available() {
    let chosen = InstructionSet::chosen().unwrap();
    assert!(chosen.is_available());
    assert_eq!(chosen, InstructionSet::current());
}
