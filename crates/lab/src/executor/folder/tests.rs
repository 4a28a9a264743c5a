use std::{collections::BTreeSet, thread};

use record::Seconds;

use super::*;
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
fn runs_are_begun_in_the_order_they_were_handed_out() {
    let (_scratch, folder) = folder();
    let runs = runs(3);
    for (order, run) in runs.iter().enumerate().rev() {
        folder.put(order as u64, run).unwrap();
    }
    let _alive = folder.join("a").unwrap();
    for run in &runs {
        assert_eq!(folder.take("a").unwrap().unwrap().run, *run);
    }
    assert_eq!(folder.take("a").unwrap(), None);
    assert_eq!((folder.taken().unwrap().len(), folder.next_order().unwrap()), (3, 3));
}

/// Eight workers grab at once: each run goes to one of them.
#[test]
fn a_run_goes_to_one_worker() {
    let (_scratch, folder) = folder();
    for (order, run) in runs(40).iter().enumerate() {
        folder.put(order as u64, run).unwrap();
    }
    let workers: Vec<_> = (0..8)
        .map(|at| {
            let folder = folder.clone();
            thread::spawn(move || {
                let name = format!("w{at}");
                let _alive = folder.join(&name).unwrap();
                let mut names = Vec::new();
                while let Some(taken) = folder.take(&name).unwrap() {
                    names.push(taken.name);
                }
                names
            })
        })
        .collect();
    let taken: Vec<String> = workers.into_iter().flat_map(|it| it.join().unwrap()).collect();
    assert_eq!(taken.len(), 40);
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>().len(), 40);
}

#[test]
fn what_was_delivered_is_not_handed_out_again() {
    let (_scratch, folder) = folder();
    let run = runs(1).remove(0);
    folder.put(0, &run).unwrap();
    folder.join("a").unwrap();
    let taken = folder.take("a").unwrap().unwrap();
    folder.give_back(&taken, true).unwrap();
    let taken = folder.take("a").unwrap().unwrap();
    assert_eq!(taken.run.lost, 1);
    let mut record = record_of(&run.spec);
    record.timing.duration = Seconds(2.0);
    folder.deliver(&taken, &record).unwrap();
    // As if the worker had died before it let go of the run.
    write(&folder.begun("a", &taken.name), &taken.run).unwrap();
    folder.give_back(&taken, true).unwrap();
    assert_eq!((folder.waiting().unwrap(), folder.taken().unwrap().len()), (0, 0));
    assert_eq!(folder.done().unwrap(), [record.clone()]);
    // Or after the record had gone into the journal.
    write(&folder.begun("a", &taken.name), &taken.run).unwrap();
    folder.kept(&record.id).unwrap();
    folder.give_back(&taken, true).unwrap();
    assert_eq!((folder.waiting().unwrap(), folder.done().unwrap().len()), (0, 0));
    folder.leave("a").unwrap();
    assert!(folder.workers().unwrap().is_empty());
}

#[test]
fn half_written_files_are_never_read_and_damaged_ones_are_named() {
    let (_scratch, folder) = folder();
    fs::write(folder.path().join("done/0123.part-7"), b"{\"schema\"").unwrap();
    fs::write(folder.path().join("todo/0123.part-7"), b"{").unwrap();
    assert!(folder.done().unwrap().is_empty() && folder.todo().unwrap().is_empty());
    fs::write(folder.path().join("done/0123.json"), b"{\"schema\"").unwrap();
    let error = folder.done().unwrap_err().to_string();
    assert!(error.contains("done/0123.json") && error.contains("remove it"), "{error}");
}

#[test]
fn a_failure_is_told_once_with_its_worker() {
    let (_scratch, folder) = folder();
    folder.put(0, &runs(1)[0]).unwrap();
    folder.join("a").unwrap();
    let taken = folder.take("a").unwrap().unwrap();
    folder.fail(&taken, "node7", "no images").unwrap();
    let failures = folder.failures().unwrap();
    let found = (failures[0].worker.as_str(), failures[0].host.as_str());
    assert_eq!((found, failures[0].reason.as_str()), (("a", "node7"), "no images"));
    assert!(folder.failures().unwrap().is_empty() && folder.taken().unwrap().is_empty());
}

#[test]
fn a_worker_lives_as_long_as_it_holds_its_lock() {
    let (_scratch, folder) = folder();
    let alive = folder.join("a").unwrap();
    assert!(folder.lives("a") && !folder.lives("b"));
    drop(alive);
    assert!(!folder.lives("a"));
}
