//! The answers in a sentence for each question, at the top of the report. Each rests on a finding whose verdict is
//! decided; an open question has no sentence.

use record::{Finding, Verdict};

use crate::{
    claim::{QueueRow, Rows, distinct, mean, network_means, policy_title},
    document::ShortAnswer,
    number::{fixed, significant},
    pareto::{ParetoFront, TradeOff},
};

/// The answers to those questions that the findings decide.
pub(super) fn answers(rows: &Rows, findings: &[Finding]) -> Vec<ShortAnswer> {
    let decided = |id: &str| {
        let found = findings.iter().find(|finding| finding.id.as_str() == id)?;
        (found.verdict != Verdict::Inconclusive).then_some(found)
    };
    let answers = [
        ("Tuning", "rq1", decided("rq1-bayesian-dominates"), tuning as Sentence),
        ("Layers", "rq2", decided("rq2-conv-dominates"), layers),
        ("Complexity", "rq3", decided("rq3-halved-by-smaller-network"), complexity),
        ("Batching", "rq4", decided("rq4-batching-matters"), batching),
        ("Networks", "rq5", decided("rq5-shufflenet-exception"), networks),
    ];
    let of = |(heading, section, finding, text): (&str, &str, Option<&Finding>, Sentence)| {
        let finding = finding?;
        Some(ShortAnswer {
            heading: heading.to_owned(),
            text: text(finding, rows)?,
            section: section.to_owned(),
            origin: finding.energy_origin,
        })
    };
    answers.into_iter().filter_map(of).collect()
}

type Sentence = fn(&Finding, &Rows) -> Option<String>;

fn figure(finding: &Finding, key: &str) -> Option<f64> {
    finding.measured.get(key).copied().flatten()
}

/// ` (95 % interval 1.0 to 2.0)`, or nothing.
fn interval(finding: &Finding, scale: f64, unit: &str) -> String {
    finding.evidence.ci95.map_or_else(String::new, |[low, high]| {
        format!(
            " (95 % interval {} to {}{unit})",
            significant(low * scale, 2),
            significant(high * scale, 2)
        )
    })
}

fn percent(share: f64) -> String {
    format!("{} %", significant(share * 100.0, 3))
}

fn tuning(finding: &Finding, _: &Rows) -> Option<String> {
    let of = |key: &str| figure(finding, key);
    let (random, grid) = (of("best_accuracy_random")?, of("best_accuracy_grid")?);
    let (bayesian, gain) = (of("best_accuracy_bayesian")?, finding.evidence.effect?);
    let (rival, joules) = if random >= grid {
        ("random", of("search_energy_random_j"))
    } else {
        ("grid", of("search_energy_grid_j"))
    };
    let gain = format!(
        "{} points of accuracy more than the better of grid and random search{}",
        fixed(gain * 100.0, 2),
        interval(finding, 100.0, " points")
    );
    let found =
        format!("{} against {} with {rival} search", percent(bayesian), percent(random.max(grid)));
    let cost = match (of("search_energy_bayesian_j"), joules) {
        (Some(ours), Some(rivals)) => {
            format!(
                "; a search uses {} J against {} J",
                significant(ours, 3),
                significant(rivals, 3)
            )
        }
        _ => String::new(),
    };
    Some(match finding.verdict {
        Verdict::Supported => {
            format!("Tune by Bayesian search: it finds {gain}: {found}{cost}.")
        }
        _ => format!(
            "Random search is enough: Bayesian search as the study ran it finds {gain}: {found}{cost}."
        ),
    })
}

fn layers(finding: &Finding, _: &Rows) -> Option<String> {
    let of = |key: &str| figure(finding, key);
    let (conv, linear, relu) = (of("eta_sq_conv")?, of("eta_sq_linear")?, of("eta_sq_relu")?);
    let shares = format!(
        "convolution blocks explain {} of the differences in training energy, linear layers {}, ReLU {}",
        percent(conv),
        percent(linear),
        percent(relu)
    );
    Some(match finding.verdict {
        Verdict::Supported => format!("Save convolutions first: {shares}."),
        _ => format!("Convolutions are not what costs most here: {shares}."),
    })
}

fn complexity(finding: &Finding, _: &Rows) -> Option<String> {
    let saving = figure(finding, "saving_share")?;
    let cost = figure(finding, "accuracy_cost_points")?;
    let accuracy = if cost >= 0.0 {
        format!("costs {} points of accuracy", fixed(cost, 2))
    } else {
        format!("even gains {} points of accuracy", fixed(-cost, 2))
    };
    let advice =
        if cost < 1.0 { "Try the smaller network first" } else { "A smaller network is a trade" };
    Some(format!(
        "{advice}: with the fewest convolution blocks, training saves {} of the energy{} and {accuracy}.",
        percent(saving),
        interval(finding, 100.0, " %")
    ))
}

/// Joules and the 99th percentile of the response of a policy.
struct Policy {
    title: String,
    joules: f64,
    p99: f64,
}

fn policies(rows: &[&QueueRow]) -> Vec<Policy> {
    let of = |title: String| {
        let mine = || rows.iter().filter(|row| policy_title(row.policy) == title);
        Some(Policy {
            joules: mean(mine().map(|row| row.energy.joules.0 / row.requests as f64))?,
            p99: mean(mine().map(|row| row.p99_response_s))?,
            title,
        })
    };
    distinct(rows.iter().map(|row| policy_title(row.policy))).into_iter().filter_map(of).collect()
}

fn batching(finding: &Finding, rows: &Rows) -> Option<String> {
    if finding.verdict != Verdict::Supported {
        return Some(
            "Choose batches by response time: they hardly change the energy of a request."
                .to_owned(),
        );
    }
    let queues = rows.float32_queues();
    let networks = distinct(queues.iter().map(|row| row.network.as_str()));
    let savings = networks.into_iter().filter_map(|network| {
        let of: Vec<&QueueRow> = queues.iter().filter(|row| row.network == network).collect();
        let policies = policies(&of);
        let least = policies.iter().min_by(|a, b| a.joules.total_cmp(&b.joules))?;
        let single = policies.iter().find(|policy| policy.title == "fixed 1");
        let most = || policies.iter().max_by(|a, b| a.joules.total_cmp(&b.joules));
        let rival = single.or_else(most)?;
        let ratio = least.joules / rival.joules;
        let rival = if rival.title == "fixed 1" { "single requests".to_owned() } else { rival.title.clone() };
        let text = format!(
            "Serve {network} by policy “{}”: {}× the joules per request of {rival}, at a 99th percentile of {} s",
            least.title,
            significant(ratio, 2),
            significant(least.p99, 2)
        );
        Some((ratio, text))
    });
    let (_, text) =
        savings.filter(|(ratio, _)| ratio.is_finite()).min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(format!(
        "{text}; over all networks, the worst policy costs {} more than the best{}.",
        percent(finding.evidence.effect?),
        interval(finding, 100.0, " %")
    ))
}

fn networks(finding: &Finding, rows: &Rows) -> Option<String> {
    let ratio = figure(finding, "energy_over_cheapest_peer")?;
    let shuffle = format!(
        "ShuffleNetV2 x0.5 answers with {}× the joules of the cheapest network of similar accuracy{}",
        significant(ratio, 2),
        interval(finding, 1.0, "")
    );
    let networks = network_means(&rows.float32_infers());
    let trades: Vec<TradeOff> = networks
        .iter()
        .map(|network| TradeOff { cost: network.joules_per_image, gain: network.published.top1 })
        .collect();
    let prices = ParetoFront::of(&trades).prices(&trades);
    let (first, last) = (prices.first()?, prices.last()?);
    if prices.len() < 3 {
        return Some(format!("{shuffle}."));
    }
    Some(format!(
        "{shuffle}; on the way to the most accurate network, the first points of accuracy cost {} J each per 1,000 \
         images, the last ones {} J.",
        significant(first * 1000.0, 2),
        significant(last * 1000.0, 2)
    ))
}
