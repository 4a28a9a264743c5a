//! RQ2 and RQ3: what layers cost, and what a smaller network saves and loses.

use record::{ClaimId, Verdict};

use super::{
    Answer, Claim, ClaimFigure, Effect, Observations, Question, Test, distinct,
    factorial::{Contrast, Factorial},
    interval, origin_of, percent, percent_interval,
    rows::LayerRow,
    signed, verdict,
};
use crate::{document::Unit, number::fixed, stats};

/// Why there is no test without complete blocks.
const NO_BLOCK: &str = "no complete block of the factorial with energy was run";
/// Why there is no interval.
const FEW_BLOCKS: &str = "too few blocks for an interval";

pub(super) static CONV_DOMINATES: Claim = Claim {
    id: ClaimId::new("rq2-conv-dominates"),
    question: Question::Layers,
    statement: "Of convolutional layers, linear layers and ReLU, convolutional layers cost by far the \
        most training energy.",
    source: "CAIN 2023, Fashion-MNIST: type III ANOVA of 3,072 trainings",
    criterion: "Type III ANOVA of training energy over conv × linear × ReLU. Supported if the 95 % \
        jackknife interval (over blocks) of the lead, η² of the convolution blocks minus the larger \
        η² of the other two factors, is above 0 in every data set; contradicted if it is below 0 in \
        one; otherwise inconclusive.",
    effect: Effect {
        name: "η² of convolution blocks minus the larger η² of the other two factors",
        unit: Unit::None,
    },
    figures: &[
        ClaimFigure::published("eta_sq_conv", "η², convolution blocks", Unit::None, 0.9898),
        ClaimFigure::published("eta_sq_linear", "η², linear layers", Unit::None, 0.0055),
        ClaimFigure::published("eta_sq_relu", "η², ReLU", Unit::None, 0.0017),
    ],
    test: conv_dominates,
};

/// The analysis of variance over complete blocks, and η² of the three main effects.
fn shares(factorial: &Factorial<'_>) -> Option<(stats::Anova, [f64; 3])> {
    let rows = || factorial.blocks.iter().flatten();
    let response: Vec<f64> = rows().map(|row| row.energy.joules.0).collect();
    let factor = |name, level: fn(&LayerRow) -> String| {
        stats::Factor::new(name, rows().map(|row| level(row)))
    };
    let factors = [
        factor("conv", |row| row.network.conv.to_string()),
        factor("linear", |row| row.network.linear.to_string()),
        factor("relu", |row| row.network.relu.to_string()),
    ];
    let anova = stats::anova(&response, &factors, stats::SumsOfSquares::TypeIII).ok()?;
    let of = |name: &str| anova.terms.iter().find(|term| term.term == name).map(|term| term.eta_sq);
    let shares = [of("conv")?, of("linear")?, of("relu")?];
    Some((anova, shares))
}

fn conv_dominates(observations: &Observations<'_>) -> Answer {
    let rows = &observations.rows.layers;
    let mut parts = Vec::new();
    for set in &observations.factorials {
        if let (Some((anova, shares)), Some(lead)) = (shares(set), set.lead()) {
            parts.push((set.data, anova, shares, lead));
        }
    }
    let Some((_, anova, [conv, linear, relu], lead)) = parts.first() else {
        return Answer::too_little(rows.len(), NO_BLOCK);
    };
    let term = anova.terms.iter().find(|term| term.term == "conv");
    let reason = parts.iter().map(|(data, _, [conv, linear, relu], lead)| {
        format!(
            "{data}: η² is {conv:.3} for convolution blocks, {linear:.3} for linear layers and \
             {relu:.3} for ReLU; the lead is {} ({})",
            fixed(lead.value, 3),
            interval(lead.ci95, 3, FEW_BLOCKS)
        )
    });
    Answer {
        measured: vec![
            ("eta_sq_conv", Some(*conv)),
            ("eta_sq_linear", Some(*linear)),
            ("eta_sq_relu", Some(*relu)),
        ],
        verdict: verdict::all(parts.iter().map(|(_, _, _, lead)| lead.above(0.0))),
        reason: reason.collect::<Vec<_>>().join("; "),
        test: Test {
            name: "type III ANOVA of energy, conv × linear × ReLU; F of conv",
            statistic: term.map(|term| term.f),
            p: term.map(|term| term.p),
            effect: Some(lead.value),
            ci95: lead.ci95,
            n: rows.len(),
        },
        origin: origin_of(rows.iter().map(|row| row.energy.origin)),
        data: data(rows),
        caveats: caveats(rows),
        margins: parts
            .iter()
            .zip(&observations.factorials)
            .filter_map(|((.., lead), set)| lead.margin_above(0.0, set.blocks.len()))
            .collect(),
    }
}

/// The smaller of the study's two savings (CIFAR-10).
const SAVING: f64 = 0.399;

pub(super) static HALVED_BY_SMALLER_NETWORK: Claim = Claim {
    id: ClaimId::new("rq3-halved-by-smaller-network"),
    question: Question::Complexity,
    statement: "The energy of training can be halved by a smaller network.",
    source: "CAIN 2023: from 4 convolution blocks to 1, Fashion-MNIST and CIFAR-10",
    criterion: "Energy saved by the network with the fewest convolution blocks compared with the one \
        with the most, averaged over the other factors. Supported if its 95 % jackknife interval \
        (over blocks) is above 39.9 %, the smaller of the study's two savings, in every data set; \
        contradicted if it is below in one; otherwise inconclusive.",
    effect: Effect { name: "training energy saved by fewer convolution blocks", unit: Unit::Share },
    figures: &[
        ClaimFigure::published(
            "saving_share_fashion_mnist",
            "energy saved, Fashion-MNIST",
            Unit::Share,
            0.488,
        ),
        ClaimFigure::published(
            "saving_share_cifar_10",
            "energy saved, CIFAR-10",
            Unit::Share,
            SAVING,
        ),
        ClaimFigure::published(
            "accuracy_cost_points_fashion_mnist",
            "accuracy lost (− gained), Fashion-MNIST",
            Unit::Points,
            0.74,
        ),
        ClaimFigure::published(
            "accuracy_cost_points_cifar_10",
            "accuracy lost (− gained), CIFAR-10",
            Unit::Points,
            6.67,
        ),
        ClaimFigure::ours("saving_share", "energy saved, first data set", Unit::Share),
        ClaimFigure::ours(
            "accuracy_cost_points",
            "accuracy lost (− gained), first data set",
            Unit::Points,
        ),
    ],
    test: halved_by_smaller_network,
};

fn halved_by_smaller_network(observations: &Observations<'_>) -> Answer {
    let rows = &observations.rows.layers;
    let parts = contrasts(&observations.factorials);
    let Some((_, first, n)) = parts.first() else {
        return Answer::too_little(rows.len(), NO_BLOCK);
    };
    let reason = parts.iter().map(|(data, contrast, _)| {
        format!(
            "{data}: going from {} to {} convolution blocks saves {} of the energy ({}) and {}",
            contrast.conv.1,
            contrast.conv.0,
            percent(contrast.saving.value),
            percent_interval(contrast.saving.ci95),
            in_points(contrast.accuracy_cost.value),
        )
    });
    // The embedded images are the first ones of the published data set.
    let is_named =
        |data: &str, name: &str| data == name || data.strip_suffix("-small") == Some(name);
    let named = |name: &str| {
        parts.iter().find(|(data, ..)| is_named(data, name)).map(|(_, contrast, _)| contrast)
    };
    Answer {
        measured: vec![
            ("saving_share", Some(first.saving.value)),
            (
                "saving_share_fashion_mnist",
                named("fashion-mnist").map(|contrast| contrast.saving.value),
            ),
            ("saving_share_cifar_10", named("cifar-10").map(|contrast| contrast.saving.value)),
            (
                "accuracy_cost_points_fashion_mnist",
                named("fashion-mnist").map(|contrast| contrast.accuracy_cost.value * 100.0),
            ),
            (
                "accuracy_cost_points_cifar_10",
                named("cifar-10").map(|contrast| contrast.accuracy_cost.value * 100.0),
            ),
            ("accuracy_cost_points", Some(first.accuracy_cost.value * 100.0)),
        ],
        verdict: verdict::all(parts.iter().map(|(_, contrast, _)| contrast.saving.above(SAVING))),
        reason: reason.collect::<Vec<_>>().join("; "),
        test: Test {
            name: "block jackknife of the saving",
            statistic: None,
            p: None,
            effect: Some(first.saving.value),
            ci95: first.saving.ci95,
            n: *n,
        },
        origin: origin_of(rows.iter().map(|row| row.energy.origin)),
        data: data(rows),
        caveats: caveats(rows),
        margins: parts
            .iter()
            .filter_map(|(_, contrast, blocks)| contrast.saving.margin_above(SAVING, *blocks))
            .collect(),
    }
}

/// `costs 0.74 points of accuracy`, or that it gains some.
fn in_points(lost: f64) -> String {
    let (verb, points) = if lost < 0.0 { ("gains", -lost) } else { ("costs", lost) };
    format!("{verb} {} points of accuracy", fixed(points * 100.0, 2))
}

/// An elasticity below this value is called marginal: a quarter of a percent of accuracy per percent
/// of energy. The study's values are 0.013 (Fashion-MNIST) and about 0.2 (CIFAR-10).
const MARGINAL: f64 = 0.25;

pub(super) static DIMINISHING_RETURNS: Claim = Claim {
    id: ClaimId::new("rq3-diminishing-returns"),
    question: Question::Complexity,
    statement: "More layers raise the energy of training by up to 95 % and improve accuracy only \
        marginally.",
    source: "CAIN 2023, Fashion-MNIST: from 1 convolution block to 4",
    criterion: "Elasticity: percent of accuracy gained per percent of energy, from the fewest to the \
        most convolution blocks. Supported if the 95 % jackknife interval (over blocks) of the energy \
        increase is above 0 and that of the elasticity below 0.25, in every data set; contradicted \
        if one of them is on the other side; otherwise inconclusive.",
    effect: Effect { name: "elasticity: d ln accuracy / d ln energy", unit: Unit::None },
    figures: &[
        ClaimFigure::published("energy_increase_share", "energy increase", Unit::Share, 0.95),
        ClaimFigure::published("accuracy_gain_points", "accuracy gain", Unit::Points, 0.75),
        ClaimFigure::ours("elasticity", "elasticity", Unit::None),
    ],
    test: diminishing_returns,
};

fn diminishing_returns(observations: &Observations<'_>) -> Answer {
    let rows = &observations.rows.layers;
    let parts = contrasts(&observations.factorials);
    let Some((_, first, n)) = parts.first() else {
        return Answer::too_little(rows.len(), NO_BLOCK);
    };
    let verdict = verdict::all(parts.iter().flat_map(|(_, contrast, _)| {
        let elasticity = contrast.elasticity;
        let marginal = elasticity.map_or(Verdict::Inconclusive, |size| size.below(MARGINAL));
        [contrast.increase.above(0.0), marginal]
    }));
    let reason = parts.iter().map(|(data, contrast, _)| {
        let elasticity = contrast.elasticity.map_or_else(String::new, |size| {
            let interval = interval(size.ci95, 3, FEW_BLOCKS);
            format!("; the elasticity is {} ({interval})", fixed(size.value, 3))
        });
        format!(
            "{data}: going from {} to {} convolution blocks costs {} more energy ({}) for {} points of \
             accuracy{elasticity}",
            contrast.conv.0,
            contrast.conv.1,
            percent(contrast.increase.value),
            percent_interval(contrast.increase.ci95),
            signed(Some(contrast.accuracy_cost.value * 100.0)),
        )
    });
    Answer {
        measured: vec![
            ("energy_increase_share", Some(first.increase.value)),
            ("accuracy_gain_points", Some(first.accuracy_cost.value * 100.0)),
            ("elasticity", first.elasticity.map(|size| size.value)),
        ],
        verdict,
        reason: reason.collect::<Vec<_>>().join("; "),
        test: Test {
            name: "block jackknife of the elasticity",
            statistic: None,
            p: None,
            effect: first.elasticity.map(|size| size.value),
            ci95: first.elasticity.and_then(|size| size.ci95),
            n: *n,
        },
        origin: origin_of(rows.iter().map(|row| row.energy.origin)),
        data: data(rows),
        caveats: caveats(rows),
        margins: parts
            .iter()
            .flat_map(|(_, contrast, blocks)| {
                let increase = contrast.increase.margin_above(0.0, *blocks);
                let marginal = contrast.elasticity?.margin_below(MARGINAL, *blocks);
                Some([increase, marginal])
            })
            .flatten()
            .flatten()
            .collect(),
    }
}

/// The contrast of each data set that has one, with its number of blocks.
fn contrasts<'a>(sets: &[Factorial<'a>]) -> Vec<(&'a str, Contrast, usize)> {
    sets.iter().filter_map(|set| Some((set.data, set.contrast()?, set.blocks.len()))).collect()
}

fn data(rows: &[LayerRow]) -> String {
    let sets = distinct(rows.iter().map(|row| row.data.as_str())).join(", ");
    let settings = distinct(rows.iter().map(|row| row.setting.as_str())).len();
    format!("{sets}; SimpleCNN; {} trainings, {settings} optimizer settings", rows.len())
}

fn caveats(rows: &[LayerRow]) -> Vec<String> {
    let mut caveats = vec![
        "Here every cell has the same optimizer settings, and the order is random within blocks; \
         the study used different settings with and without ReLU and ran one cell after the other."
            .to_owned(),
        "Intervals resample blocks (one seed, one setting), not single trainings, because repeats \
         of one setting are not independent."
            .to_owned(),
    ];
    if origin_of(rows.iter().map(|row| row.energy.origin)) != Some(record::Origin::Measured) {
        caveats.push(
            "The joules are estimated from CPU time, so ratios are right only as far as power does \
             not depend on the kind of layer."
                .to_owned(),
        );
    }
    caveats
}
