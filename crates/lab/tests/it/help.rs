//! Every `--help` page, held as a text file in `tests/help/`, so that changes of words show in a diff.
//!
//! `WATTLAB_UPDATE_HELP=1 cargo test -p wattlab --test it help` writes the files again.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio};

use super::wattlab;

/// The `--help` page of a command, such as `["tune", "run"]`.
fn page(folder: &Path, command: &[String]) -> String {
    let args: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
    // Without a terminal and `COLUMNS`, lines have the largest width.
    let mut wattlab = wattlab(folder, &args);
    let output = wattlab.env_remove("COLUMNS").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The subcommands that a page lists.
fn subcommands(page: &str) -> Vec<String> {
    let lines = page.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The pages of all commands, by file name.
fn pages() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let mut pages = BTreeMap::new();
    // `worker` is hidden from the list.
    let mut open = vec![vec![], vec!["worker".to_owned()]];
    while let Some(command) = open.pop() {
        let page = page(folder.path(), &command);
        for name in subcommands(&page) {
            open.push([command.clone(), vec![name]].concat());
        }
        let words: Vec<&str> =
            ["wattlab"].into_iter().chain(command.iter().map(String::as_str)).collect();
        pages.insert(format!("{}.txt", words.join("-")), page);
    }
    pages
}

#[test]
fn every_help_page_is_as_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help");
    let pages = pages();
    if std::env::var_os("WATTLAB_UPDATE_HELP").is_some() {
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        for (name, page) in &pages {
            fs::write(folder.join(name), page).unwrap();
        }
        return;
    }
    let hint = "if the change is intended, run `WATTLAB_UPDATE_HELP=1 cargo test -p wattlab --test \
                it help` and review the diff";
    let read = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut files: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| read(entry.unwrap())).collect();
    files.sort();
    let names: Vec<String> = pages.keys().cloned().collect();
    assert_eq!(files, names, "files of `tests/help` and commands differ; {hint}");
    for (name, page) in &pages {
        let reviewed = fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(reviewed, *page, "`tests/help/{name}` differs from the page; {hint}");
    }
}
