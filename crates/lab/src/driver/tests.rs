use std::collections::VecDeque;

use record::{Experiment, RunId, SamplerKind, Task};

use super::*;
use crate::{
    config::Profile,
    executor::RunCounts,
    experiment::{plans, record_of},
    progress::{Progress, Sinks, StudyStatus},
    seed::{derive, shuffle},
};

/// An executor whose runs end in a random order that follows from a seed.
struct Shuffled {
    seed: u64,
    capacity: usize,
    /// Runs under way.
    open: Vec<RunSpec>,
    /// Every run, in the order in which they were handed out.
    given: Vec<RunSpec>,
    kept: Vec<RunId>,
    ended: u64,
    /// Whether each record comes back twice, as from two workers that did the same run.
    twice: bool,
    again: VecDeque<RunRecord>,
}

impl Shuffled {
    fn new(seed: u64, capacity: usize) -> Self {
        Self {
            seed,
            capacity,
            open: Vec::new(),
            given: Vec::new(),
            kept: Vec::new(),
            ended: 0,
            twice: false,
            again: VecDeque::new(),
        }
    }
}

impl Executor for Shuffled {
    fn capacity(&self) -> usize {
        self.capacity
    }

    fn start(&mut self, runs: Vec<Assignment>) -> Result<(), ExecuteError> {
        self.given.extend(runs.iter().map(|run| run.spec.clone()));
        self.open.extend(runs.into_iter().map(|run| run.spec));
        Ok(())
    }

    fn wait(&mut self) -> Result<Event, ExecuteError> {
        if let Some(record) = self.again.pop_front() {
            return Ok(Event::Record(Box::new(record)));
        }
        if self.open.is_empty() {
            return Ok(Event::Idle);
        }
        shuffle(derive(self.seed, &self.ended.to_string()), &mut self.open);
        self.ended += 1;
        let record = record_of(&self.open.remove(0));
        if self.twice {
            self.again.push_back(record.clone());
        }
        Ok(Event::Record(Box::new(record)))
    }

    fn acknowledge(&mut self, id: &RunId) -> Result<(), ExecuteError> {
        self.kept.push(id.clone());
        Ok(())
    }

    fn counts(&self) -> RunCounts {
        RunCounts { running: self.open.len(), ..RunCounts::default() }
    }

    fn stop(&mut self, _: bool) -> Result<Vec<RunRecord>, ExecuteError> {
        Ok(Vec::new())
    }
}

fn profile(parallel: usize) -> Profile {
    let mut profile = Profile::shapes();
    profile.tuning.iter_mut().for_each(|tuning| {
        tuning.parallel = parallel;
        tuning.repetitions = 1;
        tuning.networks.truncate(1);
    });
    (profile.batching, profile.timeline) = (None, None);
    profile
}

/// Runs a study to its end and returns the records in its journal.
fn play(profile: &Profile, executor: &mut Shuffled) -> Vec<RunRecord> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let (mut journal, found, _) = Journal::open(&path).unwrap();
    let mut records = Records::new(found);
    let plans = plans(profile);
    let plans: Vec<&dyn Plan> = plans.iter().map(Box::as_ref).collect();
    let mut progress = Progress::new(StudyStatus::of("t", "t"), &[], 1, Sinks::default());
    let mut driver = Driver {
        plans: &plans,
        records: &mut records,
        journal: &mut journal,
        meter: &Meter::noop(),
        interrupt: &Interrupt::default(),
        observer: &mut progress,
    };
    driver.run(executor).unwrap();
    assert_eq!(records.all().len(), plans.iter().map(|plan| plan.total()).sum::<usize>());
    record::read_journal(&path).unwrap()
}

fn ids(records: &[RunRecord]) -> Vec<RunId> {
    let mut ids: Vec<RunId> = records.iter().map(|record| record.id.clone()).collect();
    ids.sort();
    ids
}

#[test]
fn with_one_trial_at_a_time_the_number_of_workers_changes_only_the_order_of_runs() {
    let profile = profile(1);
    let alone = play(&profile, &mut Shuffled::new(0, 1));
    for (seed, capacity) in [(1, 3), (2, 16), (3, usize::MAX)] {
        let spread = play(&profile, &mut Shuffled::new(seed, capacity));
        assert_eq!(ids(&alone), ids(&spread), "{capacity} workers");
    }
}

#[test]
fn runs_that_end_in_the_same_order_give_the_same_trials() {
    let profile = profile(4);
    let given = |seed| {
        let mut executor = Shuffled::new(seed, 8);
        play(&profile, &mut executor);
        executor.given
    };
    let first = given(7);
    assert_eq!(first, given(7));
    // Another order gives other trials: a search takes the trials under way into account.
    assert_ne!(first, given(8));
    let learns = |spec: &&RunSpec| match &spec.task {
        Task::Train(task) => task
            .trial
            .is_some_and(|trial| matches!(trial.sampler, SamplerKind::Gp | SamplerKind::PaperPi)),
        _ => false,
    };
    let learned: Vec<&RunSpec> = first.iter().filter(learns).collect();
    // No two trials of one search are the same, even while the results of others are unknown.
    let mut points: Vec<String> = learned
        .iter()
        .map(|spec| match &spec.task {
            Task::Train(task) => format!("{:?} {:?}", task.trial.unwrap().sampler, task.optimizer),
            _ => unreachable!(),
        })
        .collect();
    points.sort();
    points.dedup();
    assert_eq!(points.len(), learned.len());
}

#[test]
fn runs_that_depend_on_no_record_are_all_handed_out_at_once() {
    let profile = profile(1);
    let mut executor = Shuffled::new(1, usize::MAX);
    executor.capacity = 10_000;
    play(&profile, &mut executor);
    // Before the first run ends: the factorial, every trial of the two searches that do not learn,
    // and one trial of each of the two others.
    let (layers, trials) = (64, 12);
    let at_once = &executor.given[..layers + 2 * trials + 2];
    let experiments = at_once.iter().filter(|spec| spec.experiment == Experiment::Layers).count();
    assert_eq!(experiments, layers);
    assert_eq!(executor.given.len(), layers + 4 * trials);
}

#[test]
fn a_record_that_comes_twice_is_kept_once() {
    let mut executor = Shuffled::new(5, 3);
    executor.twice = true;
    let records = play(&profile(1), &mut executor);
    let mut ids = ids(&records);
    ids.dedup();
    assert_eq!(ids.len(), records.len());
    // The executor is told both times, so that it removes both files.
    assert_eq!(executor.kept.len(), 2 * records.len());
    let orders: Vec<u64> = records.iter().map(|record| record.timing.order).collect();
    assert_eq!(orders, (0..records.len() as u64).collect::<Vec<_>>());
}
