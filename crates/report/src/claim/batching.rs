//! RQ4: does batching change energy and response time, and does it depend on the network?

use std::collections::HashMap;

use record::{BatchPolicy, Evidence, Verdict};

use super::{
    Answer, Estimate, Sums, distinct, figures, mean, origin_of, percent_interval, policy_title,
    rows::QueueRow,
};
use crate::stats;

/// Significance level, after Holm's correction over energy and response.
const LEVEL: f64 = 0.05;
/// A change of less than this share is no change worth the name.
const NEGLIGIBLE: f64 = 0.05;

const MATTERS_CRITERION: &str = "Two-way ANOVA (type III) of log joules per request and of log \
    mean response over policy × network. Supported if the policy's effect on both is significant \
    (p < 0.05 after Holm's correction); contradicted if the 95 % bootstrap interval of the energy \
    ratio between the dearest and the cheapest policy lies within 5 % of 1; otherwise inconclusive.";
const MATTERS_EFFECT: &str = "joules per request, dearest over cheapest policy, geometric mean over \
    networks, minus 1 (share)";

/// The ANOVA of a response over policy × network (and rate, if it varies); the terms by name.
fn two_way(rows: &[QueueRow], value: fn(&QueueRow) -> f64) -> Option<stats::Anova> {
    let response: Vec<f64> = rows.iter().map(|it| value(it).ln()).collect();
    let mut factors = vec![
        stats::Factor::new("policy", rows.iter().map(|it| policy_title(it.policy))),
        stats::Factor::new("network", rows.iter().map(|it| it.network.clone())),
    ];
    if distinct(rows.iter().map(|it| it.rate)).len() > 1 {
        factors.push(stats::Factor::new("rate", rows.iter().map(|it| it.rate.to_string())));
    }
    stats::anova(&response, &factors, stats::SumsOfSquares::TypeIII).ok()
}

fn joules_per_request(row: &QueueRow) -> f64 {
    row.energy.joules.0 / row.requests as f64
}

/// Joules per request of every network under every policy, summed over repetitions.
struct Policies<'a> {
    networks: Vec<&'a str>,
    policies: usize,
    /// Of each network and policy the sum and the number of runs.
    sums: Sums,
}

impl<'a> Policies<'a> {
    fn of(rows: &'a [QueueRow]) -> Self {
        let networks = distinct(rows.iter().map(|it| it.network.as_str()));
        let policies = distinct(rows.iter().map(|it| it.policy));
        let width = (2 * networks.len() * policies.len()).max(1);
        let mut places: HashMap<u32, usize> = HashMap::new();
        let mut columns: Vec<f64> = Vec::new();
        for row in rows {
            let repetitions = places.len();
            let unit = *places.entry(row.repetition).or_insert(repetitions);
            columns.resize(columns.len().max((unit + 1) * width), 0.0);
            let network = networks.iter().position(|it| *it == row.network).unwrap_or(0);
            let policy = policies.iter().position(|it| *it == row.policy).unwrap_or(0);
            let at = unit * width + 2 * (network * policies.len() + policy);
            columns[at] += joules_per_request(row);
            columns[at + 1] += 1.0;
        }
        Self { networks, policies: policies.len(), sums: Sums::of(&columns, width) }
    }

    /// ln of dearest over cheapest policy for a network, from sums over some repetitions.
    fn log_range(&self, sums: &[f64], network: usize) -> Option<f64> {
        let of_network = &sums[2 * network * self.policies..][..2 * self.policies];
        let means = of_network.chunks_exact(2).filter(|it| it[1] > 0.0).map(|it| it[0] / it[1]);
        let means: Vec<f64> = means.collect();
        let highest = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lowest = means.iter().copied().fold(f64::INFINITY, f64::min);
        (means.len() > 1 && lowest > 0.0).then(|| (highest / lowest).ln())
    }

    /// The same of every network; `None` if one has no range.
    fn log_ranges(&self, sums: &[f64]) -> Option<Vec<f64>> {
        (0..self.networks.len()).map(|it| self.log_range(sums, it)).collect()
    }
}

/// The share that dearest costs over cheapest, over networks, with its interval over repetitions.
fn energy_range(rows: &[QueueRow]) -> Option<Estimate> {
    let policies = Policies::of(rows);
    policies.sums.estimate(|it| Some(mean(policies.log_ranges(it)?)?.exp() - 1.0))
}

pub(super) fn batching_matters(rows: &[QueueRow]) -> Answer {
    let (Some(energy), Some(response), Some(range)) = (
        two_way(rows, joules_per_request),
        two_way(rows, |it| it.mean_response_s),
        energy_range(rows),
    ) else {
        let why = "policy × network has no complete, repeated set of runs with energy";
        return Answer::too_little(MATTERS_CRITERION, MATTERS_EFFECT, rows.len(), why);
    };
    let p = |anova: &stats::Anova| term(anova, "policy").map(|it| it.p);
    let (Some(p_energy), Some(p_response)) = (p(&energy), p(&response)) else {
        let why = "policy has a single level";
        return Answer::too_little(MATTERS_CRITERION, MATTERS_EFFECT, rows.len(), why);
    };
    // Holm over two: the smaller p doubles, the larger must pass by itself.
    let significant = 2.0 * p_energy.min(p_response) < LEVEL && p_energy.max(p_response) < LEVEL;
    let negligible = range.ci95.is_some_and(|[_, high]| high < NEGLIGIBLE);
    let verdict = match (significant, negligible) {
        (true, false) => Verdict::Supported,
        (_, true) => Verdict::Contradicted,
        (false, false) => Verdict::Inconclusive,
    };
    Answer {
        criterion: MATTERS_CRITERION.to_owned(),
        measured: figures([
            ("energy_dearest_over_cheapest", Some(range.value + 1.0)),
            ("p_energy", Some(p_energy)),
            ("p_response", Some(p_response)),
            ("eta_sq_policy_energy", term(&energy, "policy").map(|it| it.partial_eta_sq)),
            ("eta_sq_policy_response", term(&response, "policy").map(|it| it.partial_eta_sq)),
            ("pilot_energy_greedy_over_fixed_16", greedy_over_fixed_16(rows)),
        ]),
        verdict,
        reason: format!(
            "the dearest policy costs {:.1} % more energy per request than the cheapest ({}); \
             policy's effect on energy {}, on response {}",
            range.value * 100.0,
            percent_interval(range.ci95),
            p_text(p_energy),
            p_text(p_response),
        ),
        evidence: Evidence {
            test: "two-way ANOVA (type III) of log joules per request; F of policy".into(),
            statistic: term(&energy, "policy").map(|it| it.f),
            p: Some(p_energy),
            effect: Some(range.value),
            effect_name: MATTERS_EFFECT.to_owned(),
            ci95: range.ci95,
            n: rows.len(),
        },
        origin: origin_of(rows.iter().map(|it| it.energy.origin)),
        data: data(rows),
        caveats: caveats(rows),
    }
}

/// Joules of the greedy policy over those of batches of 16, over the networks that ran both.
fn greedy_over_fixed_16(rows: &[QueueRow]) -> Option<f64> {
    let of = |pick: fn(BatchPolicy) -> bool| {
        mean(rows.iter().filter(|it| pick(it.policy)).map(joules_per_request))
    };
    let greedy = of(|it| matches!(it, BatchPolicy::Greedy(_)))?;
    Some(greedy / of(|it| it == BatchPolicy::Fixed(16))?)
}

const MODEL_CRITERION: &str = "Interaction policy × network in the same ANOVA of log joules per \
    request. Supported if it is significant (p < 0.05) and at least two networks were run; \
    contradicted if the 95 % bootstrap interval of the difference between networks lies within \
    5 %; otherwise inconclusive.";
const MODEL_EFFECT: &str = "dearest over cheapest policy: the network with the widest range over that with the narrowest, \
     minus 1 (share)";

pub(super) fn model_dependent(rows: &[QueueRow]) -> Answer {
    let policies = Policies::of(rows);
    let spread = policies.sums.estimate(|it| {
        let ranges = policies.log_ranges(it)?;
        let widest = ranges.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let narrowest = ranges.iter().copied().fold(f64::INFINITY, f64::min);
        (ranges.len() > 1).then(|| (widest - narrowest).exp() - 1.0)
    });
    let anova = two_way(rows, joules_per_request);
    let interaction = anova.as_ref().and_then(|it| term(it, "policy:network"));
    let (Some(spread), Some(interaction)) = (spread, interaction) else {
        let why = "fewer than two networks have complete, repeated runs with energy";
        return Answer::too_little(MODEL_CRITERION, MODEL_EFFECT, rows.len(), why);
    };
    let verdict = match (interaction.p < LEVEL, spread.ci95) {
        (_, Some([_, high])) if high < NEGLIGIBLE => Verdict::Contradicted,
        (true, _) => Verdict::Supported,
        (false, _) => Verdict::Inconclusive,
    };
    let whole = policies.sums.whole();
    let named = policies.networks.iter().enumerate();
    let ranges: Vec<String> = named
        .filter_map(|(at, it)| Some(format!("{it} {:.2}×", policies.log_range(whole, at)?.exp())))
        .collect();
    Answer {
        criterion: MODEL_CRITERION.to_owned(),
        measured: figures([
            ("range_over_range", Some(spread.value + 1.0)),
            ("p_interaction", Some(interaction.p)),
            ("partial_eta_sq_interaction", Some(interaction.partial_eta_sq)),
        ]),
        verdict,
        reason: format!(
            "joules per request, dearest over cheapest policy: {}; interaction {}",
            ranges.join(", "),
            p_text(interaction.p),
        ),
        evidence: Evidence {
            test: "two-way ANOVA (type III) of log joules per request; F of policy × network"
                .into(),
            statistic: Some(interaction.f),
            p: Some(interaction.p),
            effect: Some(spread.value),
            effect_name: MODEL_EFFECT.to_owned(),
            ci95: spread.ci95,
            n: rows.len(),
        },
        origin: origin_of(rows.iter().map(|it| it.energy.origin)),
        data: data(rows),
        caveats: caveats(rows),
    }
}

fn term<'a>(anova: &'a stats::Anova, name: &str) -> Option<&'a stats::AnovaTerm> {
    anova.terms.iter().find(|it| it.term == name)
}

/// `p = 0.012`, `p < 0.001`; all digits are among the measured figures.
fn p_text(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

fn data(rows: &[QueueRow]) -> String {
    let networks = distinct(rows.iter().map(|it| it.network.as_str())).join(", ");
    let rates = distinct(rows.iter().map(|it| format!("{}/s", it.rate))).join(", ");
    let requests = rows.first().map_or(0, |it| it.requests);
    format!("{networks}; {requests} requests at {rates}; {} runs", rows.len())
}

fn caveats(rows: &[QueueRow]) -> Vec<String> {
    let mut caveats = vec![
        "Images are random numbers already in memory: decoding and resizing, which the study counts \
         into the service, cost nothing here."
            .to_owned(),
        "Weights are random: energy does not depend on them, accuracy plays no part here.".to_owned(),
    ];
    if rows.iter().any(|it| it.requests < 8192) {
        caveats.push("The study served 8,192 requests a run.".to_owned());
    }
    if rows.iter().any(|it| it.utilization > 0.97) {
        caveats.push(
            "Some runs kept the server busy all the time: their response times grow with the number \
             of requests and describe an overloaded queue."
                .to_owned(),
        );
    }
    caveats
}
