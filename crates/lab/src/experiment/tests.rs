use std::{collections::HashSet, sync::Arc};

use record::{
    DataUse, Energy, EnergyReport, EpochOutcome, InferencePrecision, Joules, NetworkKind, Origin,
    Outcome, RECORD_SCHEMA, RunId, RunRecord, RunSpec, Seconds, StudyNetwork, Task, Timing,
    Trained, TrainedNetwork, WeightsFile,
};

use super::*;
use crate::{
    budget::StudyBudget,
    config::{AccuracyConfig, EnginesConfig, TrainedConfig},
    environment::environment,
};

/// A record whose accuracy is a smooth function of its learning rate.
pub(crate) fn record_of(spec: &RunSpec) -> RunRecord {
    let accuracy = match &spec.task {
        Task::Train(task) => 1.0 / (1.0 + (task.optimizer.learning_rate.log10() + 3.0).abs()),
        _ => 0.0,
    };
    RunRecord {
        schema: RECORD_SCHEMA.into(),
        id: spec.id(),
        spec: spec.clone(),
        outcome: Outcome::Trained(Trained {
            data: DataUse {
                name: "shapes-28".into(),
                sha256: String::new(),
                train: 1,
                validation: 1,
                test: 1,
            },
            parameters: 1,
            epochs: vec![EpochOutcome { loss: Some(1.0), accuracy }],
            validation_accuracy: Some(accuracy),
            test_accuracy: accuracy,
            diverged_in_epoch: None,
        }),
        energy: EnergyReport { span: "fit".into(), total: None, domains: vec![], spans: vec![] },
        timing: Timing {
            started_unix_s: 0.0,
            duration: Seconds(1.0),
            main: Seconds(1.0),
            main_cpu: None,
            order: 0,
            serving: None,
            preparing: None,
            surroundings: None,
        },
        environment: environment(vec![]),
        warnings: vec![],
        looks: Vec::new(),
    }
}

/// The plans of every experiment: those of the profile `shapes`, trained networks, and a comparison of engines.
fn every() -> Vec<Box<dyn Plan>> {
    let mut profile = Profile::shapes();
    let layers = profile.layers.as_ref().unwrap();
    let trained = |network: &str| TrainedConfig {
        network: network.to_owned(),
        weights: WeightsFile { file: format!("{network}.pth"), sha256: "0".repeat(64) },
        year: None,
        read: None,
    };
    profile.accuracy = Some(AccuracyConfig {
        precision: vec![InferencePrecision::Float32],
        networks: vec![trained("alexnet"), trained("resnet18")],
        data: "shapes-32".to_owned(),
        images: 100,
        batch: 10,
        warmup_batches: 1,
        repetitions: 3,
        mean: Vec::new(),
        deviation: Vec::new(),
    });
    profile.engines = Some(EnginesConfig {
        data: layers.data.clone(),
        networks: vec![StudyNetwork {
            kind: NetworkKind::SimpleCnn,
            conv: 1,
            linear: 3,
            relu: true,
        }],
        repetitions: 3,
        epochs: 1,
        minibatch: 32,
    });
    plans(&profile)
}

fn shapes() -> Vec<Box<dyn Plan>> {
    plans(&Profile::shapes())
}

/// Does the runs that a plan asks for, at most `stop_after`; returns them in order, with all records.
fn play(plan: &dyn Plan, mut records: Records, stop_after: usize) -> (Vec<RunSpec>, Records) {
    let mut order = Vec::new();
    while order.len() < stop_after {
        let Some(spec) = plan.next(&records, &[], 1).unwrap().pop() else { break };
        records.push(record_of(&spec));
        order.push(spec);
    }
    (order, records)
}

/// The table of experiments is complete: each has a title and the questions it answers.
#[test]
fn every_experiment_of_a_profile_is_in_the_table() {
    let found: Vec<Experiment> = every().iter().map(|plan| plan.experiment()).collect();
    let table: Vec<Experiment> = EXPERIMENTS.iter().map(|entry| entry.experiment).collect();
    assert_eq!(found, table);
    let all: Vec<u8> =
        found.iter().flat_map(|experiment| questions(*experiment)).copied().collect();
    assert_eq!(all, [1, 2, 3, 4, 5, 5]);
}

#[test]
fn every_plan_asks_for_each_of_its_runs_exactly_once() {
    for plan in every() {
        let (order, records) = play(&*plan, Records::default(), usize::MAX);
        assert_eq!(order.len(), plan.total(), "{:?}", plan.experiment());
        let ids: HashSet<RunId> = order.iter().map(RunSpec::id).collect();
        assert_eq!(ids.len(), order.len());
        assert!(order.iter().all(|spec| plan.owns(spec)));
        assert!(plan.next(&records, &[], 1).unwrap().is_empty());
        assert_eq!(plan.kinds().iter().map(|(_, count)| count).sum::<usize>(), plan.total());
    }
}

/// A new plan continues from the records as the old one would have, wherever it was stopped.
#[test]
fn a_plan_depends_on_the_records_alone() {
    for (old, new) in shapes().into_iter().zip(shapes()) {
        let (whole, _) = play(&*old, Records::default(), 60);
        for stop in [1, 7, 25] {
            let (mut order, records) = play(&*old, Records::default(), stop);
            let records = Records::new(records.all().to_vec());
            order.extend(play(&*new, records, whole.len().saturating_sub(stop)).0);
            assert_eq!(order, whole, "{:?} stopped after {stop}", old.experiment());
        }
    }
}

#[test]
fn pending_runs_are_not_handed_out_again() {
    for plan in shapes() {
        let records = Records::default();
        let mut pending = Vec::new();
        for _ in 0..10 {
            pending.extend(plan.next(&records, &pending, 1).unwrap());
        }
        let ids: HashSet<RunId> = pending.iter().map(RunSpec::id).collect();
        assert_eq!(ids.len(), 10, "{:?}", plan.experiment());
    }
}

#[test]
fn a_plan_does_not_own_the_runs_of_another_seed() {
    let mut profile = Profile::shapes();
    profile.seed += 1;
    for (plan, other) in shapes().into_iter().zip(plans(&profile)) {
        let spec = plan.next(&Records::default(), &[], 1).unwrap().pop().unwrap();
        assert!(!other.owns(&spec), "{:?}", plan.experiment());
    }
}

/// Trial n of every search runs before trial n + 1 of any, so that drift of the machine affects all
/// strategies alike.
#[test]
fn searches_take_turns() {
    let plans = shapes();
    let (order, _) = play(&*plans[0], Records::default(), usize::MAX);
    let number = |spec: &RunSpec| match &spec.task {
        Task::Train(task) => task.trial.unwrap().number,
        _ => unreachable!(),
    };
    assert!(order.windows(2).all(|pair| number(&pair[1]) >= number(&pair[0])));
}

/// A record of the factorial whose joules follow from its network and its id.
fn record_with(spec: &RunSpec, joules: fn(u32, f64) -> f64) -> RunRecord {
    let conv = match &spec.task {
        Task::Train(task) => match &task.network {
            TrainedNetwork::Study(network) => network.conv,
            TrainedNetwork::Own(_) => 0,
        },
        _ => 0,
    };
    let noise = crate::seed::unit(crate::seed::derive(7, &spec.id().to_string()));
    let joules = Joules(joules(conv, noise));
    let energy = Energy { joules, uncertainty: Joules(0.0), origin: Origin::Measured };
    let mut record = record_of(spec);
    record.energy.total = Some(energy);
    record
}

/// Plays a study with a budget of the factorial alone from some records; returns its runs in order.
fn play_staged(
    budget: StudyBudget,
    mut records: Records,
    joules: fn(u32, f64) -> f64,
) -> Vec<RunRecord> {
    let mut profile = Profile::shapes();
    profile.layers.iter_mut().for_each(|table| table.repetitions = 12);
    let sequence = Arc::new(sequence(&profile, &[Experiment::Layers], budget));
    let plans = Staged::of(&sequence);
    let mut done = Vec::new();
    while let Some(spec) = plans[0].next(&records, &[], 1).unwrap().pop() {
        let mut record = record_with(&spec, joules);
        records.place(&mut record);
        assert_eq!(record.looks, [3, 5, 8, 12]);
        records.push_newest(record.clone());
        done.push(record);
    }
    assert!(plans[0].is_done(&records));
    done
}

fn observing() -> Records {
    Records::observing([], [(Experiment::Layers, vec![3, 5, 8, 12])].into())
}

const RUNS_OF_A_REPETITION: usize = 2 * 8;

#[test]
fn a_study_ends_when_its_verdicts_are_decided() {
    let clear = |conv, noise| 100.0 * f64::from(conv) + noise;
    let done = play_staged(StudyBudget::Seconds(1e6), observing(), clear);
    assert_eq!(done.len(), 3 * RUNS_OF_A_REPETITION, "the first look decides");
}

#[test]
fn a_study_goes_on_while_a_verdict_is_open() {
    let noisy = |_, noise| 100.0 + noise;
    let done = play_staged(StudyBudget::Seconds(1e6), observing(), noisy);
    // A saving of 39.9 % is contradicted; the claims on the layers' shares and on more energy stay open.
    assert_eq!(done.len(), 12 * RUNS_OF_A_REPETITION);
}

#[test]
fn no_run_starts_beyond_the_budget_and_no_stage_that_exceeds_it() {
    let noisy = |_, noise| 100.0 + noise;
    // A run takes a second.
    assert_eq!(play_staged(StudyBudget::Seconds(10.0), observing(), noisy).len(), 10);
    let five = StudyBudget::Seconds(6.0 * RUNS_OF_A_REPETITION as f64);
    assert_eq!(play_staged(five, observing(), noisy).len(), 5 * RUNS_OF_A_REPETITION);
    let joules = StudyBudget::Joules(110.0 * 6.0 * RUNS_OF_A_REPETITION as f64);
    assert_eq!(play_staged(joules, observing(), noisy).len(), 5 * RUNS_OF_A_REPETITION);
}

#[test]
fn a_study_with_a_budget_continues_as_if_it_had_not_been_stopped() {
    let noisy = |_, noise| 100.0 + noise;
    let whole = play_staged(StudyBudget::Seconds(1e6), observing(), noisy);
    for stop in [1, 47, 48, 49, 80, 130] {
        let so_far = whole[..stop].iter().cloned();
        let so_far = so_far.map(|record| RecordDigest::observed(record.into()));
        let looks = [(Experiment::Layers, vec![3, 5, 8, 12])].into();
        let rest = play_staged(StudyBudget::Seconds(1e6), Records::observing(so_far, looks), noisy);
        let ids =
            |records: &[RunRecord]| records.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&rest), ids(&whole[stop..]), "stopped after {stop}");
    }
}

/// A precision is a factor: the runs of single precision stay what they were.
#[test]
fn precisions_multiply_the_runs() {
    let mut profile = Profile::shapes();
    let ids = |profile: &Profile| {
        let specs =
            plans(profile).into_iter().flat_map(|plan| play(&*plan, Records::default(), 9999).0);
        specs.map(|spec| (spec.id(), spec)).collect::<Vec<_>>()
    };
    (profile.tuning, profile.layers) = (None, None);
    let networks = ["alexnet", "resnet18"].map(str::to_owned).to_vec();
    profile.batching.iter_mut().for_each(|batching| batching.networks = networks.clone());
    profile.timeline.iter_mut().for_each(|timeline| timeline.networks = networks.clone());
    let usual = ids(&profile);
    let both = vec![InferencePrecision::Float32, InferencePrecision::Int8];
    profile.batching.iter_mut().for_each(|batching| batching.precision = both.clone());
    profile.timeline.iter_mut().for_each(|timeline| timeline.precision = both.clone());
    let twice = ids(&profile);
    assert_eq!(twice.len(), 2 * usual.len());
    let is_int8 = |spec: &RunSpec| match &spec.task {
        Task::Serve(task) => task.precision == InferencePrecision::Int8,
        Task::Infer(task) => task.precision == InferencePrecision::Int8,
        _ => false,
    };
    assert_eq!(twice.iter().filter(|(_, spec)| is_int8(spec)).count(), usual.len());
    for (id, _) in &usual {
        assert!(twice.iter().any(|(other, spec)| other == id && !is_int8(spec)));
    }
}
