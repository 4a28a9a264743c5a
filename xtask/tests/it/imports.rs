//! Modules of a crate do not import one another in circles.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Item;

use crate::source::{Crate, Target, crates, paths};

/// For each file, the files whose items it uses.
type Edges = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

#[test]
fn no_files_import_one_another_in_circles() {
    let mut found = Vec::new();
    for krate in crates() {
        for circle in circles(&edges(&krate)) {
            let files: Vec<String> = circle
                .iter()
                .map(|file| file.strip_prefix(&krate.folder).unwrap().display().to_string())
                .collect();
            found.push(format!("{}: {}", krate.name, files.join(", ")));
        }
    }
    assert!(found.is_empty(), "files that import one another in a circle:\n{}", found.join("\n"));
}

/// What each file of a crate uses of its other files.
///
/// A re-export is not a use: who imports a name through it uses the file that defines the name. Declaring a
/// module is not a use either.
fn edges(krate: &Crate) -> Edges {
    let mut edges = Edges::new();
    for (path, module) in &krate.modules {
        let mut targets: Vec<Target> = krate
            .own_imports(path)
            .map(|import| krate.resolve(path, import))
            // Of an imported module, the paths below say what is used.
            .filter(|target| matches!(target, Target::Item(..)))
            .collect();
        targets.extend(krate.own_globs(path).map(|import| krate.resolve(path, import)));
        for item in &module.items {
            if !matches!(item, Item::Use(_) | Item::Mod(_)) {
                for written in paths(item.to_token_stream()) {
                    let target = krate.resolve(path, &written);
                    if matches!(target, Target::Item(..)) {
                        targets.push(target);
                    }
                }
            }
        }
        let used = edges.entry(module.file.clone()).or_default();
        for target in targets {
            if let Target::Item(other, _) | Target::Module(other) = target
                && let Some(other) = krate.modules.get(&other)
                && other.file != module.file
            {
                used.insert(other.file.clone());
            }
        }
    }
    edges
}

/// The sets of files that reach one another.
fn circles(edges: &Edges) -> BTreeSet<BTreeSet<PathBuf>> {
    let reached: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
        edges.keys().map(|file| (file, reach(edges, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(file) {
            let circle: BTreeSet<PathBuf> = others
                .iter()
                .filter(|other| reached[**other].contains(file))
                .map(|other| (*other).clone())
                .collect();
            circles.insert(circle);
        }
    }
    circles
}

/// The files that a file uses, directly or through others.
fn reach<'a>(edges: &'a Edges, file: &PathBuf) -> BTreeSet<&'a PathBuf> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&PathBuf> = edges[file].iter().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(&edges[file]);
        }
    }
    reached
}

#[test]
fn a_circle_is_found() {
    let file = |name: &str| PathBuf::from(name);
    let edges: Edges = [("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["b", "d"]), ("d", vec![])]
        .into_iter()
        .map(|(name, uses)| (file(name), uses.into_iter().map(file).collect()))
        .collect();
    assert_eq!(circles(&edges), BTreeSet::from([BTreeSet::from([file("b"), file("c")])]));
}

#[test]
fn paths_are_found_in_code_and_in_macros() {
    let tokens: TokenStream =
        "fn f() -> a::B { x.c::<d::E>(); format!(\"{}\", super::g::H) }".parse().unwrap();
    let found: Vec<String> = paths(tokens).into_iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::B", "d::E", "super::g::H"]);
}
