use std::{fs, io::Write, path::Path};

use proptest::prelude::*;
use wattlab_record::{
    Adam, Code, DataSpec, DataUse, EnergyReport, Environment, EpochOutcome, Experiment, Journal,
    JournalError, Machine, NetworkKind, Outcome, RECORD_SCHEMA, RunRecord, RunSpec, Seconds,
    StudyNetwork, Task, Timing, Torn, TrainTask, Trained, read_journal,
};

fn record(seed: u64) -> RunRecord {
    let spec = RunSpec {
        experiment: Experiment::Layers,
        repetition: 0,
        seed,
        task: Task::Train(TrainTask {
            network: StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 1, linear: 3, relu: true },
            data: DataSpec { name: "shapes-28".into(), train: 64, validation: 16, test: 16 },
            optimizer: Adam::default(),
            epochs: 1,
            minibatch: 16,
            trial: None,
        }),
    };
    RunRecord {
        schema: RECORD_SCHEMA.into(),
        id: spec.id(),
        spec,
        outcome: Outcome::Trained(Trained {
            data: DataUse {
                name: "shapes-28".into(),
                sha256: "00".into(),
                train: 64,
                validation: 16,
                test: 16,
            },
            parameters: 10,
            epochs: vec![EpochOutcome { loss: Some(std::f64::consts::LN_10), accuracy: 0.1 }],
            validation_accuracy: Some(0.1),
            test_accuracy: 0.1,
            diverged_in_epoch: None,
        }),
        energy: EnergyReport { span: "fit".into(), total: None, domains: vec![], spans: vec![] },
        timing: Timing {
            started_unix_s: 0.0,
            duration: Seconds(1.0),
            main: Seconds(0.5),
            main_cpu: None,
            order: 0,
            serving: None,
            surroundings: None,
        },
        environment: Environment {
            code: Code {
                version: "0".into(),
                revision: None,
                modified: false,
                build: "debug".into(),
            },
            machine: Machine {
                os: "test".into(),
                arch: "test".into(),
                cpu: "test".into(),
                cpus: 1,
                memory_bytes: None,
                device: "cpu".into(),
            },
            probes: vec![],
            threads: 1,
        },
        warnings: vec![],
    }
}

fn journal_with(path: &Path, seeds: std::ops::Range<u64>) {
    let (mut journal, _, _) = Journal::open(path).unwrap();
    for seed in seeds {
        journal.append(&record(seed)).unwrap();
    }
}

#[test]
fn what_is_appended_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    journal_with(&path, 0..3);
    let (_, records, torn) = Journal::open(&path).unwrap();
    assert_eq!(records, [record(0), record(1), record(2)]);
    assert_eq!(torn, None);
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let (mut first, _, _) = Journal::open(&path).unwrap();
    first.append(&record(0)).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Locked { .. })));
    assert_eq!(read_journal(&path).unwrap().len(), 1);
    drop(first);
    assert!(Journal::open(&path).is_ok());
}

#[test]
fn damage_in_the_middle_is_named_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    journal_with(&path, 0..3);
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1] = "{\"schema\":\"wattlab.record/1\",";
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let before = fs::read(&path).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { line: 2, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before, "a damaged journal is left as it is");
}

#[test]
fn a_record_whose_spec_was_edited_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    journal_with(&path, 0..1);
    let text = fs::read_to_string(&path).unwrap().replace("\"minibatch\":16", "\"minibatch\":32");
    fs::write(&path, text).unwrap();
    assert!(matches!(read_journal(&path), Err(JournalError::Damaged { line: 1, .. })));
}

#[test]
fn another_schema_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    journal_with(&path, 0..1);
    let text = fs::read_to_string(&path).unwrap().replace("record/1", "record/9");
    fs::write(&path, text).unwrap();
    let error = read_journal(&path).unwrap_err();
    assert!(error.to_string().contains("wattlab.record/9"), "{error}");
}

/// A journal of the first released schema. It must be readable for ever.
#[test]
fn the_first_schema_stays_readable() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/record-1.jsonl");
    if std::env::var_os("WATTLAB_WRITE_FIXTURE").is_some() {
        fs::write(&path, serde_json::to_string(&record(7)).unwrap() + "\n").unwrap();
    }
    assert_eq!(read_journal(&path).unwrap(), [record(7)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever prefix of the last line reached the disk, the records before it survive and the
    /// next append continues cleanly.
    #[test]
    fn a_torn_last_line_is_cut_off(keep in 0.0_f64..1.0) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        journal_with(&path, 0..2);
        let line = serde_json::to_vec(&record(2)).unwrap();
        let torn = &line[..(keep * line.len() as f64) as usize];
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();

        prop_assert_eq!(read_journal(&path).unwrap().len(), 2);
        let (mut journal, records, found) = Journal::open(&path).unwrap();
        prop_assert_eq!(records.len(), 2);
        let expected = (!torn.is_empty()).then_some(Torn { bytes: torn.len() as u64 });
        prop_assert_eq!(found, expected);
        journal.append(&record(2)).unwrap();
        drop(journal);
        prop_assert_eq!(read_journal(&path).unwrap(), [record(0), record(1), record(2)]);
    }

    /// Floating-point numbers come back bit for bit, so that a resumed search sees what the first
    /// one saw.
    #[test]
    fn numbers_survive_the_disk_bit_for_bit(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let text = serde_json::to_string(&Seconds(value)).unwrap();
        let back: Seconds = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back.0.to_bits(), value.to_bits());
    }
}
