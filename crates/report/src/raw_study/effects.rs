//! Each effect of the factorial: as published, from the study's raw rows, and from our trainings.

use record::Origin;
use serde::Serialize;

use super::RawStudy;
use crate::{
    claim::{LayerRow, Response, distinct, origin_of},
    stats::{self, Anova, Caution, Factor, StatsError, SumsOfSquares},
};

/// An effect on the energy or accuracy of training.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EffectShare {
    /// Data set of the study.
    pub data: String,
    /// The response that the effect is on.
    pub response: Response,
    /// Factors joined by `:`, such as `linear_layers:conv_layers`.
    pub term: String,
    /// η² as published; `None` if the study's table is missing.
    pub published_eta_sq: Option<f64>,
    /// η² from the raw rows, by our code.
    pub reproduced_eta_sq: f64,
    /// Reproduced over published η²; 1 if they are equal.
    pub confirmed_share: Option<f64>,
    /// F as published.
    pub published_f: Option<f64>,
    /// F from the raw rows.
    pub reproduced_f: f64,
    /// p from the raw rows, as if repeats of a setting were independent.
    pub p: f64,
    /// p from the means of the settings.
    pub p_of_setting_means: Option<f64>,
    /// The same effect in our own trainings.
    pub ours: Vec<OurEffect>,
}

/// An effect in our own trainings.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct OurEffect {
    /// Our data set.
    pub data: String,
    /// η².
    pub eta_sq: f64,
    /// η² over the published one or, if there is none, over the reproduced one.
    pub share: Option<f64>,
    /// p.
    pub p: f64,
    /// Origin of the joules.
    pub origin: Option<Origin>,
}

/// Every effect of every data set of the study, on energy and on accuracy.
///
/// # Errors
///
/// If the analysis of variance is not defined on the study's rows.
pub fn effect_shares(
    reference: &RawStudy,
    ours: &[LayerRow],
) -> Result<Vec<EffectShare>, StatsError> {
    let mut shares = Vec::new();
    for data in distinct(reference.layers.iter().map(|row| row.data.as_str())) {
        let rows: Vec<&LayerRow> = reference.layers.iter().filter(|row| row.data == data).collect();
        for response in [Response::Energy, Response::Accuracy] {
            let raw = analyzed(&rows, response)?;
            let means = of_setting_means(&rows, response).ok();
            let published = reference.published.get(&format!("{data}:{}", response.key()));
            for term in &raw.terms {
                let theirs =
                    published.and_then(|terms| terms.iter().find(|other| other.term == term.term));
                let published_eta_sq = theirs.and_then(|published| published.eta_sq);
                let over = |found: f64| ratio(found, published_eta_sq?);
                let named = |anova: &Anova| {
                    anova.terms.iter().find(|other| other.term == term.term).cloned()
                };
                let sets = distinct(ours.iter().map(|row| row.data.as_str())).into_iter();
                let ours = sets.filter_map(|data| {
                    let rows: Vec<&LayerRow> = ours.iter().filter(|row| row.data == data).collect();
                    let found = named(&analyzed(&rows, response).ok()?)?;
                    Some(OurEffect {
                        data: data.to_owned(),
                        eta_sq: found.eta_sq,
                        share: ratio(found.eta_sq, published_eta_sq.unwrap_or(term.eta_sq)),
                        p: found.p,
                        origin: origin_of(rows.iter().map(|row| row.energy.origin)),
                    })
                });
                shares.push(EffectShare {
                    data: data.to_owned(),
                    response,
                    term: term.term.clone(),
                    published_eta_sq,
                    reproduced_eta_sq: term.eta_sq,
                    confirmed_share: over(term.eta_sq),
                    published_f: theirs.and_then(|published| published.f),
                    reproduced_f: term.f,
                    p: term.p,
                    p_of_setting_means: means.as_ref().and_then(named).map(|term| term.p),
                    ours: ours.collect(),
                });
            }
        }
    }
    Ok(shares)
}

/// Problems that the study's analysis of a data set's energy does not account for.
pub(crate) fn study_cautions(rows: &[&LayerRow]) -> Result<Vec<Caution>, StatsError> {
    let settings = Factor::new("learning rate, β1, β2", rows.iter().map(|row| row.setting.clone()));
    let order: Vec<f64> = rows.iter().map(|row| row.order as f64).collect();
    stats::screen(&values(rows, Response::Energy), &factors(rows), &[settings], Some(&order))
}

fn ratio(found: f64, published: f64) -> Option<f64> {
    Some(found / published).filter(|ratio| ratio.is_finite())
}

fn values(rows: &[&LayerRow], response: Response) -> Vec<f64> {
    rows.iter().map(|row| response.of(row)).collect()
}

fn factors(rows: &[&LayerRow]) -> [Factor; 3] {
    let factor = |name, level: fn(&LayerRow) -> u32| {
        Factor::new(name, rows.iter().map(|row| level(row).to_string())).sorted()
    };
    [
        factor("linear_layers", |row| row.network.linear),
        factor("conv_layers", |row| row.network.conv),
        factor("relu", |row| u32::from(row.network.relu)),
    ]
}

fn analyzed(rows: &[&LayerRow], response: Response) -> Result<Anova, StatsError> {
    stats::anova(&values(rows, response), &factors(rows), SumsOfSquares::TypeIII)
}

fn of_setting_means(rows: &[&LayerRow], response: Response) -> Result<Anova, StatsError> {
    let settings = Factor::new("setting", rows.iter().map(|row| row.setting.clone()));
    let (means, factors) =
        stats::cluster_means(&values(rows, response), &settings.codes, &factors(rows))?;
    stats::anova(&means, &factors, SumsOfSquares::TypeIII)
}
