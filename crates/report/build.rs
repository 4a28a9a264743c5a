//! Lists the adapters and tables of `evidence/`, so that a new data set needs no line of code.

use std::{
    env,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("evidence");
    let mut files = Vec::new();
    list_files(&root, &mut files)?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "toml" || kind == "csv"));
    files.sort();
    let mut list = "&[\n".to_owned();
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&root)?.to_str().ok_or("a file's name is not UTF-8")?;
        let path = file.to_str().ok_or("a file's name is not UTF-8")?;
        list.push_str(&format!("    ({name:?}, include_str!({path:?})),\n"));
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("evidence.rs"), list)?;
    Ok(())
}

/// Adds the files of a folder and of its subfolders: data sets, and the recordings of a data set.
fn list_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
