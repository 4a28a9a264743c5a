//! RQ2 and RQ3: what layers cost, and what a smaller network saves and loses.

use record::{Evidence, Verdict};

use super::{
    Answer, distinct,
    factorial::{Contrast, Factorial},
    figures, origin_of, percent, percent_interval,
    rows::LayerRow,
    signed, verdict,
};
use crate::{document::fixed, stats};

const SHARES: &str = "η² of convolution blocks minus the larger η² of the other two factors";
const CONV_CRITERION: &str = "Type III ANOVA of training energy over conv × linear × ReLU. \
    Supported if the 95 % bootstrap interval (over blocks) of η² of the convolution blocks minus \
    the larger of the other two lies above 0 in every data set; contradicted if one lies below 0; \
    otherwise inconclusive.";

/// The analysis of variance over complete blocks, and η² of the three main effects.
fn shares(factorial: &Factorial<'_>) -> Option<(stats::Anova, [f64; 3])> {
    let rows = || factorial.blocks.iter().flatten();
    let response: Vec<f64> = rows().map(|it| it.energy.joules.0).collect();
    let factor =
        |name, level: fn(&LayerRow) -> String| stats::Factor::new(name, rows().map(|it| level(it)));
    let factors = [
        factor("conv", |it| it.network.conv.to_string()),
        factor("linear", |it| it.network.linear.to_string()),
        factor("relu", |it| it.network.relu.to_string()),
    ];
    let anova = stats::anova(&response, &factors, stats::SumsOfSquares::TypeIII).ok()?;
    let of = |name: &str| anova.terms.iter().find(|it| it.term == name).map(|it| it.eta_sq);
    let shares = [of("conv")?, of("linear")?, of("relu")?];
    Some((anova, shares))
}

pub(super) fn conv_dominates(rows: &[LayerRow], sets: &[Factorial<'_>]) -> Answer {
    let mut parts = Vec::new();
    for it in sets {
        if let (Some((anova, shares)), Some(lead)) = (shares(it), it.lead()) {
            parts.push((it.data, anova, shares, lead, it.blocks.len()));
        }
    }
    let Some((_, anova, [conv, linear, relu], lead, _)) = parts.first() else {
        let why = "no complete block of the factorial with energy was run";
        return Answer::too_little(CONV_CRITERION, SHARES, rows.len(), why);
    };
    let term = anova.terms.iter().find(|it| it.term == "conv");
    let reason = parts.iter().map(|(data, _, [conv, linear, relu], lead, _)| {
        format!(
            "{data}: η² {conv:.3} conv, {linear:.3} linear, {relu:.3} ReLU; lead {} ({})",
            fixed(lead.value, 3),
            interval(lead.ci95)
        )
    });
    Answer {
        criterion: CONV_CRITERION.to_owned(),
        measured: figures([
            ("eta_sq_conv", Some(*conv)),
            ("eta_sq_linear", Some(*linear)),
            ("eta_sq_relu", Some(*relu)),
        ]),
        verdict: verdict::all(parts.iter().map(|(_, _, _, lead, _)| lead.above(0.0))),
        reason: reason.collect::<Vec<_>>().join("; "),
        evidence: Evidence {
            test: "type III ANOVA of energy, conv × linear × ReLU; F of conv".into(),
            statistic: term.map(|it| it.f),
            p: term.map(|it| it.p),
            effect: Some(lead.value),
            effect_name: SHARES.to_owned(),
            ci95: lead.ci95,
            n: rows.len(),
        },
        origin: origin_of(rows.iter().map(|it| it.energy.origin)),
        data: data(rows),
        caveats: caveats(rows),
    }
}

/// The smaller of the study's two savings (CIFAR-10).
const SAVING: f64 = 0.399;
const HALVED_CRITERION: &str = "Saving of the network with the fewest convolution blocks against \
    that with the most, averaged over the other factors. Supported if its 95 % bootstrap interval \
    (over blocks) lies above 39.9 %, the smaller of the study's two savings, in every data set; \
    contradicted if one lies below; otherwise inconclusive.";
const HALVED_EFFECT: &str = "training energy that fewer convolution blocks save (share)";

pub(super) fn halved_by_smaller_network(rows: &[LayerRow], sets: &[Factorial<'_>]) -> Answer {
    let parts = contrasts(sets);
    let Some((_, first, n)) = parts.first() else {
        let why = "no complete block of the factorial with energy was run";
        return Answer::too_little(HALVED_CRITERION, HALVED_EFFECT, rows.len(), why);
    };
    let reason = parts.iter().map(|(data, it, _)| {
        format!(
            "{data}: conv {} → {} saves {} ({}) and costs {} points of accuracy",
            it.conv.1,
            it.conv.0,
            percent(it.saving.value),
            percent_interval(it.saving.ci95),
            fixed(it.accuracy_cost.value * 100.0, 2),
        )
    });
    let named = |name: &str| parts.iter().find(|(data, ..)| *data == name).map(|(_, it, _)| it);
    Answer {
        criterion: HALVED_CRITERION.to_owned(),
        measured: figures([
            ("saving_share", Some(first.saving.value)),
            ("saving_share_fashion_mnist", named("fashion-mnist").map(|it| it.saving.value)),
            ("saving_share_cifar_10", named("cifar-10").map(|it| it.saving.value)),
            (
                "accuracy_cost_points_fashion_mnist",
                named("fashion-mnist").map(|it| it.accuracy_cost.value * 100.0),
            ),
            (
                "accuracy_cost_points_cifar_10",
                named("cifar-10").map(|it| it.accuracy_cost.value * 100.0),
            ),
            ("accuracy_cost_points", Some(first.accuracy_cost.value * 100.0)),
        ]),
        verdict: verdict::all(parts.iter().map(|(_, it, _)| it.saving.above(SAVING))),
        reason: reason.collect::<Vec<_>>().join("; "),
        evidence: Evidence {
            test: "block bootstrap of the saving".into(),
            statistic: None,
            p: None,
            effect: Some(first.saving.value),
            effect_name: HALVED_EFFECT.to_owned(),
            ci95: first.saving.ci95,
            n: *n,
        },
        origin: origin_of(rows.iter().map(|it| it.energy.origin)),
        data: data(rows),
        caveats: caveats(rows),
    }
}

/// Fewer than a quarter of a percent of accuracy for a percent of energy is called marginal: the
/// study's values are 0.013 (Fashion-MNIST) and about 0.2 (CIFAR-10).
const MARGINAL: f64 = 0.25;
const RETURNS_CRITERION: &str = "Elasticity: percent of accuracy gained per percent of energy, \
    from the fewest to the most convolution blocks. Supported if the 95 % bootstrap interval (over \
    blocks) of the energy increase lies above 0 and that of the elasticity below 0.25, in every \
    data set; contradicted if one lies on the other side; otherwise inconclusive.";
const RETURNS_EFFECT: &str = "elasticity: d ln accuracy / d ln energy";

pub(super) fn diminishing_returns(rows: &[LayerRow], sets: &[Factorial<'_>]) -> Answer {
    let parts = contrasts(sets);
    let Some((_, first, n)) = parts.first() else {
        let why = "no complete block of the factorial with energy was run";
        return Answer::too_little(RETURNS_CRITERION, RETURNS_EFFECT, rows.len(), why);
    };
    let verdict = verdict::all(parts.iter().flat_map(|(_, it, _)| {
        let marginal = it.elasticity.map_or(Verdict::Inconclusive, |it| it.below(MARGINAL));
        [it.increase.above(0.0), marginal]
    }));
    let reason = parts.iter().map(|(data, it, _)| {
        format!(
            "{data}: conv {} → {} costs {} more energy ({}) for {} points of accuracy{}",
            it.conv.0,
            it.conv.1,
            percent(it.increase.value),
            percent_interval(it.increase.ci95),
            signed(Some(it.accuracy_cost.value * 100.0)),
            it.elasticity.map_or_else(String::new, |it| format!(
                "; elasticity {} ({})",
                fixed(it.value, 3),
                interval(it.ci95)
            )),
        )
    });
    Answer {
        criterion: RETURNS_CRITERION.to_owned(),
        measured: figures([
            ("energy_increase_share", Some(first.increase.value)),
            ("accuracy_gain_points", Some(first.accuracy_cost.value * 100.0)),
            ("elasticity", first.elasticity.map(|it| it.value)),
        ]),
        verdict,
        reason: reason.collect::<Vec<_>>().join("; "),
        evidence: Evidence {
            test: "block bootstrap of the elasticity".into(),
            statistic: None,
            p: None,
            effect: first.elasticity.map(|it| it.value),
            effect_name: RETURNS_EFFECT.to_owned(),
            ci95: first.elasticity.and_then(|it| it.ci95),
            n: *n,
        },
        origin: origin_of(rows.iter().map(|it| it.energy.origin)),
        data: data(rows),
        caveats: caveats(rows),
    }
}

/// The contrast of each data set that has one, with its number of blocks.
fn contrasts<'a>(sets: &[Factorial<'a>]) -> Vec<(&'a str, Contrast, usize)> {
    sets.iter().filter_map(|it| Some((it.data, it.contrast()?, it.blocks.len()))).collect()
}

fn interval(ci95: Option<[f64; 2]>) -> String {
    match ci95 {
        Some([low, high]) => format!("95 % interval {} to {}", fixed(low, 3), fixed(high, 3)),
        None => "too few blocks for an interval".to_owned(),
    }
}

fn data(rows: &[LayerRow]) -> String {
    let sets = distinct(rows.iter().map(|it| it.data.as_str())).join(", ");
    let settings = distinct(rows.iter().map(|it| it.setting.as_str())).len();
    format!("{sets}; SimpleCNN; {} trainings, {settings} optimizer settings", rows.len())
}

fn caveats(rows: &[LayerRow]) -> Vec<String> {
    let mut caveats = vec![
        "Every cell has the same optimizer settings and the order is random within blocks; the \
         study used other settings with ReLU than without, and ran cell after cell."
            .to_owned(),
        "Intervals resample blocks (one seed, one setting), not single trainings: repeats of one \
         setting are not independent."
            .to_owned(),
    ];
    if origin_of(rows.iter().map(|it| it.energy.origin)) != Some(record::Origin::Measured) {
        caveats.push(
            "The joules are a model's: they follow CPU time, so ratios hold as far as power does \
             not depend on the kind of layer."
                .to_owned(),
        );
    }
    caveats
}
