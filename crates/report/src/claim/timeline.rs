//! RQ5: energy and accuracy of vision networks over the years.

use record::{Evidence, Origin};

use super::{
    Answer, Published, PublishedNetwork, distinct, estimate, figures, mean, origin_of, percent,
    percent_interval, rows::InferRow, signed,
};
use crate::{document::fixed, stats};

/// A network with its published figures and our mean energy of an image.
#[derive(Clone, Debug)]
pub struct NetworkMean {
    /// As torchvision publishes it.
    pub published: PublishedNetwork,
    /// Mean over runs, in joules per image.
    pub joules_per_image: f64,
    /// Each run's value.
    pub runs: Vec<f64>,
    /// Of those joules.
    pub origin: Origin,
}

/// Our networks by year; those that torchvision publishes no accuracy for are left out.
#[must_use]
pub fn network_means(rows: &[InferRow], published: &Published) -> Vec<NetworkMean> {
    let mut means: Vec<NetworkMean> = distinct(rows.iter().map(|it| it.network.as_str()))
        .into_iter()
        .filter_map(|name| {
            let of: Vec<&InferRow> = rows.iter().filter(|it| it.network == name).collect();
            let runs: Vec<f64> = of.iter().map(|it| it.joules_per_image).collect();
            Some(NetworkMean {
                published: published.network(name)?.clone(),
                joules_per_image: mean(runs.iter().copied())?,
                runs,
                origin: origin_of(of.iter().map(|it| it.origin))?,
            })
        })
        .collect();
    means.sort_by_key(|it| it.published.year);
    means
}

fn year(network: &NetworkMean) -> f64 {
    f64::from(network.published.year)
}

/// Theil–Sen slope of a value per year over some networks.
fn slope(networks: &[&NetworkMean], value: impl Fn(&NetworkMean) -> f64) -> Option<f64> {
    let x: Vec<f64> = networks.iter().map(|it| year(it)).collect();
    let y: Vec<f64> = networks.iter().map(|it| value(it)).collect();
    stats::theil_sen(&x, &y).ok().map(|it| it.slope)
}

fn log_energy(network: &NetworkMean) -> f64 {
    network.joules_per_image.ln()
}

const RISES_CRITERION: &str = "Theil–Sen slope of log joules per image over the year of the \
    network. Supported if its 95 % bootstrap interval (over networks) lies above 0; contradicted \
    if it lies below 0; otherwise inconclusive.";
const RISES_EFFECT: &str = "growth of joules per image a year (share)";

pub(super) fn energy_rises(rows: &[InferRow], published: &Published) -> Answer {
    let means = network_means(rows, published);
    let pick = |units: &[usize]| units.iter().map(|it| &means[*it]).collect::<Vec<_>>();
    let growth = estimate(means.len(), |units| Some(slope(&pick(units), log_energy)?.exp() - 1.0));
    let accuracy = estimate(means.len(), |units| slope(&pick(units), |it| it.published.top1));
    let Some(growth) = growth else {
        let why = "fewer than two years with a network and its energy";
        return Answer::too_little(RISES_CRITERION, RISES_EFFECT, means.len(), why);
    };
    let years: Vec<f64> = means.iter().map(year).collect();
    let energies: Vec<f64> = means.iter().map(log_energy).collect();
    let spearman = stats::spearman(&years, &energies).ok();
    Answer {
        criterion: RISES_CRITERION.to_owned(),
        measured: figures([
            ("energy_growth_share_per_year", Some(growth.value)),
            ("accuracy_points_per_year", accuracy.map(|it| it.value)),
        ]),
        verdict: growth.above(0.0),
        reason: format!(
            "joules per image change by {} a year ({}), published accuracy by {} points",
            percent(growth.value),
            percent_interval(growth.ci95),
            signed(accuracy.map(|it| it.value)),
        ),
        evidence: Evidence {
            test:
                "Spearman's rank correlation of year and joules per image; bootstrap of Theil–Sen"
                    .into(),
            statistic: spearman.as_ref().map(|it| it.rho),
            p: spearman.as_ref().map(|it| it.p),
            effect: Some(growth.value),
            effect_name: RISES_EFFECT.to_owned(),
            ci95: growth.ci95,
            n: means.len(),
        },
        origin: origin_of(means.iter().map(|it| it.origin)),
        data: data(rows, &means),
        caveats: caveats(rows, &means),
    }
}

const SLOWS_CRITERION: &str = "Slope of published accuracy over the years in the later half of the \
    networks minus that in the earlier half (Theil–Sen). Supported if its 95 % bootstrap interval \
    (over networks within halves) lies below 0; contradicted if it lies above 0; otherwise \
    inconclusive.";
const SLOWS_EFFECT: &str = "later minus earlier slope of accuracy (points a year)";

pub(super) fn accuracy_slows(rows: &[InferRow], published: &Published) -> Answer {
    let means = network_means(rows, published);
    let half = means.len().div_ceil(2);
    let (earlier, later) = means.split_at(half.min(means.len()));
    let accuracy = |it: &NetworkMean| it.published.top1;
    let change = estimate(means.len(), |units| {
        let drawn = |of: &dyn Fn(usize) -> bool| {
            let picked: Vec<&NetworkMean> =
                units.iter().filter(|it| of(**it)).map(|it| &means[*it]).collect();
            slope(&picked, accuracy)
        };
        Some(drawn(&|it| it >= half)? - drawn(&|it| it < half)?)
    });
    let Some(change) = change else {
        let why = "fewer than two networks of different years in one of the halves";
        return Answer::too_little(SLOWS_CRITERION, SLOWS_EFFECT, means.len(), why);
    };
    let all = |of: &[NetworkMean]| slope(&of.iter().collect::<Vec<_>>(), accuracy);
    let per_doubling = {
        let energies: Vec<f64> = means.iter().map(|it| it.joules_per_image.log2()).collect();
        let top1: Vec<f64> = means.iter().map(accuracy).collect();
        stats::theil_sen(&energies, &top1).ok().map(|it| it.slope)
    };
    Answer {
        criterion: SLOWS_CRITERION.to_owned(),
        measured: figures([
            ("earlier_points_per_year", all(earlier)),
            ("later_points_per_year", all(later)),
            ("points_per_doubling_of_energy", per_doubling),
        ]),
        verdict: change.below(0.0),
        reason: format!(
            "accuracy changed by {} points a year among the earlier and by {} among the later \
             networks; difference {}{}; a doubling of joules per image comes with {} points",
            signed(all(earlier)),
            signed(all(later)),
            signed(Some(change.value)),
            change.ci95.map_or_else(
                || " (too few networks for an interval)".to_owned(),
                |[low, high]| format!(" (95 % interval {} to {})", fixed(low, 2), fixed(high, 2))
            ),
            signed(per_doubling),
        ),
        evidence: Evidence {
            test: "bootstrap of the difference of two Theil–Sen slopes".into(),
            statistic: None,
            p: None,
            effect: Some(change.value),
            effect_name: SLOWS_EFFECT.to_owned(),
            ci95: change.ci95,
            n: means.len(),
        },
        origin: origin_of(means.iter().map(|it| it.origin)),
        data: data(rows, &means),
        caveats: caveats(rows, &means),
    }
}

const SHUFFLENET: &str = "shufflenet_v2_x0_5";
/// "Competitive": within so many points of ImageNet accuracy, or better.
const COMPETITIVE: f64 = 5.0;
/// "Far lower": at most half.
const FAR_LOWER: f64 = 0.5;
const EXCEPTION_CRITERION: &str = "Joules per image of ShuffleNetV2 x0.5 over those of the \
    cheapest other network whose published accuracy is at most 5 points above it. Supported if the \
    95 % bootstrap interval (over runs) lies below 0.5; contradicted if it lies above 0.5; otherwise \
    inconclusive.";
const EXCEPTION_EFFECT: &str = "joules per image, ShuffleNetV2 x0.5 over the cheapest peer (ratio)";

pub(super) fn shufflenet_exception(rows: &[InferRow], published: &Published) -> Answer {
    let means = network_means(rows, published);
    let shufflenet = means.iter().find(|it| it.published.name == SHUFFLENET);
    let Some(shufflenet) = shufflenet else {
        let why = "shufflenet_v2_x0_5 was not run";
        return Answer::too_little(EXCEPTION_CRITERION, EXCEPTION_EFFECT, means.len(), why);
    };
    let peers: Vec<&NetworkMean> = means
        .iter()
        .filter(|it| !it.published.name.starts_with("shufflenet"))
        .filter(|it| it.published.top1 <= shufflenet.published.top1 + COMPETITIVE)
        .collect();
    let runs = shufflenet.runs.len().min(peers.iter().map(|it| it.runs.len()).min().unwrap_or(0));
    let ratio = estimate(runs, |units| {
        let of = |it: &NetworkMean| mean(units.iter().map(|at| it.runs[*at]));
        let cheapest = peers.iter().filter_map(|it| of(it)).min_by(f64::total_cmp)?;
        Some(of(shufflenet)? / cheapest)
    });
    let Some(ratio) = ratio else {
        let why = "no other network of comparable accuracy was run";
        return Answer::too_little(EXCEPTION_CRITERION, EXCEPTION_EFFECT, means.len(), why);
    };
    let alexnet = means.iter().find(|it| it.published.name == "alexnet");
    let names: Vec<&str> = peers.iter().map(|it| it.published.name.as_str()).collect();
    Answer {
        criterion: EXCEPTION_CRITERION.to_owned(),
        measured: figures([
            ("energy_over_cheapest_peer", Some(ratio.value)),
            (
                "energy_over_alexnet",
                alexnet.map(|it| shufflenet.joules_per_image / it.joules_per_image),
            ),
            (
                "accuracy_points_over_alexnet",
                alexnet.map(|it| shufflenet.published.top1 - it.published.top1),
            ),
        ]),
        verdict: ratio.below(FAR_LOWER),
        reason: format!(
            "ShuffleNetV2 x0.5 uses {:.2}× the joules of the cheapest of {}{}",
            ratio.value,
            names.join(", "),
            ratio.ci95.map_or_else(
                || " (too few runs for an interval)".to_owned(),
                |[low, high]| format!(" (95 % interval {} to {})", fixed(low, 2), fixed(high, 2))
            ),
        ),
        evidence: Evidence {
            test: "bootstrap of the ratio of means over runs".into(),
            statistic: None,
            p: None,
            effect: Some(ratio.value),
            effect_name: EXCEPTION_EFFECT.to_owned(),
            ci95: ratio.ci95,
            n: runs,
        },
        origin: origin_of(means.iter().map(|it| it.origin)),
        data: data(rows, &means),
        caveats: caveats(rows, &means),
    }
}

fn data(rows: &[InferRow], means: &[NetworkMean]) -> String {
    let side = rows.first().map_or(0, |it| it.image_side);
    let batch = rows.first().map_or(0, |it| it.batch);
    format!(
        "{} networks, {side}×{side} random images in batches of {batch}; {} runs",
        means.len(),
        rows.len()
    )
}

fn caveats(rows: &[InferRow], means: &[NetworkMean]) -> Vec<String> {
    let mut caveats = vec![
        "Accuracy is torchvision's published figure for its first set of weights, not ours; the \
         networks run with random weights, on which energy does not depend."
            .to_owned(),
    ];
    if rows.iter().any(|it| it.image_side < 224) {
        caveats.push(
            "Images are smaller than the 224×224 the accuracies belong to: networks with large \
             dense layers look dearer than they are, against those that only convolve."
                .to_owned(),
        );
    }
    if means.len() < 12 {
        caveats.push(format!("{} networks are a small sample of a decade.", means.len()));
    }
    caveats
}
