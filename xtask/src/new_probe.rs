//! `cargo xtask new-probe NAME`: creates a working probe to adapt.

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
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase())
        || !name.chars().all(allowed)
        || name.ends_with('-')
        || name.contains("--")
        || name.len() > 40
    {
        eprintln!(
            "error: probe name `{name}`: expected at most 40 of a-z, 0-9 and single `-`, beginning with a letter"
        );
        return Ok(2);
    }
    let folder = plugins.join(name);
    if folder.exists() {
        eprintln!("error: `{}` already exists; choose another name or remove it", folder.display());
        return Ok(2);
    }
    fs::create_dir_all(folder.join("src"))?;
    for (file, template) in [("Cargo.toml", MANIFEST), ("src/lib.rs", LIB), ("README.md", README)] {
        fs::write(folder.join(file), template.replace("{{name}}", name))?;
    }
    let library = format!("target/debug/libwattlab_probe_{}.so", name.replace('-', "_"));
    eprintln!(
        "wrote {}: a probe that works and reads a number from a file\n\n\
         Next, change `open`, `channels` and `read` in src/lib.rs. Test the probe with\n\n\
         \u{20} cargo test -p wattlab-probe-{name}\n\n\
         Build it and check that it keeps the contract (about a minute the first time) with\n\n\
         \u{20} cargo build -p wattlab-probe-{name}\n\
         \u{20} cargo run -p wattlab-meter --bin wattlab-probe-check -- {library}\n\n\
         Then measure with it:\n\n\
         \u{20} wattlab probes --plugin {library}",
        folder.display()
    );
    Ok(0)
}
