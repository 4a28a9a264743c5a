//! The code map of ARCHITECTURE.md names folders and files that exist, and every crate.

use std::fs;

use crate::source::root;

/// The parts of a text in backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_code_map_names_what_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, after) = text.split_once("## Code map\n").expect("ARCHITECTURE.md has a code map");
    let section = after.split("\n## ").next().unwrap();
    let mut folders = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        assert_eq!(cells.len(), 3, "expected a path, its contents and files: {row}");
        let path = quoted(cells[0])[0].trim_end_matches(['/', '*']);
        assert!(root().join(path).is_dir(), "there is no folder `{path}`");
        let files = quoted(cells[2]);
        assert!(!files.is_empty(), "no file to read first: {row}");
        for file in files {
            // Files of a crate are named from its folder, others from the root.
            let places = [root().join(path).join(file), root().join(file)];
            assert!(places.iter().any(|place| place.exists()), "there is no `{file}` in `{path}`");
        }
        folders.push(path.to_owned());
    }
    for entry in fs::read_dir(root().join("crates")).unwrap().flatten() {
        let name = format!("crates/{}", entry.file_name().to_string_lossy());
        assert!(folders.contains(&name), "the code map lacks `{name}`");
    }
}
