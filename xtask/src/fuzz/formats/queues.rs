//! Descriptions of queues, and the files that they name.

use super::{Format, Place, sample};

const SIMULATE: &[&str] = &["simulate", "queue.toml"];

pub(super) const FORMATS: &[Format] = &[
    Format::new(
        "queue",
        "description of a queue (TOML)",
        &[sample!("queue.toml"), sample!("calibrated.toml")],
        Place::File("queue.toml"),
        SIMULATE,
    )
    .toml()
    .asks_for_work(),
    Format::new(
        "tokens",
        "description of a generative model (TOML)",
        &[sample!("tokens.toml"), sample!("tokens-traced.toml")],
        Place::File("queue.toml"),
        SIMULATE,
    )
    .toml()
    .asks_for_work()
    .beside(&[("tokens.csv", sample!("tokens.csv"))]),
    Format::new(
        "steps",
        "measured steps of a generative model (CSV)",
        &[sample!("steps.csv")],
        Place::File("steps.csv"),
        &["simulate", "calibrate", "--steps", "steps.csv", "--idle", "75", "--json"],
    ),
    Format::new(
        "trace",
        "arrivals (CSV)",
        &[sample!("trace.csv")],
        Place::File("trace.csv"),
        SIMULATE,
    )
    .beside(&[("queue.toml", sample!("traced.toml"))]),
    Format::new(
        "triton",
        "Triton's model configuration (text)",
        &[sample!("config.pbtxt")],
        Place::File("config.pbtxt"),
        SIMULATE,
    )
    .beside(&[("queue.toml", sample!("triton.toml")), ("trace.csv", sample!("trace.csv"))]),
    Format::new(
        "table",
        "table of observations (CSV)",
        &[sample!("table.csv")],
        Place::File("table.csv"),
        &["stats", "anova", "table.csv", "--formula", "y ~ a*b + x"],
    ),
];
