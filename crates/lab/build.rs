//! Tells the program which revision it was built from.

use std::process::Command;

fn main() {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    if let Some(folder) = git(&["rev-parse", "--absolute-git-dir"]) {
        println!("cargo:rerun-if-changed={folder}/HEAD");
        println!("cargo:rerun-if-changed={folder}/index");
    }
    println!("cargo:rerun-if-changed=../");
    println!("cargo:rerun-if-changed=../../configs");
    println!(
        "cargo:rustc-env=WATTLAB_REVISION={}",
        git(&["rev-parse", "HEAD"]).unwrap_or_default()
    );
    let changes = git(&["status", "--porcelain", "--untracked-files=no"]).unwrap_or_default();
    println!("cargo:rustc-env=WATTLAB_MODIFIED={}", !changes.is_empty());
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        // cuBLAS may lie beside the program.
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/lib");
    }
}
