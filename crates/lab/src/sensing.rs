//! The flags that choose sensors; the same in every command that measures energy.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, anyhow};
use meter::{Builder, Meter};
use serde::{Deserialize, Serialize};
use units::limits::{self, OutOfRange};

use crate::{Failure, output};

/// Which sensors to read, and what to estimate where there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sensing {
    /// Read this folder instead of `/sys`.
    #[arg(long, value_name = "DIR")]
    pub(crate) sysfs: Option<PathBuf>,
    /// Load a probe from a shared library, with its options if it has any; may be repeated.
    #[arg(long, value_name = "FILE[,KEY=VALUE]...", value_parser = plugin)]
    pub(crate) plugin: Vec<PluginFile>,
    /// Load every probe (`libwattlab_probe_*`) of a folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugin_dir: Option<PathBuf>,
    /// Use this library instead of NVIDIA's `libnvidia-ml.so.1`.
    #[arg(long, value_name = "FILE")]
    pub(crate) nvml_library: Option<PathBuf>,
    /// Run each plugin in a process of its own, so that one that crashes does not end this program.
    #[arg(long)]
    pub(crate) isolate: bool,
    /// Time that a plugin may take to open its hardware; by default 10 seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) plugin_timeout: Option<Duration>,
    /// Go on, with a warning, without a plugin that cannot open its hardware. By default that is an error.
    #[arg(long)]
    pub(crate) fall_back: bool,
    /// Also estimate these parts of the machine if no sensor measures them.
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    pub(crate) estimate: Vec<Part>,
    /// The probe of NVIDIA's GPUs; if absent, the one in this program's folder.
    #[arg(skip)]
    pub(crate) nvml_probe: Option<PathBuf>,
}

/// A part of the machine that `--estimate` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub(crate) enum Part {
    /// Memory, from the number of bytes in use.
    Memory,
    /// GPUs, from the share of time in which they are busy.
    Gpu,
}

/// A plugin and its options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginFile {
    /// The shared library.
    pub(crate) path: PathBuf,
    /// Keys and values, which the plugin itself defines.
    pub(crate) options: Vec<(String, String)>,
}

impl fmt::Display for PluginFile {
    /// The text that the command line takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.options.iter().try_for_each(|(key, value)| write!(f, ",{key}={value}"))
    }
}

/// Parses `FILE[,KEY=VALUE]...`.
///
/// # Errors
///
/// If the text after a comma has no `=`.
pub(crate) fn plugin(text: &str) -> Result<PluginFile, String> {
    let mut parts = text.split(',');
    let path = PathBuf::from(parts.next().unwrap_or_default());
    let option = |part: &str| match part.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("expected KEY=VALUE after the comma, found `{part}`")),
    };
    Ok(PluginFile { path, options: parts.map(option).collect::<Result<_, _>>()? })
}

impl Sensing {
    /// A builder of a meter that reads these sensors. It also loads the probe of NVIDIA's GPUs from
    /// this program's folder, if that file exists.
    ///
    /// # Errors
    ///
    /// If `--sysfs` is not a folder, `--nvml-library` cannot be used, or it is given and the NVML probe is
    /// missing.
    pub(crate) fn builder(&self) -> Result<Builder, Failure> {
        let mut builder = Meter::builder();
        if let Some(sysfs) = &self.sysfs {
            if !sysfs.is_dir() {
                let text = format!("--sysfs `{}` is not a folder", sysfs.display());
                return Err(Failure::bad_input(anyhow!(text)));
            }
            builder = builder.sysfs(sysfs);
        }
        let nvml = self.nvml_probe.clone().or_else(bundled_nvml_probe);
        if let Some(library) = self.nvml_library.as_ref().filter(|library| is_path(library)) {
            meter::trusted_library(library)
                .with_context(|| format!("--nvml-library `{}` cannot be used", library.display()))
                .map_err(Failure::BadInput)?;
        }
        // A library is loaded once: the first mention of it, with its options, counts.
        match (&self.nvml_library, nvml.as_ref()) {
            (Some(library), Some(nvml)) => {
                let library = library.to_string_lossy().into_owned();
                builder = builder.want_plugin_with(nvml, vec![("library".to_owned(), library)]);
            }
            (Some(_), None) => {
                let text = "--nvml-library needs the probe `libwattlab_probe_nvml` in this \
                            program's folder; build it with `cargo build --release -p \
                            wattlab-probe-nvml`";
                return Err(Failure::bad_input(anyhow!(text)));
            }
            (None, _) => {}
        }
        for plugin in &self.plugin {
            builder = builder.plugin_with(&plugin.path, plugin.options.clone());
        }
        if let Some(folder) = &self.plugin_dir {
            builder = builder.plugin_dir(folder);
        }
        let in_this_process = !self.isolate
            && (nvml.is_some() || !self.plugin.is_empty() || self.plugin_dir.is_some());
        if in_this_process {
            output::keep_from_plugins()?;
        }
        if let (None, Some(nvml)) = (&self.nvml_library, nvml) {
            builder = builder.offer_plugin(nvml);
        }
        if let Some(timeout) = self.plugin_timeout {
            builder = builder.plugin_timeout(timeout);
        }
        if self.fall_back {
            builder = builder.fall_back();
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
        if self.estimate.contains(&Part::Memory) {
            builder = builder.estimate_memory();
        }
        if self.estimate.contains(&Part::Gpu) {
            builder = builder.estimate_gpus();
        }
        Ok(builder)
    }

    /// Starts a meter with these sensors, for a study. `measured`: without any estimate, so that
    /// every joule is measured, and parts of the machine without a sensor have no energy.
    ///
    /// # Errors
    ///
    /// If a flag is wrong or a plugin cannot be loaded.
    pub(crate) fn start(&self, measured: bool) -> Result<Meter, Failure> {
        let builder = self.builder()?;
        let builder = if measured { builder.estimator(None) } else { builder };
        builder.start().map_err(Failure::bad_input)
    }

    /// The same flags for a worker process, which may run in another folder and, on a cluster, from
    /// a copy of this program: paths are absolute, and the NVML probe is named.
    #[must_use]
    pub(crate) fn for_workers(&self) -> Self {
        // A path that cannot be made absolute is reported by the worker, which cannot open it.
        let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let plugin = self
            .plugin
            .iter()
            .map(|plugin| PluginFile { path: whole(&plugin.path), options: plugin.options.clone() })
            .collect();
        Self {
            sysfs: self.sysfs.as_ref().map(whole),
            plugin,
            plugin_dir: self.plugin_dir.as_ref().map(whole),
            // A plain name is looked for by the system's linker.
            nvml_library: self
                .nvml_library
                .as_ref()
                .map(|library| if is_path(library) { whole(library) } else { library.clone() }),
            isolate: self.isolate,
            plugin_timeout: self.plugin_timeout,
            fall_back: self.fall_back,
            estimate: self.estimate.clone(),
            nvml_probe: self.nvml_probe.clone().or_else(bundled_nvml_probe),
        }
    }

    /// Replaces the path of each shared library by what `bring` makes of it, for machines that may
    /// not see this machine's folders. The probes of `--plugin-dir` are named one by one.
    ///
    /// # Errors
    ///
    /// If the folder cannot be listed or `bring` fails.
    pub(crate) fn bring_libraries<E: std::error::Error + Send + Sync + 'static>(
        &mut self,
        bring: impl Fn(&Path) -> Result<PathBuf, E>,
    ) -> Result<(), Failure> {
        if let Some(folder) = self.plugin_dir.take() {
            let found = meter::probe_libraries(&folder)
                .with_context(|| format!("failed to list plugin folder `{}`", folder.display()))
                .map_err(Failure::bad_input)?;
            let named = |path| PluginFile { path, options: Vec::new() };
            self.plugin.extend(found.into_iter().map(named));
        }
        for plugin in &mut self.plugin {
            plugin.path = bring(&plugin.path).map_err(Failure::bad_input)?;
        }
        if let Some(probe) = &mut self.nvml_probe {
            *probe = bring(probe).map_err(Failure::bad_input)?;
        }
        Ok(())
    }
}

/// Whether a library is given by its path. The system's linker looks for a plain name.
fn is_path(library: &Path) -> bool {
    library.components().count() > 1
}

/// The probe of NVIDIA's GPUs in this program's folder, if the file exists.
fn bundled_nvml_probe() -> Option<PathBuf> {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    let path = folder.join(format!("{DLL_PREFIX}wattlab_probe_nvml{DLL_SUFFIX}"));
    path.is_file().then_some(path)
}

/// Parses milliseconds, 1 to an hour.
///
/// # Errors
///
/// If the text is not such a number.
pub(crate) fn milliseconds(text: &str) -> Result<Duration, OutOfRange> {
    let milliseconds = limits::SAMPLING_INTERVAL_MS.parse(text)?;
    Ok(Duration::from_secs_f64(milliseconds / 1000.0))
}

/// Parses seconds, above 0 and up to a day.
///
/// # Errors
///
/// If the text is not such a number.
pub(crate) fn seconds(text: &str) -> Result<Duration, OutOfRange> {
    limits::POSITIVE_WAIT_S.duration(limits::POSITIVE_WAIT_S.parse(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_get_absolute_paths_and_every_option() {
        let sensing = Sensing {
            sysfs: Some("sys".into()),
            plugin: vec![plugin("plug.so,url=http://127.0.0.1:1,kind=tasmota").unwrap()],
            plugin_dir: Some("probes".into()),
            nvml_library: Some("libnvidia-ml.so.1".into()),
            isolate: true,
            plugin_timeout: Some(Duration::from_secs(20)),
            fall_back: true,
            estimate: vec![Part::Memory],
            nvml_probe: None,
        };
        let for_workers = sensing.for_workers();
        let text = serde_json::to_string(&for_workers).unwrap();
        let read: Sensing = serde_json::from_str(&text).unwrap();
        assert_eq!(read, for_workers);
        let folder = std::env::current_dir().unwrap();
        assert_eq!(read.sysfs, Some(folder.join("sys")));
        assert_eq!(read.plugin[0].path, folder.join("plug.so"));
        assert_eq!(read.plugin[0].options, sensing.plugin[0].options);
        assert_eq!(read.nvml_library, sensing.nvml_library);
        assert!(read.isolate && read.fall_back && read.estimate == sensing.estimate);
        assert_eq!(read.plugin_timeout, sensing.plugin_timeout);
    }

    #[test]
    fn libraries_of_a_folder_are_brought_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let suffix = std::env::consts::DLL_SUFFIX;
        for name in ["libwattlab_probe_a", "libwattlab_probe_b", "libother"] {
            std::fs::write(folder.path().join(format!("{name}{suffix}")), "").unwrap();
        }
        let mut sensing =
            Sensing { plugin_dir: Some(folder.path().to_owned()), ..Sensing::default() };
        let bring = |path: &Path| {
            Ok::<_, std::io::Error>(Path::new("/brought").join(path.file_name().unwrap()))
        };
        sensing.bring_libraries(bring).unwrap();
        let paths: Vec<String> = sensing.plugin.iter().map(PluginFile::to_string).collect();
        let expected = ["a", "b"].map(|name| format!("/brought/libwattlab_probe_{name}{suffix}"));
        assert_eq!((paths, sensing.plugin_dir), (expected.to_vec(), None));
    }
}
