//! What was measured, as a table.

use record::{Origin, ProbeUse};

use super::{Cell, Document};

/// Each cell's means over its rounds, by network (in order of their first ones), load and policy; of
/// the requests the sum.
pub(super) fn means(cells: &[Cell]) -> Vec<Cell> {
    let mut groups: Vec<Vec<&Cell>> = Vec::new();
    for cell in cells {
        let same = |it: &&mut Vec<&Cell>| {
            let other = it[0];
            (&other.network, &other.policy, other.load) == (&cell.network, &cell.policy, cell.load)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(cell),
            None => groups.push(vec![cell]),
        }
    }
    let first = |it: &Cell| cells.iter().position(|cell| cell.network == it.network);
    groups.sort_by(|a, b| {
        let order = first(a[0]).cmp(&first(b[0])).then(a[0].load.total_cmp(&b[0].load));
        order.then_with(|| a[0].policy.cmp(&b[0].policy))
    });
    let mean = |group: &[&Cell]| {
        let n = group.len() as f64;
        let of = |value: fn(&Cell) -> f64| group.iter().map(|it| value(it)).sum::<f64>() / n;
        // Where one has none, the mean has none.
        let some = |value: fn(&Cell) -> Option<f64>| {
            let all: Option<Vec<f64>> = group.iter().map(|it| value(it)).collect();
            all.map(|it| it.iter().sum::<f64>() / n)
        };
        Cell {
            requests: group.iter().map(|it| it.requests).sum(),
            rate_rps: of(|it| it.rate_rps),
            live_mean_batch: of(|it| it.live_mean_batch),
            simulated_mean_batch: of(|it| it.simulated_mean_batch),
            live_response_s: of(|it| it.live_response_s),
            simulated_response_s: some(|it| it.simulated_response_s),
            live_j_per_request: some(|it| it.live_j_per_request),
            simulated_j_per_request: some(|it| it.simulated_j_per_request),
            energy_origin: group.iter().filter_map(|it| it.energy_origin).reduce(Origin::and),
            others_share: some(|it| it.others_share),
            drift: some(|it| it.drift),
            ..group[0].clone()
        }
    };
    groups.iter().map(|group| mean(group)).collect()
}

/// In Markdown.
pub(super) fn table(document: &Document<'_>) -> String {
    let mut lines = vec![
        "| network | policy | requests/s | requests | batch, live | simulated | response, live (s) \
         | simulated | ratio | J/request, live | simulated | ratio |"
            .to_owned(),
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|".to_owned(),
    ];
    for it in &document.means {
        let number =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |it| format!("{it:.4}"));
        let ratio =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |it| format!("{it:.3}"));
        lines.push(format!(
            "| {} | {} | {:.1} | {} | {:.2} | {:.2} | {:.4} | {} | {} | {} | {} | {} |",
            it.network,
            it.policy,
            it.rate_rps,
            it.requests,
            it.live_mean_batch,
            it.simulated_mean_batch,
            it.live_response_s,
            number(it.simulated_response_s),
            ratio(it.response()),
            number(it.live_j_per_request),
            number(it.simulated_j_per_request),
            ratio(it.energy()),
        ));
    }
    lines.push(format!(
        "\nThe farthest: response {:.1} %, energy {:.1} %.",
        100.0 * document.worst_response,
        100.0 * document.worst_energy
    ));
    let origin = document.cells.iter().filter_map(|it| it.energy_origin).reduce(Origin::and);
    if let Some(origin) = origin {
        let probe = |it: &ProbeUse| match &it.model {
            Some(model) => format!("`{}` ({model})", it.probe),
            None => format!("`{}`", it.probe),
        };
        let probes: Vec<String> = document.probes.iter().map(probe).collect();
        lines.push(format!("\nThe joules are {}, by {}.", origin.word(), probes.join(", ")));
    }
    lines.join("\n")
}
