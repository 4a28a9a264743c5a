//! RQ5: energy and accuracy of vision networks over the years.

use record::{ClaimId, Experiment, Verdict};

use super::{
    Answer, Claim, ClaimFigure, Effect, NetworkMean, Observations, Question, Test, estimate,
    interval, jackknife, mean, origin_of, percent, percent_interval, rows::InferRow, signed,
};
use crate::{document::Unit, stats};

/// A decade is not decided by fewer networks.
const FEWEST_NETWORKS: usize = 12;

fn year(network: &NetworkMean) -> f64 {
    f64::from(network.published.year)
}

/// Theil–Sen slope of a value per year over some networks.
fn slope(networks: &[&NetworkMean], value: impl Fn(&NetworkMean) -> f64) -> Option<f64> {
    let x: Vec<f64> = networks.iter().map(|network| year(network)).collect();
    let y: Vec<f64> = networks.iter().map(|network| value(network)).collect();
    stats::theil_sen(&x, &y).ok().map(|line| line.slope)
}

fn log_energy(network: &NetworkMean) -> f64 {
    network.joules_per_image.ln()
}

pub(super) static ENERGY_RISES: Claim = Claim {
    id: ClaimId::new("rq5-energy-rises"),
    question: Question::Timeline,
    statement: "The energy of inference of vision networks rises steadily over the years, more steeply \
        than their accuracy.",
    source: "SEAA 2023; a trend without a published slope",
    criterion: "Theil–Sen slope of log joules per image over the year of the network. Supported if its \
        95 % bootstrap interval (over networks) is above 0; contradicted if it is below 0; otherwise, and \
        with fewer than twelve networks, inconclusive.",
    effect: Effect { name: "growth of joules per image", unit: Unit::SharePerYear },
    figures: &[
        ClaimFigure::ours("energy_growth_share_per_year", "energy growth", Unit::SharePerYear),
        ClaimFigure::ours("accuracy_points_per_year", "accuracy gain", Unit::PointsPerYear),
    ],
    test: energy_rises,
};

fn energy_rises(observations: &Observations<'_>) -> Answer {
    let (rows, means) = (&observations.rows.float32_infers(), &observations.networks);
    let pick = |units: &[usize]| units.iter().map(|index| &means[*index]).collect::<Vec<_>>();
    let growth = estimate(means.len(), |units| Some(slope(&pick(units), log_energy)?.exp() - 1.0));
    let accuracy =
        estimate(means.len(), |units| slope(&pick(units), |network| network.published.top1));
    let Some(growth) = growth else {
        let why = "networks of at least two years with energy are needed";
        return Answer::too_little(means.len(), why);
    };
    let years: Vec<f64> = means.iter().map(year).collect();
    let energies: Vec<f64> = means.iter().map(log_energy).collect();
    let spearman = stats::spearman(&years, &energies).ok();
    Answer {
        measured: vec![
            ("energy_growth_share_per_year", Some(growth.value)),
            ("accuracy_points_per_year", accuracy.map(|slope| slope.value)),
        ],
        verdict: if means.len() < FEWEST_NETWORKS {
            Verdict::Inconclusive
        } else {
            growth.above(0.0)
        },
        reason: format!(
            "joules per image change by {} per year ({}), published accuracy by {} points per year",
            percent(growth.value),
            percent_interval(growth.ci95),
            signed(accuracy.map(|slope| slope.value)),
        ),
        test: Test {
            name: "Spearman's rank correlation of year and joules per image; bootstrap of Theil–Sen",
            statistic: spearman.as_ref().map(|test| test.rho),
            p: spearman.as_ref().map(|test| test.p),
            effect: Some(growth.value),
            ci95: growth.ci95,
            n: means.len(),
        },
        origin: origin_of(means.iter().map(|network| network.origin)),
        data: data(rows, means),
        caveats: caveats(rows, means),
        margins: Vec::new(),
    }
}

pub(super) static ACCURACY_SLOWS: Claim = Claim {
    id: ClaimId::new("rq5-accuracy-slows"),
    question: Question::Timeline,
    statement: "The accuracy that vision networks gain per year gets smaller.",
    source: "SEAA 2023; a trend without a published slope",
    criterion: "Slope of published accuracy over the years in the later half of the networks minus \
        that in the earlier half (Theil–Sen). Supported if its 95 % bootstrap interval (over networks \
        within halves) is below 0; contradicted if it is above 0; otherwise, and with fewer than twelve \
        networks, inconclusive.",
    effect: Effect { name: "later minus earlier slope of accuracy", unit: Unit::PointsPerYear },
    figures: &[
        ClaimFigure::ours(
            "earlier_points_per_year",
            "accuracy gain, earlier networks",
            Unit::PointsPerYear,
        ),
        ClaimFigure::ours(
            "later_points_per_year",
            "accuracy gain, later networks",
            Unit::PointsPerYear,
        ),
        ClaimFigure::ours(
            "points_per_doubling_of_energy",
            "accuracy gain per doubling of energy",
            Unit::Points,
        ),
    ],
    test: accuracy_slows,
};

fn accuracy_slows(observations: &Observations<'_>) -> Answer {
    let (rows, means) = (&observations.rows.float32_infers(), &observations.networks);
    let half = means.len().div_ceil(2);
    let (earlier, later) = means.split_at(half.min(means.len()));
    let accuracy = |network: &NetworkMean| network.published.top1;
    let change = estimate(means.len(), |units| {
        let drawn = |of: &dyn Fn(usize) -> bool| {
            let picked: Vec<&NetworkMean> =
                units.iter().filter(|index| of(**index)).map(|index| &means[*index]).collect();
            slope(&picked, accuracy)
        };
        Some(drawn(&|index| index >= half)? - drawn(&|index| index < half)?)
    });
    let Some(change) = change else {
        let why = "each half needs networks of at least two years";
        return Answer::too_little(means.len(), why);
    };
    let all = |of: &[NetworkMean]| slope(&of.iter().collect::<Vec<_>>(), accuracy);
    let per_doubling = {
        let energies: Vec<f64> =
            means.iter().map(|network| network.joules_per_image.log2()).collect();
        let top1: Vec<f64> = means.iter().map(accuracy).collect();
        stats::theil_sen(&energies, &top1).ok().map(|line| line.slope)
    };
    Answer {
        measured: vec![
            ("earlier_points_per_year", all(earlier)),
            ("later_points_per_year", all(later)),
            ("points_per_doubling_of_energy", per_doubling),
        ],
        verdict: if means.len() < FEWEST_NETWORKS {
            Verdict::Inconclusive
        } else {
            change.below(0.0)
        },
        reason: format!(
            "accuracy changed by {} points per year among the earlier networks and by {} among the \
             later ones, a difference of {} ({}); a doubling of joules per image goes with {} points",
            signed(all(earlier)),
            signed(all(later)),
            signed(Some(change.value)),
            interval(change.ci95, 2, "too few networks for an interval"),
            signed(per_doubling),
        ),
        test: Test {
            name: "bootstrap of the difference of two Theil–Sen slopes",
            statistic: None,
            p: None,
            effect: Some(change.value),
            ci95: change.ci95,
            n: means.len(),
        },
        origin: origin_of(means.iter().map(|network| network.origin)),
        data: data(rows, means),
        caveats: caveats(rows, means),
        margins: Vec::new(),
    }
}

const SHUFFLENET: &str = "shufflenet_v2_x0_5";
/// "Competitive": at most this many points of ImageNet accuracy below the other network.
const COMPETITIVE: f64 = 5.0;
/// "Far lower": at most this ratio of joules.
const FAR_LOWER: f64 = 0.5;

pub(super) static SHUFFLENET_EXCEPTION: Claim = Claim {
    id: ClaimId::new("rq5-shufflenet-exception"),
    question: Question::Timeline,
    statement: "ShuffleNetV2 (2018) is the exception: competitive accuracy at far lower energy.",
    source: "SEAA 2023; accuracy and multiply-adds as torchvision publishes them, ShuffleNetV2 x0.5 and \
        AlexNet",
    criterion: "Joules per image of ShuffleNetV2 x0.5 over those of the least expensive other network \
        whose published accuracy is at most 5 points higher. Supported if the 95 % jackknife \
        interval (over runs) is below 0.5; contradicted if it is above 0.5; otherwise inconclusive.",
    effect: Effect {
        name: "joules per image, ShuffleNetV2 x0.5 over the least expensive peer (ratio)",
        unit: Unit::None,
    },
    figures: &[
        ClaimFigure::published(
            "accuracy_points_over_alexnet",
            "accuracy above AlexNet",
            Unit::Points,
            4.03,
        ),
        ClaimFigure::published(
            "multiply_adds_over_alexnet",
            "multiply-adds over AlexNet",
            Unit::None,
            0.056,
        ),
        ClaimFigure::ours(
            "energy_over_cheapest_peer",
            "energy over the least expensive peer",
            Unit::None,
        ),
        ClaimFigure::ours("energy_over_alexnet", "energy over AlexNet", Unit::None),
    ],
    test: shufflenet_exception,
};

fn shufflenet_exception(observations: &Observations<'_>) -> Answer {
    let (rows, means) = (&observations.rows.float32_infers(), &observations.networks);
    let shufflenet = means.iter().find(|network| network.published.name == SHUFFLENET);
    let Some(shufflenet) = shufflenet else {
        let why = "shufflenet_v2_x0_5 was not run";
        return Answer::too_little(means.len(), why);
    };
    let peers: Vec<&NetworkMean> = means
        .iter()
        .filter(|network| !network.published.name.starts_with("shufflenet"))
        .filter(|network| network.published.top1 <= shufflenet.published.top1 + COMPETITIVE)
        .collect();
    let fewest = peers.iter().map(|peer| peer.runs.len()).min().unwrap_or(0);
    let runs = shufflenet.runs.len().min(fewest);
    let error_rate = observations.error_rate(Experiment::Timeline);
    let ratio = jackknife(runs, error_rate, |units| {
        let of = |network: &NetworkMean| mean(units.iter().map(|run| network.runs[*run]));
        let least = peers.iter().filter_map(|peer| of(peer)).min_by(f64::total_cmp)?;
        Some(of(shufflenet)? / least)
    });
    let Some(ratio) = ratio else {
        let why = "no other network of comparable accuracy was run";
        return Answer::too_little(means.len(), why);
    };
    let alexnet = means.iter().find(|network| network.published.name == "alexnet");
    let names: Vec<&str> = peers.iter().map(|peer| peer.published.name.as_str()).collect();
    Answer {
        measured: vec![
            ("energy_over_cheapest_peer", Some(ratio.value)),
            (
                "energy_over_alexnet",
                alexnet.map(|alexnet| shufflenet.joules_per_image / alexnet.joules_per_image),
            ),
        ],
        verdict: ratio.below(FAR_LOWER),
        reason: format!(
            "ShuffleNetV2 x0.5 uses {:.2}× the joules of the least expensive of {} ({})",
            ratio.value,
            names.join(", "),
            interval(ratio.ci95, 2, "too few runs for an interval"),
        ),
        test: Test {
            name: "jackknife of the ratio of means over runs",
            statistic: None,
            p: None,
            effect: Some(ratio.value),
            ci95: ratio.ci95,
            n: runs,
        },
        origin: origin_of(means.iter().map(|network| network.origin)),
        data: data(rows, means),
        caveats: caveats(rows, means),
        margins: ratio.margin_below(FAR_LOWER, runs).into_iter().collect(),
    }
}

fn data(rows: &[InferRow], means: &[NetworkMean]) -> String {
    let side = rows.first().map_or(0, |row| row.image_side);
    let batch = rows.first().map_or(0, |row| row.batch);
    format!(
        "{} networks, {side}×{side} random images in batches of {batch}; {} runs",
        means.len(),
        rows.len()
    )
}

fn caveats(rows: &[InferRow], means: &[NetworkMean]) -> Vec<String> {
    let mut caveats = vec![
        "Accuracy is torchvision's published figure for its first set of weights, not measured \
         here; the networks run with random weights, because energy does not depend on them."
            .to_owned(),
    ];
    let quoted: Vec<&str> = means
        .iter()
        .filter(|network| network.is_quoted)
        .map(|network| network.published.name.as_str())
        .collect();
    if !quoted.is_empty() {
        caveats.push(format!(
            "The accuracy of {} is what the network's file quotes, of weights from elsewhere.",
            quoted.join(", ")
        ));
    }
    if rows.iter().any(|row| row.image_side < 224) {
        caveats.push(
            "Images are smaller than the 224×224 pixels of the published accuracies: networks with \
             large dense layers look more expensive than they are, compared with purely \
             convolutional ones."
                .to_owned(),
        );
    }
    if means.len() < FEWEST_NETWORKS {
        caveats.push(format!("{} networks are a small sample of a decade.", means.len()));
    }
    caveats
}
