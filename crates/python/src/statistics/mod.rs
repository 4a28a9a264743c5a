//! The statistics of reports, by name. Numbers that are not finite are null in the answers.

mod answer;
mod model;
mod samples;

use pyo3::prelude::*;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{fault::Fault, wait::wait_for};

/// What a statistic is computed from. Each takes some of these.
#[derive(Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
enum Request {
    /// A model by formula, with columns by name.
    Anova(model::Anova),
    MixedModel(model::Model),
    RepeatedMeasures(model::Model),
    TukeyByFormula(model::Pairs),
    /// One sample, two samples, groups, or a response with the levels of a factor.
    Describe(samples::One),
    ShapiroWilk(samples::One),
    OneSampleT(samples::Mean),
    Wilcoxon(samples::One),
    WelchT(samples::Two),
    PairedT(samples::Two),
    MannWhitney(samples::Two),
    Spearman(samples::Two),
    TheilSen(samples::Two),
    Compare(samples::Comparison),
    CohensD(samples::Two),
    HedgesG(samples::Two),
    CliffsDelta(samples::Two),
    KruskalWallis(samples::Groups),
    Friedman(samples::Groups),
    Levene(samples::Groups),
    TukeyHsd(samples::Levels),
    GamesHowell(samples::Levels),
    Dunn(samples::Levels),
    LinearRegression(samples::Line),
    Holm(samples::One),
}

/// Computes a statistic. The request and its answer are JSON texts.
#[pyfunction]
pub(crate) fn statistic(py: Python<'_>, request: String) -> PyResult<String> {
    wait_for(py, move || Ok(compute(&parsed(&request)?)?.to_string()))
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(Fault::input)
}

fn compute(request: &Request) -> Result<Value, Fault> {
    match request {
        Request::Anova(data) => data.compute(),
        Request::MixedModel(data) => data.mixed(),
        Request::RepeatedMeasures(data) => data.repeated(),
        Request::TukeyByFormula(data) => data.compute(),
        Request::Describe(data) => data.describe(),
        Request::ShapiroWilk(data) => data.shapiro_wilk(),
        Request::OneSampleT(data) => data.compute(),
        Request::Wilcoxon(data) => data.wilcoxon(),
        Request::WelchT(data) => data.welch_t(),
        Request::PairedT(data) => data.paired_t(),
        Request::MannWhitney(data) => data.mann_whitney(),
        Request::Spearman(data) => data.spearman(),
        Request::TheilSen(data) => data.theil_sen(),
        Request::Compare(data) => data.compute(),
        Request::CohensD(data) => data.cohens_d(),
        Request::HedgesG(data) => data.hedges_g(),
        Request::CliffsDelta(data) => data.cliffs_delta(),
        Request::KruskalWallis(data) => data.kruskal_wallis(),
        Request::Friedman(data) => data.friedman(),
        Request::Levene(data) => data.levene(),
        Request::TukeyHsd(data) => data.tukey(),
        Request::GamesHowell(data) => data.games_howell(),
        Request::Dunn(data) => data.dunn(),
        Request::LinearRegression(data) => data.compute(),
        Request::Holm(data) => data.holm(),
    }
}
