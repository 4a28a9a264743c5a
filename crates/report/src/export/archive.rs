//! A run as an archive understands it: what the files are, from which code, after which studies.

use serde_json::{Value, json};

use super::EXPORTERS;
use crate::claim::Runs;

/// The studies that are reproduced, as BibTeX.
pub const STUDIES_BIB: &str = include_str!("../../data/studies.bib");

/// `ro-crate-metadata.json` (RO-Crate 1.1) for the folder of a report: its files, the code that made
/// them, and the studies they are about. `files` are relative to the folder.
#[must_use]
pub fn ro_crate(runs: &Runs, files: &[String]) -> String {
    let id = |id: &str| json!({"@id": id});
    let mut graph = vec![json!({
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": id("https://w3id.org/ro/crate/1.1"),
        "about": id("./"),
    })];
    let parts: Vec<Value> = files.iter().map(|file| id(file)).collect();
    let mut root = json!({
        "@id": "./",
        "@type": "Dataset",
        "name": "wattlab: what does an accuracy point cost in joules?",
        "description": format!(
            "Report of {} runs: findings on two studies of energy in deep learning, with figures, \
             tables and every record.",
            runs.count
        ),
        "hasPart": parts,
        "citation": [id(STUDIES[0].0), id(STUDIES[1].0)],
    });
    if let Some(environment) = &runs.environment {
        let code = &environment.code;
        let mut software = json!({
            "@id": "#wattlab",
            "@type": "SoftwareApplication",
            "name": "wattlab",
            "version": code.version,
        });
        if let Some(revision) = &code.revision {
            software["identifier"] = json!(revision);
        }
        root["instrument"] = id("#wattlab");
        graph.push(software);
    }
    graph.push(root);
    graph.extend(STUDIES.iter().map(|(id, name)| {
        json!({
            "@id": id, "@type": "ScholarlyArticle", "name": name,
        })
    }));
    graph.extend(files.iter().map(|file| {
        let extension = file.rsplit('.').next().unwrap_or_default();
        let exporter = EXPORTERS.iter().find(|exporter| exporter.format == extension);
        let format = match exporter {
            Some(exporter) => exporter.media_type,
            None if extension == "bib" => "text/x-tex",
            None => "application/octet-stream",
        };
        json!({"@id": file, "@type": "File", "encodingFormat": format})
    }));
    let document = json!({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph});
    let mut text = serde_json::to_string_pretty(&document).expect("plain data has a JSON form");
    text.push('\n');
    text
}

const STUDIES: [(&str, &str); 2] = [
    (
        "https://arxiv.org/abs/2303.13972",
        "Uncovering Energy-Efficient Practices in Deep Learning Training: Preliminary Steps Towards \
         Green AI",
    ),
    (
        "https://arxiv.org/abs/2307.11434",
        "Batching for Green AI: An Exploratory Study on Inference",
    ),
];
