#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod environment;
mod finding;
mod journal;
mod outcome;
mod run;
mod spec;
mod summary;
mod surroundings;
mod timing;

pub use crate::{
    environment::{Code, Environment, Machine},
    finding::{ClaimId, Evidence, Finding, RESULTS_SCHEMA, Results, Verdict},
    journal::{
        AlsoMove, Damage, Fault, Journal, JournalError, JournalState, Lines, NewJournal, Repair,
        Torn, create_folder, last_record, read_journal, repair_journal, scan_journal,
        summarize_journal,
    },
    outcome::{DataUse, EpochOutcome, Evaluated, Inferred, Outcome, Served, Trained},
    run::{RECORD_SCHEMA, RunId, RunRecord},
    spec::{
        Adam, Arrivals, BatchPolicy, DataSpec, Engine, EvaluateTask, Experiment, FactorLevel,
        FactorValue, InferTask, InferencePrecision, NetworkKind, OwnNetwork, PublishedFigures,
        RunSpec, SamplerKind, ServeTask, StudyNetwork, Task, TrainTask, TrainedNetwork, TrialId,
        TuningSpace, WeightsFile,
    },
    summary::{EnergySummary, RunSummary},
    surroundings::Surroundings,
    timing::Timing,
};

/// The vocabulary of energy that records are written in.
pub use units::{
    BatchTimes, Domain, DomainEnergy, Energy, EnergyReport, Joules, Method, Origin, ProbeUse,
    Seconds, Serving, SpanEnergy, Warning, WarningKind, Watts,
};
