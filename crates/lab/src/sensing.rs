//! The flags that say what a meter reads; the same in every command that has a meter.

use std::{fmt, path::PathBuf, process::Command, time::Duration};

use anyhow::anyhow;
use meter::{Builder, Meter};

use crate::Failure;

/// What to read.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Sensing {
    /// Read this folder in place of `/sys`.
    #[arg(long, value_name = "DIR")]
    pub(crate) sysfs: Option<PathBuf>,
    /// Load a probe from a shared library, with its options if it has some.
    #[arg(long, value_name = "FILE[,KEY=VALUE]...", value_parser = plugin)]
    pub(crate) plugin: Vec<PluginFile>,
    /// Load every probe of a folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugin_dir: Option<PathBuf>,
    /// Use this library in place of NVIDIA's `libnvidia-ml.so.1`.
    #[arg(long, value_name = "FILE")]
    pub(crate) nvml_library: Option<PathBuf>,
    /// Run each plugin in a process of its own: one that crashes takes nothing with it.
    #[arg(long)]
    pub(crate) isolate: bool,
}

/// A plugin and its options.
#[derive(Clone, Debug)]
pub(crate) struct PluginFile {
    /// The shared library.
    pub(crate) path: PathBuf,
    /// In the plugin's own words.
    pub(crate) options: Vec<(String, String)>,
}

impl fmt::Display for PluginFile {
    /// As it is on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.options.iter().try_for_each(|(key, value)| write!(f, ",{key}={value}"))
    }
}

/// `FILE[,KEY=VALUE]...` on the command line.
///
/// # Errors
///
/// If what follows a comma has no `=`.
pub(crate) fn plugin(text: &str) -> Result<PluginFile, String> {
    let mut parts = text.split(',');
    let path = PathBuf::from(parts.next().unwrap_or_default());
    let option = |it: &str| match it.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("expected KEY=VALUE after the comma, found `{it}`")),
    };
    Ok(PluginFile { path, options: parts.map(option).collect::<Result<_, _>>()? })
}

impl Sensing {
    /// A meter's builder with these flags. The probe of NVIDIA's GPUs is taken from the folder of
    /// this program, if it is there.
    ///
    /// # Errors
    ///
    /// If `--sysfs` is not a folder.
    pub(crate) fn builder(&self) -> Result<Builder, Failure> {
        let mut builder = Meter::builder();
        if let Some(sysfs) = &self.sysfs {
            if !sysfs.is_dir() {
                let text = format!("--sysfs `{}` is not a folder", sysfs.display());
                return Err(Failure::bad_input(anyhow!(text)));
            }
            builder = builder.sysfs(sysfs);
        }
        for plugin in &self.plugin {
            builder = builder.plugin_with(&plugin.path, plugin.options.clone());
        }
        if let Some(folder) = &self.plugin_dir {
            builder = builder.plugin_dir(folder);
        }
        let nvml = beside_this_program("wattlab_probe_nvml");
        match (&self.nvml_library, nvml) {
            (None, Some(nvml)) => builder = builder.offer_plugin(nvml),
            (None, None) => {}
            (Some(library), Some(nvml)) => {
                let library = library.to_string_lossy().into_owned();
                builder = builder.plugin_with(nvml, vec![("library".to_owned(), library)]);
            }
            (Some(_), None) => {
                let text = "--nvml-library needs the probe `libwattlab_probe_nvml` in this \
                            program's folder; build it with `cargo build --release -p \
                            wattlab-probe-nvml`";
                return Err(Failure::bad_input(anyhow!(text)));
            }
        }
        if self.isolate {
            let program = std::env::current_exe().map_err(Failure::run_time)?;
            builder = builder.isolate(move |path, options| {
                let mut command = Command::new(&program);
                command.args(["plugin", "serve"]).arg(path);
                command.args(options.iter().map(|(key, value)| format!("{key}={value}")));
                command
            });
        }
        Ok(builder)
    }
}

/// A shared library in the folder of this program.
fn beside_this_program(name: &str) -> Option<PathBuf> {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    let path = folder.join(format!("{DLL_PREFIX}{name}{DLL_SUFFIX}"));
    path.is_file().then_some(path)
}

/// Milliseconds on the command line, 1 to an hour.
///
/// # Errors
///
/// If it is not such a number.
pub(crate) fn milliseconds(text: &str) -> Result<Duration, String> {
    let value: f64 = text.parse().map_err(|_| "expected milliseconds, such as 100".to_owned())?;
    if (1.0..=3_600_000.0).contains(&value) {
        Ok(Duration::from_secs_f64(value / 1000.0))
    } else {
        Err("expected 1 to 3600000 milliseconds".to_owned())
    }
}

/// Seconds on the command line, above 0 and up to a day.
///
/// # Errors
///
/// If it is not such a number.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let value: f64 = text.parse().map_err(|_| "expected seconds, such as 10".to_owned())?;
    if value > 0.0 && value <= 86_400.0 {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err("expected above 0 and up to 86400 seconds".to_owned())
    }
}
