use std::collections::HashSet;

use record::{
    DataUse, EnergyReport, EpochOutcome, InferencePrecision, NetworkKind, Outcome, RECORD_SCHEMA,
    RunId, RunRecord, RunSpec, Seconds, StudyNetwork, Task, Timing, Trained, WeightsFile,
};

use super::*;
use crate::{
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
    }
}

/// The plans of every experiment: those of the quick profile, trained networks, and a comparison of engines.
fn every() -> Vec<Box<dyn Plan>> {
    let mut profile = Profile::load("quick").unwrap();
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

fn quick() -> Vec<Box<dyn Plan>> {
    plans(&Profile::load("quick").unwrap())
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
    for (old, new) in quick().into_iter().zip(quick()) {
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
    for plan in quick() {
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
    let mut profile = Profile::load("quick").unwrap();
    profile.seed += 1;
    for (plan, other) in quick().into_iter().zip(plans(&profile)) {
        let spec = plan.next(&Records::default(), &[], 1).unwrap().pop().unwrap();
        assert!(!other.owns(&spec), "{:?}", plan.experiment());
    }
}

/// Trial n of every search runs before trial n + 1 of any, so that drift of the machine affects all
/// strategies alike.
#[test]
fn searches_take_turns() {
    let plans = quick();
    let (order, _) = play(&*plans[0], Records::default(), usize::MAX);
    let number = |spec: &RunSpec| match &spec.task {
        Task::Train(task) => task.trial.unwrap().number,
        _ => unreachable!(),
    };
    assert!(order.windows(2).all(|pair| number(&pair[1]) >= number(&pair[0])));
}

/// A precision is a factor: the runs of single precision stay what they were.
#[test]
fn precisions_multiply_the_runs() {
    let mut profile = Profile::load("quick").unwrap();
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
