#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod chapter;
mod claim;
mod document;
mod evidence;
mod export;
mod insight;
mod number;
mod page;
mod pareto;
mod plot;
mod raw_study;
mod slug;
pub mod stats;

#[cfg(feature = "pdf")]
pub use crate::export::pdf;
#[cfg(feature = "parquet")]
pub use crate::export::records_parquet;
pub use crate::{
    chapter::{
        Target, document, elsewhere_document, elsewhere_section, reference_document,
        reference_findings,
    },
    claim::{
        AccuracyRow, CLAIMS, Claim, ClaimFigure, Difference, Effect, EngineRow, Estimate,
        FolderComparison, InferRow, LayerRow, MAX_RECORDS, NetworkMean, Outlook, OwnRow,
        PublishedNetwork, Question, QueueRow, Response, Rows, RunDigest, Runs, Search, TrialRow,
        VerdictChange, assessed, compare_folders, findings, network_means, origin_of, outlooks,
        policy_title, results, searches,
    },
    document::{
        AssessedClaim, Banner, Cell, ClaimEffect, Column, ColumnKind, Document, KeyFigure, Number,
        Section, ShortAnswer, Table, Unit,
    },
    evidence::{
        Adapter, CellGraph, Elsewhere, EstimatedRun, EstimatorName, EstimatorRatio, EvidenceAnswer,
        EvidenceBundle, EvidenceCell, EvidenceError, EvidenceFile, EvidenceLicence, EvidenceOrigin,
        EvidenceRecording, EvidenceRow, EvidenceSet, EvidenceSource, EvidenceTest, OwnEstimator,
        OwnModel, OwnReading, Phase, RecordingFiles, Replay, ReplayedSearch, ReplayedTrial, Scope,
        Synthesis, bundled_adapters, condensed, condensed_recording, evidence_text,
        recording_texts,
    },
    export::{
        EXPORTERS, Exporter, FormatError, Formats, RECORDS_AT_ONCE, RecordExporter, RecordSource,
        STUDIES_BIB, WholeFile, csv, emissions_csv, latex, markdown, records_csv, ro_crate, write,
        write_records,
    },
    insight::{Function, SearchInsight, SearchParameter, TrialPoint, TuningInsight},
    page::html,
    pareto::{ParetoFront, TradeOff},
    plot::{
        Axis, AxisScale, AxisUnit, CategoryPlot, Coordinate, CoordinatePlot, Figure, Line,
        LinePlot, LinePoint, Mark, MatrixMark, MatrixPlot, Plot, Point, PointPlot, PointSeries,
        Reference, Shape, StripGroup, StripPlot, Trace, svg,
    },
    raw_study::{EffectShare, OurEffect, PublishedTerm, RawStudy, RawStudyError, effect_shares},
};
/// The types of records and energies in this crate's functions, so that one dependency is enough.
pub use record::{ClaimId, Energy, Evidence, Finding, Joules, Origin, Results, RunRecord, Verdict};
/// What searches say about their parameters.
pub use units::{Dependence, Importance, Share};
