//! Each effect of the factorial as published, from the study's raw rows, and from ours.

use record::Origin;
use serde::Serialize;

use super::{LayerRow, distinct, origin_of};
use crate::{
    RawStudy,
    stats::{self, Anova, Caution, Factor, StatsError, SumsOfSquares},
};

/// An effect on the energy or accuracy of training.
#[derive(Clone, Debug, Serialize)]
pub struct EffectShare {
    /// Data set of the study.
    pub data: String,
    /// `energy_j` or `accuracy`.
    pub response: String,
    /// `linear_layers:conv_layers`.
    pub term: String,
    /// η² as published; `None` if the tables are not there.
    pub published_eta_sq: Option<f64>,
    /// η² from the raw rows, by our code.
    pub reproduced_eta_sq: f64,
    /// Reproduced over published: 1 for an effect that is confirmed whole.
    pub confirmed_share: Option<f64>,
    /// F as published.
    pub published_f: Option<f64>,
    /// F from the raw rows.
    pub reproduced_f: f64,
    /// p from the raw rows, which takes repeats of a setting as independent.
    pub p: f64,
    /// p from the means of the settings, which does not.
    pub p_of_setting_means: Option<f64>,
    /// Our own trainings.
    pub ours: Vec<OurEffect>,
}

/// The same effect in our own trainings.
#[derive(Clone, Debug, Serialize)]
pub struct OurEffect {
    /// Our data set.
    pub data: String,
    /// η².
    pub eta_sq: f64,
    /// Over the published one (or, without it, the reproduced one).
    pub share: Option<f64>,
    /// p.
    pub p: f64,
    /// Of the joules behind it.
    pub origin: Option<Origin>,
}

/// A response of a training.
#[derive(Clone, Copy)]
struct Response {
    name: &'static str,
    of: fn(&LayerRow) -> f64,
}

const RESPONSES: [Response; 2] = [
    Response { name: "energy_j", of: |it| it.energy.joules.0 },
    Response { name: "accuracy", of: |it| it.accuracy },
];

/// Every effect of every data set of the study, on energy and on accuracy.
///
/// # Errors
///
/// If the study's rows do not allow the analysis.
pub fn effect_shares(
    reference: &RawStudy,
    ours: &[LayerRow],
) -> Result<Vec<EffectShare>, StatsError> {
    let mut shares = Vec::new();
    for data in distinct(reference.layers.iter().map(|it| it.data.as_str())) {
        let rows: Vec<&LayerRow> = reference.layers.iter().filter(|it| it.data == data).collect();
        for response in RESPONSES {
            let raw = analyzed(&rows, response)?;
            let means = of_setting_means(&rows, response).ok();
            let published = reference.published.get(&format!("{data}:{}", response.name));
            for term in &raw.terms {
                let theirs = published.and_then(|it| it.iter().find(|it| it.term == term.term));
                let published_eta_sq = theirs.and_then(|it| it.eta_sq);
                let over = |found: f64| ratio(found, published_eta_sq?);
                let named = |it: &Anova| it.terms.iter().find(|it| it.term == term.term).cloned();
                let sets = distinct(ours.iter().map(|it| it.data.as_str())).into_iter();
                let ours = sets.filter_map(|data| {
                    let rows: Vec<&LayerRow> = ours.iter().filter(|it| it.data == data).collect();
                    let found = named(&analyzed(&rows, response).ok()?)?;
                    Some(OurEffect {
                        data: data.to_owned(),
                        eta_sq: found.eta_sq,
                        share: ratio(found.eta_sq, published_eta_sq.unwrap_or(term.eta_sq)),
                        p: found.p,
                        origin: origin_of(rows.iter().map(|it| it.energy.origin)),
                    })
                });
                shares.push(EffectShare {
                    data: data.to_owned(),
                    response: response.name.to_owned(),
                    term: term.term.clone(),
                    published_eta_sq,
                    reproduced_eta_sq: term.eta_sq,
                    confirmed_share: over(term.eta_sq),
                    published_f: theirs.and_then(|it| it.f),
                    reproduced_f: term.f,
                    p: term.p,
                    p_of_setting_means: means.as_ref().and_then(named).map(|it| it.p),
                    ours: ours.collect(),
                });
            }
        }
    }
    Ok(shares)
}

/// What the study's analysis of a data set's energy does not see.
pub(crate) fn study_cautions(rows: &[&LayerRow]) -> Result<Vec<Caution>, StatsError> {
    let settings = Factor::new("learning rate, β1, β2", rows.iter().map(|it| it.setting.clone()));
    let order: Vec<f64> = rows.iter().map(|it| it.order as f64).collect();
    stats::screen(&values(rows, RESPONSES[0]), &factors(rows), &[settings], Some(&order))
}

fn ratio(found: f64, published: f64) -> Option<f64> {
    Some(found / published).filter(|it| it.is_finite())
}

fn values(rows: &[&LayerRow], response: Response) -> Vec<f64> {
    rows.iter().map(|it| (response.of)(it)).collect()
}

fn factors(rows: &[&LayerRow]) -> [Factor; 3] {
    let factor = |name, level: fn(&LayerRow) -> u32| {
        Factor::new(name, rows.iter().map(|it| level(it).to_string())).sorted()
    };
    [
        factor("linear_layers", |it| it.network.linear),
        factor("conv_layers", |it| it.network.conv),
        factor("relu", |it| u32::from(it.network.relu)),
    ]
}

fn analyzed(rows: &[&LayerRow], response: Response) -> Result<Anova, StatsError> {
    stats::anova(&values(rows, response), &factors(rows), SumsOfSquares::TypeIII)
}

fn of_setting_means(rows: &[&LayerRow], response: Response) -> Result<Anova, StatsError> {
    let settings = Factor::new("setting", rows.iter().map(|it| it.setting.clone()));
    let (means, factors) =
        stats::cluster_means(&values(rows, response), &settings.codes, &factors(rows))?;
    stats::anova(&means, &factors, SumsOfSquares::TypeIII)
}
