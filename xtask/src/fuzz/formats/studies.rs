//! Profiles, journals, and the files of a study's folder and of its work folder.

use super::{Format, Place, sample};

const RECORD: &str = "crates/record/tests/it/record-1.jsonl";
const JOURNAL: &[(&str, &str)] = &[("out/journal.jsonl", RECORD)];
const SETTINGS: (&str, &str) = ("work/settings.json", sample!("settings.json"));
const PROFILES: &[&str] = &[
    sample!("profile.toml"),
    "configs/quick.toml",
    "configs/standard.toml",
    "configs/gpu.toml",
    "configs/accuracy.toml",
    "configs/engines.toml",
];

pub(super) const FORMATS: &[Format] = &[
    Format::new(
        "profile",
        "profile of a study (TOML)",
        PROFILES,
        Place::File("out/profile.toml"),
        &["status", "out"],
    )
    .toml()
    .beside(JOURNAL),
    Format::new(
        "plan",
        "profile (TOML): plan",
        &[sample!("profile.toml")],
        Place::File("profile.toml"),
        &["reproduce", "--profile", "profile.toml", "--plan", "--out", "out"],
    )
    .toml(),
    Format::new(
        "journal",
        "journal (JSON Lines): verify",
        &[RECORD],
        Place::File("journal.jsonl"),
        &["journal", "verify", "journal.jsonl"],
    )
    .json()
    .codes(&[0, 1, 2]),
    Format::new(
        "report",
        "journal (JSON Lines): report",
        &[RECORD],
        Place::File("out/journal.jsonl"),
        &["report", "out", "--format", "md,csv"],
    )
    .json(),
    Format::new(
        "export",
        "journal (JSON Lines): export",
        &[RECORD],
        Place::File("journal.jsonl"),
        &["journal", "export", "journal.jsonl", "--to", "runs.csv"],
    )
    .json(),
    Format::new(
        "status",
        "status of a study (JSON)",
        &[sample!("status.json")],
        Place::File("out/status.json"),
        &["status", "out"],
    )
    .json()
    .beside(JOURNAL),
    Format::new(
        "results",
        "results of a study (JSON)",
        &["results/photographs/results.json"],
        Place::File("out/results.json"),
        &["check", "out"],
    )
    .json()
    .codes(&[0, 1, 2]),
    Format::new(
        "settings",
        "work folder: settings (JSON)",
        &[sample!("settings.json")],
        Place::File("work/settings.json"),
        &["worker", "work", "--name", "w"],
    )
    .json()
    .beside(&[("work/todo/0000000000-a.json", sample!("run-layers.json"))])
    .asks_for_work(),
    Format::new(
        "run",
        "work folder: a run (JSON)",
        &[sample!("run-layers.json"), sample!("run-timeline.json")],
        Place::File("work/todo/0000000000-a.json"),
        &["worker", "work", "--name", "w"],
    )
    .json()
    .beside(&[SETTINGS])
    .asks_for_work(),
    Format::new(
        "taken",
        "work folder: a run taken (JSON)",
        &[sample!("run-layers.json")],
        Place::File("work/taken/w/0000000000-a.json"),
        &["worker", "work", "--name", "w"],
    )
    .json()
    .beside(&[SETTINGS])
    .asks_for_work(),
];
