//! Studies of `wattlab tune`, and those of others that it imports.

use super::{Format, Place, sample};

const IMPORT: &[&str] = &["tune", "import", "new.jsonl", "trials", "--space", "space.toml"];
const SPACE: &[(&str, &str)] = &[("space.toml", sample!("space.toml"))];

pub(super) const FORMATS: &[Format] = &[
    Format::new(
        "serve",
        "requests to a tuner (JSON Lines)",
        &[sample!("serve.jsonl")],
        Place::Stdin,
        &["tune", "serve"],
    )
    .json(),
    Format::new(
        "space",
        "description of a search (TOML)",
        &[sample!("space.toml"), "examples/tune.toml"],
        Place::File("space.toml"),
        IMPORT,
    )
    .toml()
    .beside(&[("trials", sample!("trials.csv"))]),
    Format::new(
        "study",
        "journal of a search (JSON Lines)",
        &[sample!("study.jsonl")],
        Place::File("study.jsonl"),
        &["tune", "show", "study.jsonl", "--json"],
    )
    .json(),
    Format::new("trials", "trials (CSV)", &[sample!("trials.csv")], Place::File("trials"), IMPORT)
        .beside(SPACE),
    Format::new(
        "optuna-log",
        "Optuna's journal (JSON Lines)",
        &[sample!("optuna.log")],
        Place::File("trials"),
        IMPORT,
    )
    .beside(SPACE)
    .json(),
    Format::new(
        "optuna-db",
        "Optuna's database (SQLite)",
        &[sample!("study.db")],
        Place::File("trials"),
        IMPORT,
    )
    .beside(SPACE),
];
