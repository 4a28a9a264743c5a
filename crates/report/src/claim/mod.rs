//! The claims of the studies, tested on our own records: a file for each question.
//!
//! [`CLAIMS`] lists them. A new claim is a [`Claim`] in one of these files and its line there.

mod batching;
mod definition;
mod difference;
mod distinct;
mod engines;
#[cfg(test)]
mod error_rate;
mod factorial;
mod layers;
mod list;
mod looks;
mod networks;
mod outlook;
mod own;
mod resample;
mod rows;
mod runs;
mod timeline;
mod tuning;
mod verdict;
mod words;

use self::{
    definition::{Answer, Observations, Test},
    words::{interval, percent, percent_interval, signed},
};
pub use self::{
    definition::{Claim, ClaimFigure, Effect, Question},
    difference::{Difference, FolderComparison, VerdictChange, compare_folders},
    factorial::Response,
    list::{CLAIMS, assessed, findings, results},
    networks::{NetworkMean, PublishedNetwork, network_means},
    outlook::{Outlook, outlooks},
    rows::{
        AccuracyRow, EngineRow, InferRow, LayerRow, OwnRow, QueueRow, Rows, TrialRow, origin_of,
        policy_title,
    },
    runs::{MAX_RECORDS, RunDigest, Runs},
    tuning::{Search, searches},
    verdict::Estimate,
};
pub(crate) use self::{
    distinct::{distinct, unique},
    engines::{EngineComparison, engine_comparisons},
    factorial::{Block, Factorial, factorials, factorials_at},
    list::claims_on,
    networks::{means_in, stem},
    own::{OwnFactorial, own_factorials},
    resample::{Sums, estimate, estimate_against, jackknife, mean, p_of_limit},
    tuning::measured as search_figures,
};
