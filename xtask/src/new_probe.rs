//! `cargo xtask new-probe NAME`: a probe that works, to be filled with life.

use std::{fs, path::Path};

use crate::process::root;

const MANIFEST: &str = include_str!("../template/Cargo.toml.txt");
const LIB: &str = include_str!("../template/lib.rs.txt");
const README: &str = include_str!("../template/README.md.txt");

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    let (name, plugins) = match args {
        [name] => (*name, root().join("plugins")),
        [name, "--into", folder] => (*name, Path::new(folder).to_owned()),
        _ => {
            eprintln!("usage: cargo xtask new-probe NAME [--into DIR]");
            return Ok(2);
        }
    };
    let fine = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    if !name.starts_with(|it: char| it.is_ascii_lowercase())
        || !name.chars().all(fine)
        || name.ends_with('-')
        || name.contains("--")
        || name.len() > 40
    {
        eprintln!(
            "error: probe name `{name}`: expected a-z, 0-9 and single `-`, a letter first, at most 40"
        );
        return Ok(2);
    }
    let folder = plugins.join(name);
    if folder.exists() {
        eprintln!("error: `{}` exists; choose another name or remove it", folder.display());
        return Ok(2);
    }
    fs::create_dir_all(folder.join("src"))?;
    for (file, template) in [("Cargo.toml", MANIFEST), ("src/lib.rs", LIB), ("README.md", README)] {
        fs::write(folder.join(file), template.replace("{{name}}", name))?;
    }
    let library = format!("target/release/libwattlab_probe_{}.so", name.replace('-', "_"));
    eprintln!(
        "wrote {}\n\n  cargo test -p wattlab-probe-{name}\n  cargo build --release -p wattlab-probe-{name}\n  wattlab probes --plugin {library}\n\nthen fill `open`, `channels` and `read` of src/lib.rs",
        folder.display()
    );
    Ok(0)
}
