//! `cargo xtask cuda-toolkit`: installs from PyPI what the feature `cuda` is built with, so that no system-wide
//! CUDA is needed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

use crate::process::root;

/// The parts of CUDA 13.0.2: compiler, its headers, its optimizer, the runtime's headers, and the C++ library
/// that those include.
const PARTS: [&str; 5] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
];
const RELEASE: &str = "release 13.0";

/// A kernel with the features that our kernels use: barriers, shared memory, 16-bit numbers.
const PROBE: &str = r#"#include <cuda_bf16.h>
extern "C" __global__ void probe(float* x, __nv_bfloat16* y) {
    __shared__ float near[256];
    near[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = __float2bfloat16(near[255 - threadIdx.x]);
}
"#;

pub(crate) fn run(args: &[&str]) -> anyhow::Result<u8> {
    match args {
        [] => {
            if check(&home()).is_err() {
                install()?;
            }
            let version = check(&home())?;
            eprintln!("{version}, checked: it compiles for sm_80 and sm_90");
        }
        ["--check"] => {
            let version = check(&home()).with_context(|| {
                "`target/cuda` holds no working toolkit; run `cargo xtask cuda-toolkit`".to_owned()
            })?;
            eprintln!("{version}, checked: it compiles for sm_80 and sm_90");
        }
        _ => bail!("usage: cargo xtask cuda-toolkit [--check]"),
    }
    variables(&home());
    Ok(0)
}

/// The toolkit's folder. The build script of `wattlab-models` looks for it there, too.
pub(crate) fn home() -> PathBuf {
    root().join("target/cuda/nvidia/cu13")
}

fn install() -> anyhow::Result<()> {
    let folder = root().join("target/cuda");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("failed to clear `{}`", folder.display()))?;
    }
    let common = ["install", "--quiet", "--no-deps", "--only-binary=:all:", "--target"];
    let pip = |program: &str, first: &[&str]| {
        let mut command = Command::new(program);
        command.args(first).args(common).arg(&folder).args(PARTS).stdout(Stdio::null());
        command
    };
    let mut tried = Vec::new();
    for mut command in [pip("python3", &["-m", "pip"]), pip("uv", &["pip"])] {
        eprintln!("{command:?}");
        match command.status() {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => tried.push(format!("{command:?}: {status}")),
            Err(error) => tried.push(format!("{command:?}: {error}")),
        }
    }
    bail!(
        "failed to install the toolkit from PyPI; check that PyPI can be reached and that `pip` or `uv` is \
         installed:\n{}",
        tried.join("\n")
    )
}

/// The compiler's version, if it is the expected one and compiles a kernel.
fn check(home: &Path) -> anyhow::Result<String> {
    let nvcc = home.join("bin/nvcc");
    let output = Command::new(&nvcc)
        .arg("--version")
        .output()
        .with_context(|| format!("failed to start `{}`", nvcc.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.lines().find(|line| line.contains("release")).unwrap_or_default().trim();
    ensure!(
        version.contains(RELEASE),
        "`{}` is version `{version}`, expected {RELEASE}",
        nvcc.display()
    );
    let source = root().join("target/cuda/probe.cu");
    fs::write(&source, PROBE).with_context(|| format!("failed to write `{}`", source.display()))?;
    let compiled = Command::new(&nvcc)
        .args(["-gencode", "arch=compute_80,code=sm_80", "-gencode", "arch=compute_90,code=sm_90"])
        .args(["-fatbin", "-o"])
        .arg(source.with_extension("fatbin"))
        .arg(&source)
        .output()?;
    ensure!(
        compiled.status.success(),
        "nvcc failed to compile a kernel (it needs a C++ compiler, `g++`): {}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    Ok(format!("nvcc {version}"))
}

/// Prints the variables by which other people's crates find a toolkit. Our own build needs none of them.
#[expect(clippy::print_stdout, reason = "to be evaluated by a shell")]
fn variables(home: &Path) {
    let home = home.display();
    for name in ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR"] {
        println!("export {name}='{home}'");
    }
    println!("export PATH='{home}/bin':\"$PATH\"");
    println!("export CUDA_COMPUTE_CAP=90");
    let shown = if env::var_os("CUDA_HOME").is_some() {
        " (CUDA_HOME is set and takes precedence)"
    } else {
        ""
    };
    eprintln!(
        "`cargo build --release --features cuda` finds the toolkit without these variables{shown}"
    );
}
