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
