//! Compiles the kernels in `src/device` for GPUs if the feature `cuda` is on.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Machine code for Ampere and Hopper, and PTX that the driver translates for other GPUs.
const TARGETS: [&str; 3] =
    ["arch=compute_80,code=sm_80", "arch=compute_90,code=sm_90", "arch=compute_80,code=compute_80"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/device");
    println!("cargo::rerun-if-env-changed=CUDA_HOME");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    let Some(out) = env::var_os("OUT_DIR") else { return };
    let mut nvcc = Command::new(nvcc());
    for target in TARGETS {
        nvcc.args(["-gencode", target]);
    }
    nvcc.args(["-O3", "-std=c++17", "-fatbin", "-o"]);
    nvcc.arg(Path::new(&out).join("kernels.fatbin")).arg("src/device/kernels.cu");
    let failed = match nvcc.output() {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    println!(
        "cargo::error=`{}` failed: {}; install a CUDA 13 toolkit and set CUDA_HOME to its \
         folder, or run `cargo xtask cuda-toolkit` in the repository, which puts one into target/cuda",
        nvcc.get_program().display(),
        failed.replace('\n', " ")
    );
}

/// The compiler in CUDA_HOME, or else that of `cargo xtask cuda-toolkit`, or else the one on the PATH.
fn nvcc() -> PathBuf {
    if let Some(home) = env::var_os("CUDA_HOME") {
        return Path::new(&home).join("bin/nvcc");
    }
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/cuda/nvidia/cu13/bin/nvcc");
    if ours.exists() { ours } else { PathBuf::from("nvcc") }
}
