use std::{collections::BTreeSet, thread};

use record::Seconds;

use super::*;
use crate::sensing::Sensing;
use crate::{
    config::Profile,
    experiment::{Records, plans, record_of},
};

fn runs(count: usize) -> Vec<Assignment> {
    let plan = plans(&Profile::load("quick").unwrap()).remove(1);
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
fn partial_files_are_ignored_and_damaged_ones_are_named() {
    let (_scratch, folder) = folder();
    fs::write(folder.path().join("done/0123.part-7"), b"{\"schema\"").unwrap();
    fs::write(folder.path().join("todo/0123.part-7"), b"{").unwrap();
    assert!(folder.finished().unwrap().is_empty() && folder.queued().unwrap().is_empty());
    fs::write(folder.path().join("done/0123.json"), b"{\"schema\"").unwrap();
    let error = folder.finished().unwrap_err().to_string();
    assert!(error.contains("done/0123.json") && error.contains("remove the file"), "{error}");
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
