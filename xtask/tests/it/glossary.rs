//! ARCHITECTURE.md's glossary gives each word one meaning; the crates' public names agree with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use syn::Item;

use crate::source::{Crate, Target, crates, root};

/// Names that two crates may give to different types of theirs: the name says all, and nobody imports both.
const SHARED: &[&str] = &["ConfigError"];

/// The rows of the glossary: the word and the types that it means, as `crate::Type`.
fn glossary() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, after) = text.split_once("## Glossary\n").expect("ARCHITECTURE.md has a glossary");
    let section = after.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let rows: Vec<(String, Vec<String>)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 3, "expected a word, its meaning and its types: {row}");
            let types = cells[2].split('`').filter(|part| part.contains("::"));
            (cells[0].to_owned(), types.map(ToOwned::to_owned).collect())
        })
        .collect();
    assert!(rows.len() >= 20, "the glossary has {} words", rows.len());
    rows
}

/// The types and traits that a crate defines and offers, by name.
fn types(krate: &Crate) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut modules = vec![Vec::new()];
    let mut seen = BTreeSet::new();
    while let Some(module) = modules.pop() {
        if !seen.insert(module.clone()) {
            continue;
        }
        for (name, target) in krate.exports(&module) {
            match target {
                Target::Module(child) => modules.push(child),
                Target::Item(module, item) => {
                    let item = krate.item(&module, &item);
                    if matches!(
                        item,
                        Item::Struct(_) | Item::Enum(_) | Item::Trait(_) | Item::Type(_)
                    ) {
                        found.insert(name);
                    }
                }
                Target::External(_) => {}
            }
        }
    }
    found
}

/// How the crates are called in code: `meter` for `wattlab-meter`, `lab` for `wattlab`.
fn short(name: &str) -> String {
    match name.strip_prefix("wattlab-") {
        Some(rest) => rest.replace('-', "_"),
        None => "lab".to_owned(),
    }
}

#[test]
fn every_type_of_the_glossary_exists() {
    let types: BTreeMap<String, BTreeSet<String>> =
        crates().iter().map(|krate| (short(&krate.name), types(krate))).collect();
    let mut missing = Vec::new();
    for (word, meant) in glossary() {
        for path in meant {
            let (krate, name) = path.split_once("::").unwrap();
            if !types.get(krate).is_some_and(|types| types.contains(name)) {
                missing.push(format!("{word}: `{path}` is not public, or does not exist"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn each_word_of_the_glossary_has_one_meaning() {
    let mut words = BTreeSet::new();
    for (word, _) in glossary() {
        assert!(words.insert(word.to_lowercase()), "`{word}` stands in the glossary twice");
    }
}

#[test]
fn a_public_name_means_the_same_in_every_crate() {
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for krate in crates() {
        for name in types(&krate) {
            owners.entry(name).or_default().push(short(&krate.name));
        }
    }
    // One row of the glossary may give a word's types in several crates: then they mean the same.
    let rows = glossary();
    let together = |name: &str, crates: &[String]| {
        rows.iter().any(|(_, types)| {
            crates.iter().all(|krate| types.contains(&format!("{krate}::{name}")))
        })
    };
    let clashes: Vec<String> = owners
        .iter()
        .filter(|(name, crates)| {
            crates.len() > 1 && !SHARED.contains(&name.as_str()) && !together(name, crates)
        })
        .map(|(name, crates)| format!("`{name}` in {}", crates.join(", ")))
        .collect();
    assert!(
        clashes.is_empty(),
        "public types of one name in several crates; rename them, or give them one row of \
         ARCHITECTURE.md's glossary if they mean the same:\n{}",
        clashes.join("\n")
    );
    for name in SHARED {
        assert!(owners[*name].len() > 1, "`{name}` is in one crate alone; remove it from the list");
    }
}
