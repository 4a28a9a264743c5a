//! Specs keep their form: new fields do not change the ids of older runs.

use wattlab_record::{
    Adam, DataSpec, Engine, Experiment, FactorLevel, FactorValue, InferTask, InferencePrecision,
    NetworkKind, OwnNetwork, RunSpec, StudyNetwork, Task, TrainTask, TrainedNetwork,
};

fn spec(engine: Engine, network: TrainedNetwork) -> RunSpec {
    RunSpec {
        experiment: Experiment::Layers,
        repetition: 0,
        seed: 7,
        task: Task::Train(TrainTask {
            network,
            engine,
            data: DataSpec { name: "shapes-28".into(), train: 64, validation: 16, test: 16 },
            optimizer: Adam::default(),
            epochs: 1,
            minibatch: 16,
            trial: None,
        }),
    }
}

fn study() -> TrainedNetwork {
    StudyNetwork { kind: NetworkKind::SimpleCnn, conv: 1, linear: 3, relu: true }.into()
}

#[test]
fn a_spec_of_the_fused_engine_is_written_as_before_there_were_engines() {
    let before = r#"{"experiment":"layers","repetition":0,"seed":7,"task":{"train":{"network":{"kind":"simple-cnn","conv":1,"linear":3,"relu":true},"data":{"name":"shapes-28","train":64,"validation":16,"test":16},"optimizer":{"learning_rate":0.001,"beta1":0.9,"beta2":0.999,"epsilon":1e-8,"weight_decay":0.0},"epochs":1,"minibatch":16,"trial":null}}}"#;
    let spec = spec(Engine::Fused, study());
    assert_eq!(serde_json::to_string(&spec).unwrap(), before);
    assert_eq!(serde_json::from_str::<RunSpec>(before).unwrap(), spec);
}

#[test]
fn engines_and_networks_of_the_user_are_read_as_written_and_have_ids_of_their_own() {
    let level = |value| FactorLevel { path: "values.x".into(), value };
    let values = [
        FactorValue::Flag(true),
        FactorValue::Whole(8),
        FactorValue::Real(0.5),
        FactorValue::Text("relu".into()),
    ];
    let mut ids = vec![spec(Engine::Fused, study()).id(), spec(Engine::Candle, study()).id()];
    let mut specs = vec![spec(Engine::Candle, study())];
    for value in values {
        let own = OwnNetwork {
            file: "mine.toml".into(),
            text: "name = \"mine\"\n".into(),
            levels: vec![level(value)],
        };
        specs.push(spec(Engine::Fused, TrainedNetwork::Own(own)));
    }
    for spec in &specs {
        let text = serde_json::to_string(spec).unwrap();
        assert_eq!(serde_json::from_str::<RunSpec>(&text).unwrap(), *spec, "{text}");
    }
    ids.extend(specs[1..].iter().map(RunSpec::id));
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len());
}

#[test]
fn single_precision_is_written_as_before_there_were_precisions() {
    let before = r#"{"experiment":"timeline","repetition":0,"seed":7,"task":{"infer":{"network":"resnet18","image_side":64,"batch":8,"batches":3,"warmup_batches":1}}}"#;
    let infer = |precision| RunSpec {
        experiment: Experiment::Timeline,
        repetition: 0,
        seed: 7,
        task: Task::Infer(InferTask {
            network: "resnet18".into(),
            text: None,
            published: None,
            image_side: 64,
            batch: 8,
            batches: 3,
            warmup_batches: 1,
            precision,
        }),
    };
    let (single, int8) = (infer(InferencePrecision::Float32), infer(InferencePrecision::Int8));
    assert_eq!(serde_json::to_string(&single).unwrap(), before);
    assert_eq!(serde_json::from_str::<RunSpec>(before).unwrap(), single);
    assert_ne!(single.id(), int8.id());
    let written = serde_json::to_string(&int8).unwrap();
    assert!(written.contains(r#""precision":"int8""#), "{written}");
    assert_eq!(serde_json::from_str::<RunSpec>(&written).unwrap(), int8);
}
