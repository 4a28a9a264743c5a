//! The queues and their means, as a document and as a table.

use record::{Origin, ProbeUse};
use serde::Serialize;

use super::cell::Cell;

/// The document of `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    pub(super) schema: &'static str,
    /// The queues in the order in which they were measured.
    pub(super) cells: &'a [Cell],
    /// Means over the rounds.
    pub(super) means: Vec<Mean>,
    /// The probes that measure the joules in this run.
    pub(super) probes: Vec<ProbeUse>,
    /// The largest relative differences between live and simulated figures.
    pub(super) worst_response: f64,
    pub(super) worst_energy: f64,
}

/// The means of a queue over its rounds.
#[derive(Debug, Serialize)]
pub(super) struct Mean {
    /// Means over the rounds, and the sum of the requests.
    #[serde(flatten)]
    pub(super) cell: Cell,
    rounds: usize,
    /// The mean response, live over simulated.
    pub(super) response: Option<Ratio>,
    /// The p99 of the response, live over simulated.
    pub(super) p99: Option<Ratio>,
    /// The energy per request, live over simulated.
    pub(super) energy: Option<Ratio>,
}

/// The ratio of two means over rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Ratio {
    pub(super) mean: f64,
    /// Standard error of the ratio, from the ratios of the rounds; `None` for a single round.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<f64>,
}

/// The means of all queues, by network (in order of the first measurement), load and policy.
pub(super) fn means(cells: &[Cell]) -> Vec<Mean> {
    let mut groups: Vec<Vec<&Cell>> = Vec::new();
    for cell in cells {
        let same = |group: &&mut Vec<&Cell>| {
            let other = group[0];
            (&other.network, &other.policy, other.load) == (&cell.network, &cell.policy, cell.load)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(cell),
            None => groups.push(vec![cell]),
        }
    }
    let first = |of: &Cell| cells.iter().position(|cell| cell.network == of.network);
    groups.sort_by(|a, b| {
        let order = first(a[0]).cmp(&first(b[0])).then(a[0].load.total_cmp(&b[0].load));
        order.then_with(|| a[0].policy.cmp(&b[0].policy))
    });
    groups.iter().map(|group| Mean::new(group)).collect()
}

impl Mean {
    /// The means of the rounds of a queue, at least one.
    pub(super) fn new(group: &[&Cell]) -> Self {
        let n = group.len() as f64;
        let of = |value: fn(&Cell) -> f64| group.iter().map(|cell| value(cell)).sum::<f64>() / n;
        // If one round has no value, the mean has none.
        let some = |value: fn(&Cell) -> Option<f64>| {
            let all: Option<Vec<f64>> = group.iter().map(|cell| value(cell)).collect();
            all.map(|values| values.iter().sum::<f64>() / n)
        };
        let cell = Cell {
            requests: group.iter().map(|cell| cell.requests).sum(),
            rate_rps: of(|cell| cell.rate_rps),
            live_mean_batch: of(|cell| cell.live_mean_batch),
            simulated_mean_batch: of(|cell| cell.simulated_mean_batch),
            live_response_s: of(|cell| cell.live_response_s),
            simulated_response_s: some(|cell| cell.simulated_response_s),
            live_p99_s: some(|cell| cell.live_p99_s),
            simulated_p99_s: some(|cell| cell.simulated_p99_s),
            live_j_per_request: some(|cell| cell.live_j_per_request),
            simulated_j_per_request: some(|cell| cell.simulated_j_per_request),
            energy_origin: group.iter().filter_map(|cell| cell.energy_origin).reduce(Origin::and),
            others_share: some(|cell| cell.others_share),
            drift: some(|cell| cell.drift),
            ..group[0].clone()
        };
        let ratio = |value: fn(&Cell) -> Option<f64>| {
            let mean = value(&cell)?;
            let error = standard_error(group.iter().filter_map(|cell| value(cell)));
            Some(Ratio { mean, error })
        };
        let [response, p99, energy] = [Cell::response, Cell::p99, Cell::energy].map(ratio);
        Self { cell, rounds: group.len(), response, p99, energy }
    }

    /// Whether the relative standard errors of its ratios are at most this share.
    pub(super) fn is_precise(&self, share: f64) -> bool {
        let precise = |ratio: Ratio| ratio.error.is_some_and(|error| error <= share * ratio.mean);
        [self.response, self.energy].into_iter().flatten().all(precise)
    }
}

impl Ratio {
    fn text(self) -> String {
        let error = self.error.map_or_else(String::new, |error| format!(" ± {error:.3}"));
        format!("{:.3}{error}", self.mean)
    }
}

/// The standard error of the mean; `None` for fewer than two values.
fn standard_error(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt())
}

/// The table in Markdown.
pub(super) fn table(document: &Document<'_>) -> String {
    let mut lines = vec![
        "| network | policy | requests/s | rounds | requests | batch, live | simulated | response, live (s) \
         | simulated | ratio | p99, live (s) | simulated | ratio | J/request, live | simulated | ratio |"
            .to_owned(),
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|".to_owned(),
    ];
    for Mean { cell, rounds, response, p99, energy } in &document.means {
        let number = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |number| format!("{number:.4}"))
        };
        let ratio = |value: &Option<Ratio>| value.map_or_else(|| "–".to_owned(), Ratio::text);
        lines.push(format!(
            "| {} | {} | {:.1} | {rounds} | {} | {:.2} | {:.2} | {:.4} | {} | {} | {} | {} | {} | {} | {} | {} |",
            cell.network,
            cell.policy,
            cell.rate_rps,
            cell.requests,
            cell.live_mean_batch,
            cell.simulated_mean_batch,
            cell.live_response_s,
            number(cell.simulated_response_s),
            ratio(response),
            number(cell.live_p99_s),
            number(cell.simulated_p99_s),
            ratio(p99),
            number(cell.live_j_per_request),
            number(cell.simulated_j_per_request),
            ratio(energy),
        ));
    }
    lines.push(format!(
        "\nRatios are those of the means over the rounds, ± standard errors. Largest differences: response {:.1} %, energy {:.1} %.",
        100.0 * document.worst_response,
        100.0 * document.worst_energy
    ));
    let origin = document.cells.iter().filter_map(|cell| cell.energy_origin).reduce(Origin::and);
    if let Some(origin) = origin {
        let probe = |used: &ProbeUse| match &used.model {
            Some(model) => format!("`{}` ({model})", used.probe),
            None => format!("`{}`", used.probe),
        };
        let probes: Vec<String> = document.probes.iter().map(probe).collect();
        lines.push(format!("\nThe joules are {}, by {}.", origin.word(), probes.join(", ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(live_response_s: f64) -> Cell {
        let joules = Some(2.0);
        Cell {
            live_response_s,
            simulated_response_s: Some(1.0),
            live_j_per_request: joules,
            simulated_j_per_request: joules,
            ..Cell::example()
        }
    }

    #[test]
    fn the_standard_error_follows_from_the_ratios_of_the_rounds() {
        let cells = [cell(1.1), cell(0.9), cell(1.3), cell(1.1)];
        let [mean] = &means(&cells)[..] else { panic!("four rounds of one queue") };
        let response = mean.response.unwrap();
        // A standard deviation of √(0.08 / 3), over √4.
        assert!((response.mean - 1.1).abs() < 1e-12);
        assert!((response.error.unwrap() - (0.08_f64 / 3.0).sqrt() / 2.0).abs() < 1e-12);
        assert_eq!(mean.energy, Some(Ratio { mean: 1.0, error: Some(0.0) }));
        assert_eq!((mean.rounds, mean.cell.requests), (4, 256));
        assert!(mean.is_precise(0.08) && !mean.is_precise(0.07));
        let one = Mean::new(&[&cells[0]]);
        assert_eq!(one.response, Some(Ratio { mean: 1.1, error: None }));
        assert!(!one.is_precise(0.9), "one round says nothing");
    }
}
