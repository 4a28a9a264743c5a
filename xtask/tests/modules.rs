//! The modules of a crate use one another in one direction: their imports form no cycle.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Crates whose files form no cycle.
const CRATES: [&str; 2] = ["hpo", "tuner"];

/// Each module's path, such as `sampler::grid`, and the modules whose items it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The source files of a folder and its folders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The module of a file: `sampler/grid.rs` is `sampler::grid`, `sampler/mod.rs` is `sampler`.
fn module(file: &Path, source: &Path) -> String {
    let path = file.strip_prefix(source).unwrap().with_extension("");
    let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let path = parts.join("::");
    path.strip_suffix("::mod").map_or(path.clone(), str::to_owned)
}

/// Every path in a `use` tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap().trim().to_owned()];
    };
    let inner = rest.trim_end().strip_suffix('}').unwrap();
    let (mut parts, mut depth, mut part) = (Vec::new(), 0, String::new());
    for character in inner.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(character);
    }
    parts.push(part);
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| paths(part)).map(|path| format!("{}{path}", prefix.trim())).collect()
}

/// The imports of a crate, from its private `use` items outside of test modules. Re-exports (`pub use`)
/// are left out: a folder's `mod.rs` collects what its files define.
fn imports(source: &Path) -> Imports {
    let files = files(source);
    let modules: BTreeSet<String> = files.iter().map(|file| module(file, source)).collect();
    let mut imports = Imports::new();
    for file in &files {
        let own = module(file, source);
        let text = fs::read_to_string(file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let mut used = BTreeSet::new();
        for item in
            text.split(';').filter_map(|item| item.rfind("\nuse ").map(|at| &item[at + 5..]))
        {
            for path in paths(item) {
                let parent = own.rsplit_once("::").map_or("", |(parent, _)| parent);
                let is_folder = file.ends_with("mod.rs") || file.ends_with("lib.rs");
                let absolute = if let Some(rest) = path.strip_prefix("crate::") {
                    rest.to_owned()
                } else if let Some(rest) = path.strip_prefix("super::") {
                    format!("{parent}::{rest}").trim_start_matches(':').to_owned()
                } else if let Some(rest) = path.strip_prefix("self::").filter(|_| is_folder) {
                    format!("{own}::{rest}")
                } else {
                    continue;
                };
                // The longest prefix that is a module.
                let parts: Vec<&str> = absolute.split("::").collect();
                let prefixes = (1..=parts.len()).rev().map(|count| parts[..count].join("::"));
                used.extend(prefixes.into_iter().find(|prefix| modules.contains(prefix)));
            }
        }
        used.remove(&own);
        imports.insert(own, used);
    }
    // An item of a folder comes from one of its files, so the folder's module uses its files.
    let folders: Vec<String> = modules
        .iter()
        .filter(|name| modules.iter().any(|other| other.starts_with(&format!("{name}::"))))
        .cloned()
        .collect();
    for folder in folders {
        let prefix = format!("{folder}::");
        let inner: Vec<String> =
            modules.iter().filter(|name| name.starts_with(&prefix)).cloned().collect();
        imports.entry(folder).or_default().extend(inner);
    }
    imports
}

/// The modules of a cycle, if there is one.
fn cycle(imports: &Imports) -> Option<Vec<String>> {
    let mut left = imports.clone();
    loop {
        let done: Vec<String> = left
            .iter()
            .filter(|(_, used)| used.iter().all(|name| !left.contains_key(name)))
            .map(|(name, _)| name.clone())
            .collect();
        if done.is_empty() {
            return (!left.is_empty()).then(|| left.into_keys().collect());
        }
        done.iter().for_each(|name| drop(left.remove(name)));
    }
}

#[test]
fn the_modules_of_a_crate_form_no_cycle() {
    for name in CRATES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(name).join("src");
        let imports = imports(&source);
        assert!(imports.len() > 5, "{name}: found only {:?}", imports.keys());
        assert_eq!(cycle(&imports), None, "{name}: these modules, or some of them, form a cycle");
    }
}

#[test]
fn a_cycle_is_found() {
    let used = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let imports = Imports::from([
        ("a".to_owned(), used(&["b"])),
        ("b".to_owned(), used(&["c"])),
        ("c".to_owned(), used(&["b"])),
    ]);
    assert_eq!(cycle(&imports), Some(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
    let paths = paths("crate::{a::{B, c::D}, e}");
    assert_eq!(paths, ["crate::a::B", "crate::a::c::D", "crate::e"]);
}
