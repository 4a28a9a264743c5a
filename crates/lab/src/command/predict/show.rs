//! A prediction as text and as JSON.

use record::Origin;
use serde_json::{Value, json};

use super::{args::Args, found::Found};
use crate::{
    output,
    predict::{NetworkLayers, Prediction},
};

/// The document of `--json`.
pub(super) fn json(args: &Args, side: usize, layers: &NetworkLayers, found: &Found) -> Value {
    let images = args.images.map_or(1.0, |images| images as f64);
    let interval = |it: &Prediction| it.interval.map(|end| end * images);
    let mut document = json!({
        "schema": "wattlab.predict/1",
        "network": args.network,
        "image_side": side,
        "device": found.device,
        "device_is_known": found.is_known,
        "device_from": found.device_from,
        "scope": found.scope,
        "phase": found.phase,
        "origin": "estimated",
        "fitted_on_joules": found.fitted_on,
        "images": args.images.unwrap_or(1),
        "joules": found.prediction.joules * images,
        "interval95": interval(&found.prediction),
        "is_beyond_measured_networks": found.prediction.is_beyond,
        "forward_flops_per_image": found.work.all_flops(),
        "forward_bytes_per_image": found.work.bytes,
        "layers": layers.passes(),
        "model": {
            "joules_per_forward_window_flop": found.coefficients.per_window_flop,
            "joules_per_forward_flop": found.coefficients.per_flop,
            "joules_per_forward_byte": found.coefficients.per_byte,
            "joules_per_weight_byte": found.coefficients.per_weight_byte,
            "joules_per_layer": found.coefficients.per_pass,
            "networks": found.counts[0],
            "architectures_left_out": found.counts[1],
            "median_error": found.median_error,
            "coverage95": found.coverage,
        },
    });
    if let Some(nearly) = &found.nearly {
        document["device_did_you_mean"] = json!(nearly);
    }
    if let Some((runs, batch)) = found.journal {
        document["journal"] = json!({
            "runs": runs,
            "batch": batch,
            "uncertainty_of_joules": found.uncertainty,
            "interval95_as_recorded": found.as_recorded.as_ref().map(interval),
            "left_out": found.left_out,
        });
    }
    if args.layers {
        let each = layers.iter().zip(&found.layers).map(|(layer, joules)| {
            let work = layer.in_batch(1);
            json!({
                "layer": layer.layer,
                "kind": layer.kind,
                "flops": work.all_flops(),
                "bytes": work.bytes,
                "joules": joules * images,
                "share": joules / found.prediction.joules,
            })
        });
        document["by_layer"] = each.collect();
    }
    document
}

/// The lines for people.
pub(super) fn text(args: &Args, side: usize, layers: &NetworkLayers, found: &Found) -> Vec<String> {
    let images = args.images.map_or(1.0, |images| images as f64);
    let per = args.images.map_or_else(|| "image".to_owned(), |images| format!("{images} images"));
    let joules = |joules: f64| output::joules(joules * images);
    let Found { prediction: Prediction { joules: mean, interval: [low, high], is_beyond }, .. } =
        found;
    let batch =
        found.journal.map_or_else(String::new, |(_, batch)| format!(" in batches of {batch}"));
    let mut lines = vec![format!(
        "{} at {side}×{side} pixels, {}{batch} on {}: {} per {per}, estimated (95 % interval {} to {})",
        args.network,
        found.phase.words(),
        found.device,
        joules(*mean),
        joules(*low),
        joules(*high)
    )];
    if let Some(nearly) = &found.nearly {
        lines.push(format!(
            "  `{}` was not measured; did you mean `{nearly}`?",
            args.device.as_deref().unwrap_or_default()
        ));
    }
    let scope = if found.journal.is_some() { found.scope.as_str() } else { "GPU" };
    lines.push(format!(
        "  {scope} joules; {:.2} GFLOP and {:.1} MB per image in {} layers; device: {}",
        found.work.all_flops() / 1e9,
        found.work.bytes / 1e6,
        layers.passes(),
        found.device_from
    ));
    if let (Some((runs, _)), Some(recorded), Some(uncertainty)) =
        (found.journal, &found.as_recorded, found.uncertainty)
    {
        let of = match found.fitted_on {
            Origin::Measured => "the journal's joules were measured".to_owned(),
            origin => format!("the journal's joules are themselves {}", origin.word()),
        };
        lines.push(format!(
            "  {runs} runs; {of}, ±{:.0} %, which the interval includes; the record of such a run would say {} \
             to {}",
            uncertainty * 100.0,
            joules(recorded.interval[0]),
            joules(recorded.interval[1])
        ));
    }
    let [networks, _] = found.counts;
    lines.push(format!(
        "  fitted on {networks} networks with {} joules; with architectures left out, the median error is {:.1} % and the \
         interval covers {:.1} %",
        found.fitted_on.word(),
        found.median_error * 100.0,
        found.coverage * 100.0
    ));
    if *is_beyond {
        lines.push(
            "  the network is larger or smaller than all measured ones, so the interval is that of \
             extrapolations, widened by the distance"
                .to_owned(),
        );
    }
    lines.extend(
        found.left_out.iter().map(|(reason, count)| format!("  left out: {count} × {reason}")),
    );
    if args.layers {
        lines.extend(table(layers, found, images));
    }
    lines
}

fn table(layers: &NetworkLayers, found: &Found, images: f64) -> Vec<String> {
    let width = layers.iter().map(|layer| layer.layer.chars().count()).max().unwrap_or(0).max(5);
    let mut lines = vec![format!(
        "{:<width$} {:>9} {:>9} {:>9} {:>10} {:>7}",
        "layer", "GFLOP", "MB", "FLOP/B", "estimated", "share"
    )];
    for (layer, joules) in layers.iter().zip(&found.layers) {
        let work = layer.in_batch(1);
        let intensity = work.all_flops() / (work.bytes + work.weights);
        let intensity =
            if intensity.is_finite() { format!("{intensity:.1}") } else { String::new() };
        lines.push(format!(
            "{:<width$} {:>9.4} {:>9.2} {intensity:>9} {:>10} {:>5.1} %",
            layer.layer,
            work.all_flops() / 1e9,
            work.bytes / 1e6,
            output::joules(joules * images),
            100.0 * joules / found.prediction.joules
        ));
    }
    lines.push("only the sum of the layers was tested on architectures left out".to_owned());
    lines
}
