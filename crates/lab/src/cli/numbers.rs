//! Every number on the command line has a range (`units::limits`).

use std::{
    any::TypeId,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use clap::{Arg, Command, CommandFactory, error::ErrorKind};

use super::Cli;

/// Flags whose number means nothing by itself, so that every one is as good: seeds.
const SEEDS: [&str; 2] = ["seed", "first-seed"];

/// Numbers that no flag means, if a flag takes numbers of this type: its largest, or ones that no sum can hold.
fn absurd(of: &Arg) -> &'static [&'static str] {
    let is = |id: TypeId| of.get_value_parser().type_id() == id;
    let real = [TypeId::of::<f64>(), TypeId::of::<f32>(), TypeId::of::<Duration>()];
    let wide = [
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
        TypeId::of::<NonZeroU64>(),
        TypeId::of::<NonZeroUsize>(),
    ];
    if real.into_iter().any(is) {
        &["NaN", "inf", "1e305", "-1e305", "nine"]
    } else if wide.into_iter().any(is) {
        &["18446744073709551615", "-1", "1.5"]
    } else if is(TypeId::of::<u32>()) || is(TypeId::of::<NonZeroU32>()) {
        &["4294967295", "-1", "1.5"]
    } else if is(TypeId::of::<u16>()) {
        &["65535", "-1", "1.5"]
    } else if is(TypeId::of::<u8>()) {
        &["255", "-1", "1.5"]
    } else {
        &[]
    }
}

/// Calls a function with every flag of a command and its subcommands, and with the path to it.
fn visit(command: &Command, path: &[String], each: &mut dyn FnMut(&[String], &str, &Arg)) {
    let path = [path, &[command.get_name().to_owned()]].concat();
    for arg in command.get_arguments() {
        if let Some(flag) = arg.get_long() {
            each(&path, flag, arg);
        }
    }
    for below in command.get_subcommands() {
        visit(below, &path, each);
    }
}

#[test]
fn every_numeric_flag_refuses_numbers_outside_its_range() {
    let mut flags = 0;
    let mut accepted = Vec::new();
    visit(&Cli::command(), &[], &mut |path, flag, arg| {
        if SEEDS.contains(&flag) {
            return;
        }
        flags += usize::from(!absurd(arg).is_empty());
        for number in absurd(arg) {
            let given = format!("--{flag}={number}");
            let call = path.iter().chain([&given]);
            let message = match Cli::command().try_get_matches_from(call) {
                Err(error) if error.kind() == ErrorKind::ValueValidation => error.to_string(),
                _ => {
                    accepted.push(format!("{} {given}", path.join(" ")));
                    continue;
                }
            };
            // The message names the flag, the number and the range.
            for part in [&format!("--{flag}"), *number, " to "] {
                assert!(message.contains(part), "{path:?} {given}: {message}");
            }
        }
    });
    assert!(accepted.is_empty(), "flags without a limit: {accepted:#?}");
    assert!(flags > 40, "only {flags} flags take numbers");
}
