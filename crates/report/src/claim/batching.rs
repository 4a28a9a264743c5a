//! RQ4: does batching change energy and response time, and does it depend on the network?

use std::collections::HashMap;

use record::{BatchPolicy, ClaimId, Experiment, Verdict};

use super::{
    Answer, Claim, ClaimFigure, Effect, Estimate, Observations, Question, Sums, Test, distinct,
    mean, origin_of, percent, percent_interval, policy_title, rows::QueueRow, verdict::Margin,
};
use crate::{document::Unit, stats};

/// A change smaller than this share is negligible.
const NEGLIGIBLE: f64 = 0.05;

pub(super) static BATCHING_MATTERS: Claim = Claim {
    id: ClaimId::new("rq4-batching-matters"),
    question: Question::Batching,
    statement: "Batching has a significant effect on the energy and the response time of inference.",
    source: "SEAA 2023; the preserved pilot has one run per cell (ConvNeXt-Base), fixed 16 and greedy",
    criterion: "Two-way ANOVA (type III) of log joules per request and of log mean response time over \
        policy × network. Supported if the policy's effect on both is significant (p < 0.05 after \
        Holm's correction); contradicted if the 95 % jackknife interval (over repetitions) of the energy ratio between \
        the most and the least expensive policy is within 5 % of 1; otherwise inconclusive.",
    effect: Effect {
        name: "joules per request, most over least expensive policy, geometric mean over networks, \
            minus 1",
        unit: Unit::Share,
    },
    figures: &[
        ClaimFigure::published(
            "pilot_energy_greedy_over_fixed_16",
            "energy, greedy over batches of 16",
            Unit::None,
            0.891,
        ),
        ClaimFigure::ours(
            "energy_dearest_over_cheapest",
            "energy, most over least expensive policy",
            Unit::None,
        ),
        ClaimFigure::ours("p_energy", "p of the policy, energy", Unit::PValue),
        ClaimFigure::ours("p_response", "p of the policy, response time", Unit::PValue),
        ClaimFigure::ours("eta_sq_policy_energy", "partial η² of the policy, energy", Unit::None),
        ClaimFigure::ours(
            "eta_sq_policy_response",
            "partial η² of the policy, response time",
            Unit::None,
        ),
    ],
    test: batching_matters,
};

pub(super) static MODEL_DEPENDENT: Claim = Claim {
    id: ClaimId::new("rq4-model-dependent"),
    question: Question::Batching,
    statement: "How much batching changes energy depends strongly on the network.",
    source: "SEAA 2023; ResNet-101, batches of 8 and single images",
    criterion: "Interaction policy × network in the same ANOVA of log joules per request. Supported \
        if it is significant (p < 0.05) and at least two networks were run; contradicted if the 95 % \
        jackknife interval (over repetitions) of the difference between networks is within 5 %; otherwise inconclusive.",
    effect: Effect {
        name: "energy ratio of the most to the least expensive policy: network with the widest ratio \
            over network with the narrowest, minus 1",
        unit: Unit::Share,
    },
    figures: &[
        ClaimFigure::published(
            "resnet101_saving_share_batch_8",
            "energy saved by batches of 8, ResNet-101",
            Unit::Share,
            0.552,
        ),
        ClaimFigure::ours("range_over_range", "widest over narrowest energy ratio", Unit::None),
        ClaimFigure::ours("p_interaction", "p of policy × network", Unit::PValue),
        ClaimFigure::ours(
            "partial_eta_sq_interaction",
            "partial η² of policy × network",
            Unit::None,
        ),
    ],
    test: model_dependent,
};

/// The ANOVA of the logarithm of a response over policy × network (and rate, if it varies).
fn two_way(rows: &[QueueRow], value: fn(&QueueRow) -> f64) -> Option<stats::Anova> {
    let response: Vec<f64> = rows.iter().map(|row| value(row).ln()).collect();
    let mut factors = vec![
        stats::Factor::new("policy", rows.iter().map(|row| policy_title(row.policy))),
        stats::Factor::new("network", rows.iter().map(|row| row.network.clone())),
    ];
    if distinct(rows.iter().map(|row| row.rate)).len() > 1 {
        factors.push(stats::Factor::new("rate", rows.iter().map(|row| row.rate.to_string())));
    }
    stats::anova(&response, &factors, stats::SumsOfSquares::TypeIII).ok()
}

fn joules_per_request(row: &QueueRow) -> f64 {
    row.energy.joules.0 / row.requests as f64
}

/// Joules per request of every network under every policy, summed over repetitions.
struct Policies<'a> {
    networks: Vec<&'a str>,
    /// Number of policies.
    policies: usize,
    /// For each network and policy, the sum of joules per request and the number of runs.
    sums: Sums,
}

impl<'a> Policies<'a> {
    fn of(rows: &'a [QueueRow]) -> Self {
        let networks = distinct(rows.iter().map(|row| row.network.as_str()));
        let policies = distinct(rows.iter().map(|row| row.policy));
        let width = (2 * networks.len() * policies.len()).max(1);
        let mut units: HashMap<u32, usize> = HashMap::new();
        let mut columns: Vec<f64> = Vec::new();
        for row in rows {
            let next = units.len();
            let unit = *units.entry(row.repetition).or_insert(next);
            columns.resize(columns.len().max((unit + 1) * width), 0.0);
            let network = networks.iter().position(|name| *name == row.network).unwrap_or(0);
            let policy = policies.iter().position(|policy| *policy == row.policy).unwrap_or(0);
            let index = unit * width + 2 * (network * policies.len() + policy);
            columns[index] += joules_per_request(row);
            columns[index + 1] += 1.0;
        }
        Self { networks, policies: policies.len(), sums: Sums::of(&columns, width) }
    }

    /// ln of the energy ratio of the most to the least expensive policy for a network, from sums over
    /// some repetitions.
    fn log_range(&self, sums: &[f64], network: usize) -> Option<f64> {
        let of_network = &sums[2 * network * self.policies..][..2 * self.policies];
        let means =
            of_network.chunks_exact(2).filter(|pair| pair[1] > 0.0).map(|pair| pair[0] / pair[1]);
        let means: Vec<f64> = means.collect();
        let highest = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lowest = means.iter().copied().fold(f64::INFINITY, f64::min);
        (means.len() > 1 && lowest > 0.0).then(|| (highest / lowest).ln())
    }

    /// The log ratio of every network; `None` if one of them has none.
    fn log_ranges(&self, sums: &[f64]) -> Option<Vec<f64>> {
        (0..self.networks.len()).map(|network| self.log_range(sums, network)).collect()
    }
}

/// The energy ratio of the most to the least expensive policy, minus 1, over networks, with its
/// interval over repetitions.
fn energy_range(rows: &[QueueRow], error_rate: f64) -> Option<Estimate> {
    let policies = Policies::of(rows);
    let range = |sums: &[f64], _| Some(mean(policies.log_ranges(sums)?)?.exp() - 1.0);
    policies.sums.jackknife(error_rate, range)
}

fn batching_matters(observations: &Observations<'_>) -> Answer {
    let rows = &observations.rows.float32_queues();
    let level = observations.error_rate(Experiment::Batching);
    let (Some(energy), Some(response), Some(range)) = (
        two_way(rows, joules_per_request),
        two_way(rows, |row| row.mean_response_s),
        energy_range(rows, level),
    ) else {
        let why = "no complete, repeated set of runs over policy × network has energy";
        return Answer::too_little(rows.len(), why);
    };
    let p = |anova: &stats::Anova| term(anova, "policy").map(|term| term.p);
    let (Some(p_energy), Some(p_response)) = (p(&energy), p(&response)) else {
        let why = "only one policy was run";
        return Answer::too_little(rows.len(), why);
    };
    // Holm over two: the smaller p doubles, the larger must pass by itself.
    let significant = 2.0 * p_energy.min(p_response) < level && p_energy.max(p_response) < level;
    let negligible = range.ci95.is_some_and(|[_, high]| high < NEGLIGIBLE);
    let verdict = match (significant, negligible) {
        (true, false) => Verdict::Supported,
        (_, true) => Verdict::Contradicted,
        (false, false) => Verdict::Inconclusive,
    };
    Answer {
        measured: vec![
            ("energy_dearest_over_cheapest", Some(range.value + 1.0)),
            ("p_energy", Some(p_energy)),
            ("p_response", Some(p_response)),
            ("eta_sq_policy_energy", term(&energy, "policy").map(|term| term.partial_eta_sq)),
            ("eta_sq_policy_response", term(&response, "policy").map(|term| term.partial_eta_sq)),
            ("pilot_energy_greedy_over_fixed_16", greedy_over_fixed_16(rows)),
        ],
        verdict,
        reason: format!(
            "the most expensive policy costs {} more energy per request than the least expensive \
             ({}); the policy's effect on energy has {}, that on response time {}",
            percent(range.value),
            percent_interval(range.ci95),
            p_text(p_energy),
            p_text(p_response),
        ),
        test: Test {
            name: "two-way ANOVA (type III) of log joules per request; F of policy",
            statistic: term(&energy, "policy").map(|term| term.f),
            p: Some(p_energy),
            effect: Some(range.value),
            ci95: range.ci95,
            n: rows.len(),
        },
        origin: origin_of(rows.iter().map(|row| row.energy.origin)),
        data: data(rows),
        caveats: caveats(rows),
        margins: margin_of_p(
            (2.0 * p_energy.min(p_response)).max(p_energy.max(p_response)),
            level,
            rows,
        ),
    }
}

/// Mean joules per request of greedy batching over those of batches of 16.
fn greedy_over_fixed_16(rows: &[QueueRow]) -> Option<f64> {
    let of = |pick: fn(BatchPolicy) -> bool| {
        mean(rows.iter().filter(|row| pick(row.policy)).map(joules_per_request))
    };
    let greedy = of(|policy| matches!(policy, BatchPolicy::Greedy(_)))?;
    Some(greedy / of(|policy| policy == BatchPolicy::Fixed(16))?)
}

fn model_dependent(observations: &Observations<'_>) -> Answer {
    let rows = &observations.rows.float32_queues();
    let policies = Policies::of(rows);
    let level = observations.error_rate(Experiment::Batching);
    let spread = policies.sums.jackknife(level, |sums, _| {
        let ranges = policies.log_ranges(sums)?;
        let widest = ranges.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let narrowest = ranges.iter().copied().fold(f64::INFINITY, f64::min);
        (ranges.len() > 1).then(|| (widest - narrowest).exp() - 1.0)
    });
    let anova = two_way(rows, joules_per_request);
    let interaction = anova.as_ref().and_then(|anova| term(anova, "policy:network"));
    let (Some(spread), Some(interaction)) = (spread, interaction) else {
        let why = "fewer than two networks have complete, repeated runs with energy";
        return Answer::too_little(rows.len(), why);
    };
    let verdict = match (interaction.p < level, spread.ci95) {
        (_, Some([_, high])) if high < NEGLIGIBLE => Verdict::Contradicted,
        (true, _) => Verdict::Supported,
        (false, _) => Verdict::Inconclusive,
    };
    let whole = policies.sums.whole();
    let named = policies.networks.iter().enumerate();
    let ranges: Vec<String> = named
        .filter_map(|(index, name)| {
            Some(format!("{name} {:.2}×", policies.log_range(whole, index)?.exp()))
        })
        .collect();
    Answer {
        measured: vec![
            ("range_over_range", Some(spread.value + 1.0)),
            ("p_interaction", Some(interaction.p)),
            ("partial_eta_sq_interaction", Some(interaction.partial_eta_sq)),
        ],
        verdict,
        reason: format!(
            "joules per request, most over least expensive policy: {}; the interaction has {}",
            ranges.join(", "),
            p_text(interaction.p),
        ),
        test: Test {
            name: "two-way ANOVA (type III) of log joules per request; F of policy × network",
            statistic: Some(interaction.f),
            p: Some(interaction.p),
            effect: Some(spread.value),
            ci95: spread.ci95,
            n: rows.len(),
        },
        origin: origin_of(rows.iter().map(|row| row.energy.origin)),
        data: data(rows),
        caveats: caveats(rows),
        margins: margin_of_p(interaction.p, level, rows),
    }
}

fn term<'a>(anova: &'a stats::Anova, name: &str) -> Option<&'a stats::AnovaTerm> {
    anova.terms.iter().find(|term| term.term == name)
}

/// How far a p-value is from its level, as quantiles of the normal distribution.
fn margin_of_p(p: f64, level: f64, rows: &[QueueRow]) -> Vec<Margin> {
    let quantile = |p: f64| stats::normal_quantile(1.0 - p.clamp(f64::MIN_POSITIVE, 1.0) / 2.0);
    vec![Margin { ratio: quantile(p.max(1e-15)) / quantile(level), units: rows.len() }]
}

/// `p = 0.012`, `p < 0.001`; the measured figures have all digits.
fn p_text(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

fn data(rows: &[QueueRow]) -> String {
    let networks = distinct(rows.iter().map(|row| row.network.as_str())).join(", ");
    let rates = distinct(rows.iter().map(|row| format!("{}/s", row.rate))).join(", ");
    let requests = rows.first().map_or(0, |row| row.requests);
    format!("{networks}; {requests} requests at {rates}; {} runs", rows.len())
}

fn caveats(rows: &[QueueRow]) -> Vec<String> {
    let mut caveats = Vec::new();
    let photographs = !rows.is_empty() && rows.iter().all(|row| row.preparing_share.is_some());
    if !photographs {
        caveats.push(
            "Images are random numbers that are already in memory: decoding and resizing, which the \
             study counts as part of the service, cost nothing here."
                .to_owned(),
        );
    }
    caveats.push("Weights are random, because energy does not depend on them.".to_owned());
    if rows.iter().any(|row| row.requests < 8192) {
        caveats.push("The study served 8,192 requests per run; these runs are shorter.".to_owned());
    }
    if rows.iter().any(|row| row.utilization > 0.97) {
        caveats.push(
            "Some runs kept the server busy all the time: the queue was overloaded, and its response \
             times grow with the number of requests."
                .to_owned(),
        );
    }
    caveats
}
