//! The studies' claims on other people's measurements.
//!
//! An [`Adapter`] describes a data set: which columns hold what, its licence and its source. It makes
//! [`EvidenceSet`]s of the data set's tables, one for each device, and each claim that finds in a set what
//! it needs is tested there. [`Elsewhere`] holds all answers.

mod adapter;
mod bundled;
mod cell;
mod claims;
mod columns;
mod condense;
mod elsewhere;
mod error;
mod estimators;
mod own;
mod read;
mod recording;
mod recording_files;
mod replay;
mod set;
mod synthesis;

pub use self::{
    adapter::{Adapter, EvidenceFile, EvidenceLicence, EvidenceSource, Phase, Scope},
    bundled::{EvidenceBundle, bundled_adapters, evidence_text, recording_texts},
    cell::{EvidenceAnswer, EvidenceCell, EvidenceTest},
    condense::condensed,
    elsewhere::{Elsewhere, EvidenceOrigin},
    error::EvidenceError,
    estimators::{EstimatedRun, EstimatorName, EstimatorRatio},
    own::{OwnEstimator, OwnModel, OwnReading},
    recording::{EvidenceRecording, condensed_recording},
    recording_files::RecordingFiles,
    replay::{Replay, ReplayedSearch, ReplayedTrial},
    set::{CellGraph, EvidenceRow, EvidenceSet},
    synthesis::Synthesis,
};
