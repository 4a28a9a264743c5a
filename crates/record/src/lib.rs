#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod energy;
mod environment;
mod finding;
mod journal;
mod outcome;
mod quantity;
mod run;
mod spec;
mod summary;
mod surroundings;
mod timing;
mod warning;

pub use crate::{
    energy::{Domain, DomainEnergy, Energy, EnergyReport, Method, Origin, SpanEnergy},
    environment::{Code, Environment, Machine, ProbeUse},
    finding::{ClaimId, Evidence, Finding, RESULTS_SCHEMA, Results, Verdict},
    journal::{
        Damage, Fault, Journal, JournalError, JournalState, Lines, NewJournal, Repair, Torn,
        create_folder, last_record, read_journal, repair_journal, scan_journal, summarize_journal,
    },
    outcome::{DataUse, EpochOutcome, Inferred, Outcome, Served, Trained},
    quantity::{Joules, Seconds, Watts},
    run::{RECORD_SCHEMA, RunId, RunRecord},
    spec::{
        Adam, Arrivals, BatchPolicy, DataSpec, Experiment, InferTask, NetworkKind, RunSpec,
        SamplerKind, ServeTask, StudyNetwork, Task, TrainTask, Trial, TuningSpace,
    },
    summary::{EnergySummary, RunSummary},
    surroundings::Surroundings,
    timing::{BatchTimes, Serving, Timing},
    warning::{Warning, WarningKind},
};
