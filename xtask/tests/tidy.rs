//! Rules of this repository that the compiler does not check.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust files of the workspace, with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["crates", "plugins", "xtask"].iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().unwrap() != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(files.len() > 50, "the sources were not found");
    files
}

#[test]
fn no_module_has_a_catch_all_name() {
    for (path, _) in sources() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !["utils", "util", "helpers", "common", "misc"].contains(&name.as_str()),
            "{}",
            path.display()
        );
    }
}

/// The only places with unsafe code: the C interface of probes, the loader of plugins, and the SIMD and
/// device kernels. A folder stands for all files in it.
const UNSAFE: &[&str] = &[
    "crates/probe-abi/src/glue.rs",
    "crates/probe-abi/src/table.rs",
    "crates/probe-abi/src/tests.rs",
    "crates/meter/src/plugin/mod.rs",
    "crates/models/src/device/cuda.rs",
    "crates/models/src/device/emulated.rs",
    "crates/models/src/device/buffer.rs",
    "crates/models/src/kernels/",
    "crates/models/tests/guarded/",
];

/// The files whose crate or module lifts the lint `unsafe_code`.
const LIFTS: &[&str] = &[
    "crates/probe-abi/src/lib.rs",
    "crates/meter/src/plugin/mod.rs",
    "crates/models/src/device/mod.rs",
    "crates/models/src/kernels/mod.rs",
    "crates/models/tests/guarded/main.rs",
];

/// A file's code without comments and texts, which may mention the word.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.flat_map(|line| line.split('"').step_by(2)).collect::<Vec<_>>().join("\n")
}

#[test]
fn unsafe_code_is_only_where_it_is_allowed() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        // This file names the lint.
        if path == "xtask/tests/tidy.rs" {
            continue;
        }
        let allowed = UNSAFE.iter().find(|place| path.starts_with(**place));
        let code = code(&text);
        let is_word = |word: &str, at: usize| {
            let letter = |c: char| c.is_alphanumeric() || c == '_';
            !code[at + word.len()..].starts_with(letter) && !code[..at].ends_with(letter)
        };
        let uses = code.match_indices("unsafe").any(|(at, word)| {
            // `#[unsafe(no_mangle)]` is what the macro `export!` writes into a plugin.
            is_word(word, at) && !code[at..].starts_with("unsafe(")
        });
        match allowed {
            None if uses => found.push(format!("{path} has unsafe code")),
            Some(place) if uses || place.ends_with('/') => {}
            Some(place) => {
                found.push(format!("{place} has no unsafe code; remove it from the list"))
            }
            None => {}
        }
        let lifts = code.contains("expect(unsafe_code") || code.contains("allow(unsafe_code");
        if lifts != LIFTS.contains(&path.as_str()) {
            found.push(format!("{path}: the lint `unsafe_code` is lifted: {lifts}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_other_crate_forbids_unsafe_code() {
    let with_unsafe: Vec<&str> = UNSAFE.iter().filter_map(|path| path.split('/').nth(1)).collect();
    for folder in ["crates", "plugins"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let library = entry.unwrap().path().join("src/lib.rs");
            let Ok(text) = fs::read_to_string(&library) else { continue };
            let name = library.components().rev().nth(2).unwrap().as_os_str().to_owned();
            if !with_unsafe.contains(&name.to_string_lossy().as_ref()) {
                let path = library.display();
                assert!(text.contains("#![forbid(unsafe_code)]"), "{path} must forbid unsafe code");
            }
        }
    }
}

#[test]
fn the_changelog_has_a_section_for_the_current_version() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \""))
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap();
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(&format!("## {version}")), "CHANGELOG.md lacks version {version}");
}

#[test]
fn the_pinned_toolchain_is_the_rust_version_of_the_crates() {
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let pinned = value(&toolchain, "channel");
    let asked = value(&manifest, "rust-version");
    assert!(pinned.starts_with(&asked), "pinned {pinned}, asked for {asked}");
}

/// `it` says nothing about a value. A few closures are so short that a name would not help.
#[test]
fn closures_name_their_parameters() {
    let count: usize = sources().iter().map(|(_, text)| text.matches("|it|").count()).sum();
    assert!(count < 300, "{count} closures call their parameter `it`");
}

#[test]
fn paragraphs_of_the_architecture_are_short() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut in_code = false;
    let prose: Vec<&str> = text
        .lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            in_code ^= fence;
            !in_code && !fence && !line.starts_with('|')
        })
        .collect();
    for paragraph in prose.split(|line| line.is_empty()) {
        let of_list = |line: &str| line.starts_with(|letter: char| letter.is_ascii_digit());
        let items: Vec<String> = if paragraph.iter().all(|line| of_list(line)) {
            paragraph.iter().map(|&line| line.to_owned()).collect()
        } else {
            vec![paragraph.join(" ")]
        };
        for item in items {
            let sentences = item
                .trim_start_matches(|letter: char| letter.is_ascii_digit() || ". ".contains(letter))
                .split(". ")
                .count();
            assert!(sentences <= 5, "{sentences} sentences, expected at most 5: {item}");
        }
    }
}

/// The Markdown files of the repository.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".md") {
                pages.push(path);
            }
        }
    }
    assert!(pages.len() > 10, "the pages were not found");
    pages
}

#[test]
fn links_between_files_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for rest in text.split("](").skip(1) {
            let link = rest.split([')', '#', ' ']).next().unwrap();
            let outside = link.contains("://") || link.contains("::") || link.is_empty();
            if !outside && !page.parent().unwrap().join(link).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links to files that do not exist:\n{}", broken.join("\n"));
}

/// A package that includes a file from outside its folder would not compile once it is published.
#[test]
fn included_files_are_in_their_package() {
    let libraries = sources().into_iter().filter(|(path, _)| path.iter().any(|name| name == "src"));
    for (path, text) in libraries {
        let mut folder = path.parent().unwrap();
        while !folder.join("Cargo.toml").exists() {
            folder = folder.parent().unwrap();
        }
        let depth = path.parent().unwrap().strip_prefix(folder).unwrap().components().count();
        for part in text.split("include_").skip(1) {
            let Some(included) = part
                .strip_prefix("str!(\"")
                .or_else(|| part.strip_prefix("bytes!(\""))
                .and_then(|rest| rest.split('"').next())
            else {
                continue;
            };
            let ups = included.split('/').filter(|&name| name == "..").count();
            assert!(
                ups <= depth || path.starts_with(root().join("xtask")),
                "{} includes {included}",
                path.display()
            );
        }
    }
}

#[test]
fn files_that_the_architecture_names_exist() {
    let files: Vec<String> = sources().iter().map(|(path, _)| path.display().to_string()).collect();
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for name in text.split('`').filter(|part| part.ends_with(".rs") && !part.contains("NAME")) {
            let found = files.iter().any(|file| file.ends_with(&format!("/{name}")));
            assert!(found, "{page} names {name}, which is not in the repository");
        }
    }
}
