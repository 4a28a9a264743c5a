//! The example that replays a study's pilot.

use std::{env, fs, path::PathBuf};

#[path = "../../examples/replay.rs"]
#[expect(dead_code, unreachable_pub, reason = "the example's `main` runs by itself")]
mod example;

/// The responses follow from the batch time that the makespan gives, and the makespan from the one
/// that the responses give.
#[test]
fn the_pilot_of_the_study_is_replayed() {
    let shared = env::var_os("WATTLAB_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let pilot = shared.join("reference/rq4_pilot_convnext_f32.csv");
    if !pilot.exists() {
        println!("skipped: no `{}` (set WATTLAB_SHARED)", pilot.display());
        return;
    }
    let cells = example::replay(&pilot).unwrap();
    assert_eq!(cells.iter().map(|cell| cell.batch).collect::<Vec<_>>(), [16, 32, 64, 128]);
    for cell in cells {
        let (response, makespan) =
            (cell.response_s / cell.study_response_s, cell.makespan_s / cell.study_makespan_s);
        assert!((response - 1.0).abs() < 0.06, "batches of {}: {response}", cell.batch);
        assert!((makespan - 1.0).abs() < 0.02, "batches of {}: {makespan}", cell.batch);
    }
}

#[test]
fn a_file_that_is_not_the_pilot_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pilot.csv");
    assert!(example::replay(&path).is_err(), "there is no file");
    for (text, words) in [
        ("arrival_s\n1\n", "batch"),
        (
            "batch,time_s,\"avg_response_s(notebook \"\"wait\"\")\",S_from_makespan,S_from_wait\n-1,1,1,,\n",
            "above 0",
        ),
        (
            "batch,time_s,\"avg_response_s(notebook \"\"wait\"\")\",S_from_makespan,S_from_wait\n8,1,1,,\n",
            "batches of 8",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let message = example::replay(&path).err().unwrap().to_string();
        assert!(message.contains(words), "{message}");
    }
}
