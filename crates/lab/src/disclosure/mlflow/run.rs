//! A run of MLflow as files.

use std::{
    fs, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::yaml::text;

/// The longest value of a parameter that MLflow takes, in characters.
const PARAMETER: usize = 6_000;
/// The longest value of a tag.
const TAG: usize = 5_000;

/// Characters of a name of a metric, a parameter or a tag; a file's name has at most 255 bytes.
const LONGEST: usize = 200;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// With success.
    Finished,
    /// With an error.
    Failed,
    /// By a signal.
    Killed,
}

impl Status {
    /// The number of `mlflow.entities.RunStatus`.
    fn number(self) -> u8 {
        match self {
            Self::Finished => 3,
            Self::Failed => 4,
            Self::Killed => 5,
        }
    }
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct MlflowRun {
    /// Its name.
    pub(crate) name: String,
    /// The program that wrote it.
    pub(crate) source: String,
    pub(crate) started: SystemTime,
    pub(crate) ended: SystemTime,
    pub(crate) status: Status,
    pub(crate) parameters: Vec<(String, String)>,
    /// Those that are not finite are left out.
    pub(crate) metrics: Vec<(String, f64)>,
    pub(crate) tags: Vec<(String, String)>,
    /// Files: name and content.
    pub(crate) artifacts: Vec<(String, String)>,
}

impl MlflowRun {
    /// Writes it into a new folder.
    pub(super) fn write(
        &self,
        folder: &Path,
        id: &str,
        experiment: &str,
        artifacts: &str,
    ) -> io::Result<()> {
        for part in ["metrics", "params", "tags", "artifacts"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let ended = milliseconds(self.ended);
        for (name, value) in self.metrics.iter().filter(|(_, value)| value.is_finite()) {
            // Time, value, step.
            fs::write(folder.join("metrics").join(file(name)), format!("{ended} {value:?} 0\n"))?;
        }
        for (name, value) in &self.parameters {
            fs::write(folder.join("params").join(file(name)), cut(value, PARAMETER))?;
        }
        let user = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
        let own = [
            ("mlflow.runName", self.name.as_str()),
            ("mlflow.source.name", self.source.as_str()),
            ("mlflow.source.type", "LOCAL"),
            ("mlflow.user", user.as_str()),
        ];
        let tags = self.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(tags) {
            fs::write(folder.join("tags").join(file(name)), cut(value, TAG))?;
        }
        for (name, content) in &self.artifacts {
            fs::write(folder.join("artifacts").join(file(name)), content)?;
        }
        let (status, started) = (self.status.number(), milliseconds(self.started));
        let meta = format!(
            "artifact_uri: {}\nend_time: {ended}\nentry_point_name: ''\nexperiment_id: {}\n\
             lifecycle_stage: active\nrun_id: '{id}'\nrun_name: {}\nrun_uuid: '{id}'\nsource_name: ''\n\
             source_type: 4\nsource_version: ''\nstart_time: {started}\nstatus: {status}\ntags: []\n\
             user_id: {}\n",
            text(artifacts),
            text(experiment),
            text(&self.name),
            text(&user)
        );
        fs::write(folder.join("meta.yaml"), meta)
    }
}

/// Milliseconds since 1970.
pub(super) fn milliseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// A name in the characters that MLflow allows: letters, digits, `_`, `-`, `.` and space.
fn file(name: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_-. ".contains(letter);
    let name: String = name
        .chars()
        .take(LONGEST)
        .map(|letter| if allowed(letter) { letter } else { '_' })
        .collect();
    // No path such as `.` or `..`.
    if name.trim_matches('.').is_empty() { "_".to_owned() } else { name }
}

fn cut(value: &str, most: usize) -> String {
    value.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_files() {
        assert_eq!(file("energy_cpu-package_j"), "energy_cpu-package_j");
        assert_eq!(file("../GPU:0/x"), ".._GPU_0_x");
        assert_eq!([file(".."), file("")], ["_", "_"]);
        assert_eq!(cut("größe", 3), "grö");
    }
}
