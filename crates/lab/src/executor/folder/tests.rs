use std::{collections::BTreeSet, thread};

use record::Seconds;

use super::*;
use crate::sensing::Sensing;
use crate::{
    config::Profile,
    experiment::{Records, plans, record_of},
};

fn runs(count: usize) -> Vec<Assignment> {
    let plan = plans(&Profile::shapes()).remove(1);
    let specs = plan.next(&Records::default(), &[], count).unwrap();
    specs.into_iter().map(|spec| Assignment { spec, plan: None, lost: 0 }).collect()
}

fn folder() -> (tempfile::TempDir, WorkFolder) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = WorkFolder::open(&scratch.path().join("work")).unwrap();
    (scratch, folder)
}

#[test]
fn runs_are_begun_in_their_order() {
    let (_scratch, folder) = folder();
    let runs = runs(3);
    for (order, run) in runs.iter().enumerate().rev() {
        folder.enqueue(order as u64, run).unwrap();
    }
    let _alive = folder.register("a").unwrap();
    for run in &runs {
        assert_eq!(folder.take("a").unwrap().unwrap().run, *run);
    }
    assert_eq!(folder.take("a").unwrap(), None);
    assert_eq!((folder.taken().unwrap().len(), folder.next_order().unwrap()), (3, 3));
}

/// Eight workers take runs at the same time.
#[test]
fn each_run_goes_to_exactly_one_worker() {
    let (_scratch, folder) = folder();
    for (order, run) in runs(40).iter().enumerate() {
        folder.enqueue(order as u64, run).unwrap();
    }
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let folder = folder.clone();
            thread::spawn(move || {
                let name = format!("w{number}");
                let _alive = folder.register(&name).unwrap();
                let mut names = Vec::new();
                while let Some(taken) = folder.take(&name).unwrap() {
                    names.push(taken.name);
                }
                names
            })
        })
        .collect();
    let taken: Vec<String> =
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    assert_eq!(taken.len(), 40);
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>().len(), 40);
}

#[test]
fn a_delivered_run_is_not_queued_again() {
    let (_scratch, folder) = folder();
    let run = runs(1).remove(0);
    folder.enqueue(0, &run).unwrap();
    folder.register("a").unwrap();
    let taken = folder.take("a").unwrap().unwrap();
    folder.give_back(&taken, true).unwrap();
    let taken = folder.take("a").unwrap().unwrap();
    assert_eq!(taken.run.lost, 1);
    let mut record = record_of(&run.spec);
    record.timing.duration = Seconds(2.0);
    folder.deliver(&taken, &record).unwrap();
    // As if the worker had died after it wrote the record.
    write(&folder.begun("a", &taken.name), &taken.run).unwrap();
    folder.give_back(&taken, true).unwrap();
    assert_eq!((folder.queued_count().unwrap(), folder.taken().unwrap().len()), (0, 0));
    assert_eq!(folder.finished().unwrap(), [record.clone()]);
    // The same after the record was put into the journal.
    write(&folder.begun("a", &taken.name), &taken.run).unwrap();
    folder.acknowledge(&record.id).unwrap();
    folder.give_back(&taken, true).unwrap();
    assert_eq!((folder.queued_count().unwrap(), folder.finished().unwrap().len()), (0, 0));
    folder.unregister("a").unwrap();
    assert!(folder.workers().unwrap().is_empty());
}

#[test]
fn partial_files_are_ignored() {
    let (_scratch, folder) = folder();
    fs::write(folder.path().join("done/0123.part-7"), b"{\"schema\"").unwrap();
    fs::write(folder.path().join("todo/0123.part-7"), b"{").unwrap();
    assert!(folder.finished().unwrap().is_empty() && folder.queued().unwrap().is_empty());
}

/// Names of the files in `failed` that were set aside.
fn aside(folder: &WorkFolder) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join("failed")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".bad")).collect();
    names.sort();
    names
}

#[test]
fn what_cannot_be_a_run_is_set_aside_and_the_next_one_is_taken() {
    let (_scratch, folder) = folder();
    let runs = runs(2);
    folder.register("a").unwrap();
    let todo = folder.path().join("todo");
    fs::write(todo.join("0000000000-foreign.json"), b"{}").unwrap();
    fs::create_dir(todo.join("0000000001-folder.json")).unwrap();
    let pipe = todo.join("0000000002-pipe.json");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", todo.join("0000000003-device.json")).unwrap();
    let damaged = todo.join(format!("0000000004-{}.json", runs[0].spec.id()));
    fs::write(damaged, b"{\"spec\": 1").unwrap();
    folder.enqueue(5, &runs[1]).unwrap();
    assert_eq!(folder.take("a").unwrap().unwrap().run, runs[1]);
    let found = aside(&folder);
    assert_eq!(found.len(), 5, "{found:?}");
    let reason = fs::read_to_string(folder.path().join("failed/0000000002-pipe.json.bad.txt"));
    assert!(reason.unwrap().contains("not a regular file"));
    // The run whose file was damaged is to be done again.
    let failures = folder.take_failures().unwrap();
    assert_eq!(failures.len(), 1);
    assert!(failures[0].again && failures[0].id == runs[0].spec.id());
}

#[test]
fn records_that_cannot_be_true_are_set_aside() {
    let (_scratch, folder) = folder();
    let specs: Vec<_> = runs(5).into_iter().map(|run| run.spec).collect();
    let records: Vec<RunRecord> = specs.iter().map(record_of).collect();
    let put = |name: &str, record: &RunRecord| {
        write(&folder.path().join("done").join(name), record).unwrap();
    };
    let own = |record: &RunRecord| format!("{}.json", record.id);
    put(&own(&records[0]), &records[0]);
    // A sound record under a foreign name counts, and its file is removed with it.
    put("foreign.json", &records[1]);
    let energy = |joules| record::Energy {
        joules: record::Joules(joules),
        uncertainty: record::Joules(0.0),
        origin: record::Origin::Measured,
    };
    let mut forged = records[2].clone();
    forged.energy.total = Some(energy(1e300));
    put(&own(&forged), &forged);
    let mut newer = records[3].clone();
    newer.schema = "wattlab.record/9".into();
    put(&own(&newer), &newer);
    let mut other = records[4].clone();
    other.id = records[0].id.clone();
    put(&own(&records[4]), &other);
    let found = folder.finished().unwrap();
    let mut ids: Vec<&RunId> = found.iter().map(|record| &record.id).collect();
    ids.sort();
    let mut expected = vec![&records[0].id, &records[1].id];
    expected.sort();
    assert_eq!(ids, expected);
    assert_eq!(aside(&folder).len(), 3);
    found.iter().for_each(|record| folder.acknowledge(&record.id).unwrap());
    assert!(names(&folder.path().join("done")).unwrap().is_empty());
    let again = folder.take_failures().unwrap();
    assert!(again.len() == 3 && again.iter().all(|failure| failure.again), "{again:?}");
}

#[test]
fn a_failure_is_reported_once_with_its_worker() {
    let (_scratch, folder) = folder();
    folder.enqueue(0, &runs(1)[0]).unwrap();
    folder.register("a").unwrap();
    let taken = folder.take("a").unwrap().unwrap();
    folder.report_failure(&taken, "node7", "no images").unwrap();
    let failures = folder.take_failures().unwrap();
    let found = (failures[0].worker.as_str(), failures[0].host.as_str());
    assert_eq!((found, failures[0].reason.as_str()), (("a", "node7"), "no images"));
    assert!(folder.take_failures().unwrap().is_empty() && folder.taken().unwrap().is_empty());
}

#[test]
fn a_worker_is_alive_while_it_holds_its_lock() {
    let (_scratch, folder) = folder();
    let alive = folder.register("a").unwrap();
    assert!(folder.is_alive("a") && !folder.is_alive("b"));
    drop(alive);
    assert!(!folder.is_alive("a"));
}

#[test]
fn settings_that_are_out_of_range_are_refused() {
    let (_scratch, folder) = folder();
    let sound = WorkerSettings {
        data_dir: None,
        sensing: Sensing::default(),
        device: "cpu".into(),
        measured: false,
        isolation: IsolationConfig::default(),
        together: false,
        runs: None,
        linger_s: 15.0,
    };
    folder.write_settings(&sound).unwrap();
    assert_eq!(folder.settings().unwrap(), sound);
    for linger_s in [-1.0, 1e300] {
        folder.write_settings(&WorkerSettings { linger_s, ..sound.clone() }).unwrap();
        let error = folder.settings().unwrap_err().to_string();
        assert!(error.contains("settings.json") && error.contains("`linger_s`"), "{error}");
    }
}
