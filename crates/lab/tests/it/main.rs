//! Tests of the command `wattlab`: its arguments, its output and its files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "says that something was skipped")]

mod accuracy;
mod bad_input;
mod bad_models;
mod budget;
mod calibrate;
mod cascade;
mod compare;
mod crash;
mod elsewhere;
mod engines;
mod faults;
mod help;
mod jobs;
mod journal;
mod measure;
mod measure_files;
mod measure_repeated;
mod model;
mod model_train;
mod pipe;
mod plugins;
mod published;
mod report;
mod reproduce;
mod sensing;
mod serve;
mod simulate;
mod simulate_cascade;
mod simulate_flags;
mod simulate_generation;
mod simulate_live;
mod simulate_mlperf;
mod stats;
mod stats_models;
mod tune;
mod tune_exchange;
mod tune_live;
mod tune_run;
mod tune_show;
mod tune_workers;
mod untrusted;
mod vision;
mod workers;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// `wattlab` with arguments, in a folder.
fn wattlab(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wattlab"));
    command.current_dir(folder).args(args).env_remove("WATTLAB_DATA_DIR");
    // No data set in the user's cache may change the result of a test.
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    command
}

/// The folder with public data that is no part of the project: `WATTLAB_SHARED`, or `shared` beside the project.
fn shared() -> PathBuf {
    std::env::var_os("WATTLAB_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    )
}

fn run(folder: &Path, args: &[&str]) -> Output {
    wattlab(folder, args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A profile whose runs take a few seconds in all.
const TINY: &str = r#"
name = "tiny"
seed = 1

[tuning]
data        = [{ name = "shapes-28", train = 96, validation = 32, test = 32 }]
networks    = ["dense-poly", "simple-cnn"]
spaces      = ["three"]
samplers    = ["grid", "random", "paper-pi", "gp"]
trials      = 8
repetitions = 1
epochs      = 1
minibatch   = 32

[layers]
data        = [{ name = "shapes-28", train = 96, validation = 0, test = 32 }]
conv        = [1, 4]
linear      = [3, 7]
relu        = [false, true]
settings    = 1
repetitions = 2
epochs      = 1
minibatch   = 32

[batching]
networks       = ["shufflenet_v2_x0_5"]
image_side     = 32
rates_per_s    = [200.0]
jitter         = 0.2
requests       = 20
policies       = [{ fixed = 8 }, { greedy = 8 }]
warmup_batches = 1
repetitions    = 1

[timeline]
networks       = ["shufflenet_v2_x0_5", "squeezenet1_1"]
image_side     = 32
batch          = 2
batches        = 1
warmup_batches = 1
repetitions    = 1
"#;

fn tiny(folder: &Path) -> String {
    let path = folder.join("tiny.toml");
    std::fs::write(&path, TINY).unwrap();
    path.to_string_lossy().into_owned()
}
