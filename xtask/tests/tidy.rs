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

#[test]
fn unsafe_code_is_forbidden_in_all_other_crates() {
    let allowed = ["crates/probe-abi/", "crates/meter/", "crates/models/"];
    for krate in fs::read_dir(root().join("crates")).unwrap() {
        let folder = krate.unwrap().path();
        let name = format!("crates/{}/", folder.file_name().unwrap().to_string_lossy());
        let lib = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        if !allowed.contains(&name.as_str()) {
            assert!(
                lib.contains("#![forbid(unsafe_code)]"),
                "{name} must have `#![forbid(unsafe_code)]`"
            );
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
    for (path, text) in sources() {
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
