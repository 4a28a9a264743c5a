use std::{fs, io::Write, path::Path, sync::LazyLock};

use proptest::prelude::*;
use wattlab_record::{
    Adam, AlsoMove, Code, Damage, DataSpec, DataUse, Energy, EnergyReport, Engine, Environment,
    EpochOutcome, Experiment, Fault, Joules, Journal, JournalError, Lines, Machine, NetworkKind,
    NewJournal, Origin, Outcome, RECORD_SCHEMA, RunRecord, RunSpec, RunSummary, Seconds,
    SpanEnergy, StudyNetwork, Task, Timing, Torn, TrainTask, Trained, last_record, read_journal,
    repair_journal, scan_journal, summarize_journal,
};

fn record(seed: u64) -> RunRecord {
    let spec = RunSpec {
        experiment: Experiment::Layers,
        repetition: 0,
        seed,
        task: Task::Train(TrainTask {
            network: StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 1, linear: 3, relu: true }
                .into(),
            engine: Engine::Fused,
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
            preparing: None,
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
                instructions: None,
            },
            probes: vec![],
            threads: 1,
        },
        warnings: vec![],
        looks: Vec::new(),
    }
}

fn journal_with(path: &Path, seeds: std::ops::Range<u64>) {
    let (mut journal, _, _) = Journal::open(path).unwrap();
    for seed in seeds {
        journal.append(&record(seed)).unwrap();
    }
}

#[test]
fn appended_records_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    journal_with(&path, 0..3);
    let (_, records, torn) = Journal::open(&path).unwrap();
    assert_eq!(records, [record(0), record(1), record(2)]);
    assert_eq!(torn, None);
}

#[test]
fn a_second_writer_is_refused_but_a_reader_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let (mut first, _, _) = Journal::open(&path).unwrap();
    first.append(&record(0)).unwrap();
    assert!(matches!(Journal::open(&path), Err(JournalError::Locked { .. })));
    assert_eq!(read_journal(&path).unwrap().len(), 1);
    drop(first);
    assert!(Journal::open(&path).is_ok());
}

/// The damaged lines of a journal. Opening, scanning and reading it must report the same ones.
fn damage(path: &Path) -> Vec<Damage> {
    let before = fs::read(path).unwrap();
    let Err(JournalError::Damaged { damage, .. }) = Journal::open(path) else {
        panic!("not damaged")
    };
    assert_eq!(fs::read(path).unwrap(), before, "a damaged journal is left as it is");
    assert_eq!(scan_journal(path, |record| record, |_, _| ()).unwrap().damage, damage);
    assert!(matches!(read_journal(path), Err(JournalError::Damaged { .. })));
    damage
}

/// Journal lines, each with its end.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// A line as versions without seals wrote it.
fn unsealed(record: &RunRecord) -> String {
    serde_json::to_string(record).unwrap() + "\n"
}

#[test]
fn every_damaged_line_is_named_with_its_fault() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    journal_with(&path, 0..7);
    let mut lines = lines(&path);
    lines[1] = "{\"schema\":\"wattlab.record/1\",\n".into();
    lines[2] = lines[2].replace("\"accuracy\":0.1", "\"accuracy\":0.2");
    lines[4] = lines[3].clone();
    lines[5] = unsealed(&record(5));
    fs::write(&path, lines.concat() + "torn").unwrap();
    let damage = damage(&path);
    assert!(matches!(damage[0].fault, Fault::Json(_)), "{:?}", damage[0]);
    let rest: Vec<(u64, &Fault)> =
        damage[1..].iter().map(|damaged| (damaged.line, &damaged.fault)).collect();
    let (doubled, seal, unsealed) = (Fault::Doubled { first: 4 }, Fault::Seal, Fault::Unsealed);
    assert_eq!(rest, [(3, &seal), (5, &doubled), (6, &unsealed)]);
    let error = Journal::open(&path).unwrap_err().to_string();
    for words in [
        "line 2: not a record (",
        "line 3: checksum mismatch",
        "line 5: the same run is already in line 4",
    ] {
        assert!(error.contains(words), "{error}");
    }
}

/// Unsealed lines are checked by their content alone.
#[test]
fn a_record_whose_spec_was_edited_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    fs::write(&path, unsealed(&record(0)).replace("\"minibatch\":16", "\"minibatch\":32")).unwrap();
    assert!(matches!(damage(&path)[..], [Damage { line: 1, fault: Fault::Id { .. } }]));
    fs::write(&path, unsealed(&record(0)).replace("record/1", "result/1")).unwrap();
    assert!(matches!(&damage(&path)[0].fault, Fault::Schema(it) if it == "wattlab.result/1"));
    fs::write(&path, unsealed(&record(0)).replace("\"seed\"", "\"sead\"")).unwrap();
    let Fault::Json(reason) = &damage(&path)[0].fault else { panic!() };
    assert!(reason.contains("unknown field `sead`") && reason.contains(" at byte "), "{reason}");
}

#[test]
fn a_newer_schema_is_refused_and_not_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let text = unsealed(&record(0)).replace("record/1", "record/9").replace("seed", "grain");
    fs::write(&path, &text).unwrap();
    for error in [
        read_journal(&path).unwrap_err(),
        Journal::open(&path).unwrap_err(),
        repair_journal(&path, &AlsoMove::default()).unwrap_err(),
    ] {
        assert!(matches!(error, JournalError::Schema { line: 1, .. }));
        assert!(error.to_string().contains("wattlab.record/9"), "{error}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn lines_appended_to_an_old_journal_are_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    fs::write(&path, unsealed(&record(0)) + &unsealed(&record(1))).unwrap();
    journal_with(&path, 2..4);
    assert_eq!(read_journal(&path).unwrap(), [record(0), record(1), record(2), record(3)]);
    let state = scan_journal(&path, |record| record, |_, _| ()).unwrap();
    assert_eq!((state.records, state.unsealed), (4, 2));
}

#[test]
fn a_repair_moves_only_damaged_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    journal_with(&path, 0..5);
    let whole = lines(&path);
    let mut damaged = whole.clone();
    damaged[1] = damaged[1].replace("\"threads\":1", "\"threads\":2");
    damaged[3] = damaged[2].clone();
    fs::write(&path, damaged.concat() + "torn").unwrap();

    let done = repair_journal(&path, &AlsoMove::default()).unwrap();
    assert_eq!((done.records, done.torn), (3, Some(Torn { bytes: 4 })));
    let aside = folder.path().join("journal.damaged-1.jsonl");
    assert_eq!(done.aside.as_ref(), Some(&aside));
    assert_eq!(done.moved.iter().map(|damaged| damaged.line).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(lines(&aside), [damaged[1].clone(), damaged[3].clone()]);
    assert_eq!(lines(&path), [whole[0].clone(), whole[2].clone(), whole[4].clone()]);

    // Their runs can be done again.
    journal_with(&path, 1..2);
    journal_with(&path, 3..4);
    assert_eq!(read_journal(&path).unwrap().len(), 5);
    let nothing = repair_journal(&path, &AlsoMove::default()).unwrap();
    assert_eq!((nothing.records, nothing.moved, nothing.aside), (5, vec![], None));

    // A journal in use is not repaired; the next repair uses the next free name; a missing journal
    // is not created.
    fs::write(&path, lines(&path).concat() + "{}\n").unwrap();
    let open = fs::File::open(&path).unwrap();
    open.lock().unwrap();
    assert!(matches!(
        repair_journal(&path, &AlsoMove::default()),
        Err(JournalError::Locked { .. })
    ));
    drop(open);
    let next = repair_journal(&path, &AlsoMove::default()).unwrap().aside.unwrap();
    assert!(next.ends_with("journal.damaged-2.jsonl"), "{}", next.display());
    let none = folder.path().join("none.jsonl");
    assert!(matches!(repair_journal(&none, &AlsoMove::default()), Err(JournalError::Io { .. })));
    assert!(!none.exists());
}

#[test]
fn a_new_journal_appears_when_it_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let mut new = NewJournal::create(&path).unwrap();
    new.push(&record(0)).unwrap();
    assert!(!path.exists());
    new.finish().unwrap();
    assert_eq!(read_journal(&path).unwrap(), [record(0)]);
}

#[test]
fn summaries_agree_with_the_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let span = |name: &str, joules| SpanEnergy {
        name: name.into(),
        start: Seconds(0.5),
        duration: Seconds(1.5),
        energy: Some(Energy {
            joules: Joules(joules),
            uncertainty: Joules(0.25),
            origin: Origin::Measured,
        }),
    };
    let mut with_spans = record(1);
    with_spans.energy.total = span("fit", 7.0).energy;
    with_spans.energy.spans = vec![span("load", 1.0), span("plan", 2.0), span("plan", 3.0)];
    let mut without_energy = record(2);
    without_energy.energy.spans = vec![SpanEnergy { energy: None, ..span("plan", 0.0) }];
    let records = [record(0), with_spans, without_energy];
    let expected: Vec<RunSummary> = records.iter().map(|record| record.clone().into()).collect();
    assert_eq!(expected[1].energy.plan, records[1].energy.spans[1].energy);

    let mut new = NewJournal::create(&path).unwrap();
    records.iter().for_each(|record| new.push(record).unwrap());
    new.finish().unwrap();
    let old = folder.path().join("old.jsonl");
    fs::write(&old, records.iter().map(unsealed).collect::<String>()).unwrap();
    for path in [&path, &old] {
        let mut found = Vec::new();
        summarize_journal(path, |summary| summary, |_, summary| found.push(summary)).unwrap();
        assert_eq!(found, expected);
        assert_eq!(last_record(path).unwrap().as_ref(), Some(&records[2]));
    }
    fs::write(&old, "").unwrap();
    assert_eq!(last_record(&old).unwrap(), None);

    // A sealed record whose id is not that of its spec is damage, too.
    let mut wrong = record(3);
    wrong.spec.repetition = 9;
    let mut new = NewJournal::create(&path).unwrap();
    new.push(&wrong).unwrap();
    new.finish().unwrap();
    assert!(matches!(damage(&path)[..], [Damage { line: 1, fault: Fault::Id { .. } }]));
    let state = summarize_journal(&path, |summary| summary, |_, _| ()).unwrap();
    assert!(matches!(state.damage[..], [Damage { line: 1, fault: Fault::Id { .. } }]));
}

/// Other logs keep values of their own in sealed lines.
#[test]
fn lines_of_other_values_are_sealed_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.jsonl");
    let value = |trial: u32| serde_json::json!({"trial": trial, "text": "a,\"seal\":\"b"});
    let (mut file, values, _) = Lines::open::<serde_json::Value>(&path).unwrap();
    assert!(values.is_empty());
    (0..3).for_each(|trial| file.append(&value(trial)).unwrap());
    assert!(file.append(&[1]).is_err(), "only an object can hold a seal");
    drop(file);
    assert_eq!(Lines::read::<serde_json::Value>(&path).unwrap(), [value(0), value(1), value(2)]);
    fs::write(&path, fs::read_to_string(&path).unwrap().replacen(":1", ":7", 1)).unwrap();
    let error = Lines::open::<serde_json::Value>(&path).unwrap_err();
    assert!(error.to_string().contains("line 2: checksum mismatch"), "{error}");
}

/// A journal of the first released schema must always be readable.
#[test]
fn a_journal_of_the_first_schema_is_still_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/record-1.jsonl");
    if std::env::var_os("WATTLAB_WRITE_FIXTURE").is_some() {
        fs::write(&path, serde_json::to_string(&record(7)).unwrap() + "\n").unwrap();
    }
    assert_eq!(read_journal(&path).unwrap(), [record(7)]);
}

/// Four sealed lines.
static JOURNAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    journal_with(&path, 0..4);
    fs::read(path).unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// If one byte of a journal changes, no altered record is read: either its line is reported as
    /// damaged, or the last line lost its end and counts as unfinished.
    #[test]
    fn a_changed_byte_is_always_noticed(at in 0.0_f64..1.0, flip in 1_u8..=255) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut text = JOURNAL.clone();
        let at = (at * text.len() as f64) as usize;
        let line = 1 + text[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
        text[at] ^= flip;
        fs::write(&path, &text).unwrap();
        let mut records = Vec::new();
        let state = scan_journal(&path, |record| record, |_, record| records.push(record)).unwrap();
        if at + 1 == text.len() {
            prop_assert!(state.torn.is_some() && state.damage.is_empty());
        } else {
            prop_assert!(state.damage.iter().any(|damaged| damaged.line == line), "{:?}", state.damage);
        }
        prop_assert!(records.len() < 4 && records.iter().all(|found| *found == record(found.spec.seed)));
        // A repair leaves the undamaged records.
        repair_journal(&path, &AlsoMove::default()).unwrap();
        prop_assert_eq!(read_journal(&path).unwrap(), records);
    }

    /// A journal that is cut short loses its unfinished line only.
    #[test]
    fn a_journal_cut_anywhere_loses_at_most_one_line(at in 0.0_f64..=1.0) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let text = &JOURNAL[..(at * JOURNAL.len() as f64) as usize];
        fs::write(&path, text).unwrap();
        let whole = text.iter().filter(|byte| **byte == b'\n').count() as u64;
        let (_, records, torn) = Journal::open(&path).unwrap();
        prop_assert_eq!(records, (0..whole).map(record).collect::<Vec<_>>());
        prop_assert_eq!(torn.is_none(), text.is_empty() || text.ends_with(b"\n"));
    }

    /// Whatever part of the last line reached the disk, the records before it are kept and the next
    /// append starts a new line.
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

    /// Floating-point numbers are read back bit for bit, so that a resumed search sees the same
    /// numbers as the first one.
    #[test]
    fn numbers_survive_the_disk_bit_for_bit(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let text = serde_json::to_string(&Seconds(value)).unwrap();
        let back: Seconds = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back.0.to_bits(), value.to_bits());
    }
}

/// What other programs do to a journal while it is open.
#[test]
fn a_journal_that_is_changed_while_it_is_open_takes_no_lines_and_nothing_is_lost() {
    type Change = fn(&Path);
    let changes: [(&str, Change, usize); 4] = [
        ("was removed", |path| fs::remove_dir_all(path.parent().unwrap()).unwrap(), 4),
        (
            "was replaced",
            |path| {
                let copy = path.with_extension("copy");
                fs::copy(path, &copy).unwrap();
                fs::rename(copy, path).unwrap();
            },
            4,
        ),
        ("was shortened", |path| fs::write(path, "").unwrap(), 1),
        (
            "was written by another program",
            |path| {
                let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
                file.write_all(b"text\n").unwrap();
            },
            1,
        ),
    ];
    for (how, change, kept) in changes {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out/journal.jsonl");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let (mut journal, _, _) = Journal::open(&path).unwrap();
        (0..3).for_each(|seed| journal.append(&record(seed)).unwrap());
        change(&path);
        let before = fs::read(&path).ok();
        let error = journal.append(&record(3)).unwrap_err();
        assert!(error.to_string().contains(how), "{error}");
        let JournalError::Changed { rescued, .. } = error else { panic!("{error}") };
        assert_eq!(read_journal(&rescued).unwrap().len(), kept, "{how}");
        assert_eq!(read_journal(&rescued).unwrap().last(), Some(&record(3)));
        assert_eq!(fs::read(&path).ok(), before, "{how}: the other file is left alone");
        assert!(matches!(journal.append(&record(4)), Err(JournalError::Poisoned { .. })));
    }
}

#[test]
fn newer_and_chosen_lines_are_moved_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let mut lines: Vec<String> =
        (0..4).map(|seed| serde_json::to_string(&record(seed)).unwrap()).collect();
    lines[1] = lines[1].replace(RECORD_SCHEMA, "wattlab.record/9");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let error = repair_journal(&path, &AlsoMove::default()).unwrap_err();
    assert!(matches!(error, JournalError::Schema { line: 2, .. }), "{error}");
    assert!(error.to_string().contains("journal repair --newer"), "{error}");
    let beyond = repair_journal(&path, &AlsoMove::new(true, vec![5])).unwrap_err();
    assert!(format!("{:?}", beyond).contains("no line 5"), "{beyond:?}");
    let done = repair_journal(&path, &AlsoMove::new(true, vec![4])).unwrap();
    assert_eq!((done.records, done.moved.len()), (2, 2));
    assert_eq!(done.moved[1], Damage { line: 4, fault: Fault::Chosen });
    assert_eq!(read_journal(&path).unwrap().len(), 2);
}

#[test]
fn a_record_knows_whether_it_can_be_read_back() {
    assert_eq!(record(1).fault(), None);
    let mut newer = record(1);
    newer.schema = "wattlab.record/9".into();
    assert_eq!(newer.fault(), Some(Fault::Newer("wattlab.record/9".into())));
    let mut foreign = record(1);
    foreign.id = record(2).id;
    assert!(matches!(foreign.fault(), Some(Fault::Id { .. })));
}
