//! The file store as MLflow reads it: by its own rules here, and by the package `mlflow` where
//! `WATTLAB_MLFLOW_PYTHON` names a Python that has it.

use std::{process::Command, time::Duration};

use super::*;

fn run(name: &str) -> MlflowRun {
    let ended = UNIX_EPOCH + Duration::from_millis(1_764_000_001_500);
    MlflowRun {
        name: name.to_owned(),
        source: "wattlab measure".to_owned(),
        started: ended - Duration::from_secs(1),
        ended,
        status: Status::Finished,
        parameters: vec![("command".to_owned(), "python train.py --name 'x'\n".to_owned())],
        metrics: vec![
            ("energy_j".to_owned(), 12.5),
            ("share".to_owned(), 1e-7),
            ("not_known".to_owned(), f64::NAN),
        ],
        tags: vec![("mlflow.note.content".to_owned(), "left out: GPUs".to_owned())],
        artifacts: vec![("measure.json".to_owned(), "{}".to_owned())],
    }
}

#[test]
fn a_run_has_the_files_that_mlflow_reads() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("ml runs");
    let store = FileStore::open(&root, "it's energy").unwrap();
    let path = store.add(&run("sleep 1: it's #1")).unwrap();
    let read = |file: &str| fs::read_to_string(path.join(file)).unwrap();
    let id = path.file_name().unwrap().to_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(read("metrics/energy_j"), "1764000001500 12.5 0\n");
    assert_eq!(read("metrics/share"), "1764000001500 1e-7 0\n");
    assert!(!path.join("metrics/not_known").exists());
    assert_eq!(read("params/command"), "python train.py --name 'x'\n");
    assert_eq!(read("tags/mlflow.runName"), "sleep 1: it's #1");
    let meta = read("meta.yaml");
    for line in [
        format!("run_id: '{id}'"),
        format!("run_uuid: '{id}'"),
        "run_name: 'sleep 1: it''s #1'".to_owned(),
        "status: 3".to_owned(),
        "start_time: 1764000000500".to_owned(),
        "lifecycle_stage: active".to_owned(),
    ] {
        assert!(meta.lines().any(|found| found == line), "{line}: {meta}");
    }
    let encoded = format!("artifact_uri: 'file://{}", folder.path().display());
    assert!(meta.contains(&encoded) && meta.contains("/ml%20runs/"), "{meta}");
    // The experiment is found again by its name, beside the default one.
    let again = FileStore::open(&root, "it's energy").unwrap();
    assert_eq!(again, store);
    assert_eq!(FileStore::open(&root, "Default").unwrap().experiment, "0");
    assert_ne!(FileStore::open(&root, "other").unwrap(), store);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 3);
}

#[test]
fn what_is_no_file_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let open =
        |root: &str, name: &str| FileStore::open(Path::new(root), name).unwrap_err().to_string();
    assert!(open("http://localhost:5000", "x").contains("address of a server"));
    assert!(open(file.to_str().unwrap(), "x").contains("is not a folder"));
    assert!(open(folder.path().to_str().unwrap(), " ").contains("empty"));
    let address = format!("file://{}", folder.path().join("store").display());
    assert!(FileStore::open(Path::new(&address), "x").is_ok());
    assert!(folder.path().join("store/0/meta.yaml").exists());
}

#[test]
#[expect(clippy::print_stderr, reason = "says visibly that it skips")]
fn mlflow_itself_reads_a_run() {
    let Some(python) = std::env::var_os("WATTLAB_MLFLOW_PYTHON") else {
        eprintln!("skipped: WATTLAB_MLFLOW_PYTHON names no Python with the package mlflow");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(&folder.path().join("mlruns"), "it's energy").unwrap();
    store.add(&run("sleep 1: it's #1")).unwrap();
    let script = "import sys, json\n\
                  from mlflow.tracking import MlflowClient\n\
                  client = MlflowClient(tracking_uri=sys.argv[1])\n\
                  experiment = client.get_experiment_by_name(\"it's energy\")\n\
                  [run] = client.search_runs([experiment.experiment_id])\n\
                  files = [file.path for file in client.list_artifacts(run.info.run_id)]\n\
                  print(json.dumps([run.info.run_name, run.info.status, run.data.metrics, \
                  run.data.params, files, run.info.end_time - run.info.start_time]))";
    let uri = uri(&store.root);
    let output = Command::new(python)
        .args(["-c", script, &uri])
        .env("MLFLOW_ALLOW_FILE_STORE", "true")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let told: serde_json::Value = serde_json::from_str(text.trim())
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let expected = serde_json::json!([
        "sleep 1: it's #1",
        "FINISHED",
        {"energy_j": 12.5, "share": 1e-7},
        {"command": "python train.py --name 'x'\n"},
        ["measure.json"],
        1000
    ]);
    assert_eq!(told, expected);
}
