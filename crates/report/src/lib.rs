#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod chapter;
mod claim;
mod document;
mod export;
mod insight;
mod page;
mod pareto;
mod plot;
mod raw_study;
pub mod stats;

pub use crate::{
    chapter::{Target, document, reference_document, reference_findings},
    claim::id as claim_id,
    claim::{
        Difference, EffectShare, Estimate, FolderComparison, InferRow, LayerRow, OurEffect,
        Published, PublishedClaim, PublishedNetwork, QueueRow, Rows, Run, Runs, Search, TrialRow,
        VerdictChange, compare_folders, effect_shares, findings, network_means, origin_of,
        policy_title, results, searches,
    },
    document::{Banner, Cell, Column, ColumnKind, Document, Figure, Number, Section, Table},
    export::{
        MOST_RECORDS, RECORDS_AT_ONCE, RecordSource, STUDIES_BIB, WholeFile, csv, emissions_csv,
        latex, markdown, pdf, records_csv, records_parquet, ro_crate, write, write_records,
        write_records_csv, write_records_parquet,
    },
    insight::{
        Dependence, Importance, Landscape, SearchInsight, SearchParameter, Share, Subject, Tried,
    },
    page::html,
    pareto::{Frontier, Trade},
    plot::{
        Axis, CategoryPlot, Coordinate, CoordinatePlot, Line, LinePlot, LinePoint, Mark, Plot,
        Point, PointPlot, PointSeries, Quantity, Reference, Scale, Shape, StripGroup, StripPlot,
        Trace, svg,
    },
    raw_study::{PublishedTerm, RawStudy, RawStudyError},
};
