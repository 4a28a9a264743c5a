//! `--sci`, `--ai-act` and `--mlflow`: the result in the forms that others ask for.

use std::{
    ffi::OsStr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow};
use meter::{SpanReport, carbon::Carbon};
use record::{DomainEnergy, Warning};
use serde_json::Value;
use units::limits::{EMBODIED_G, FLOP};

use super::destination::Destination;
use crate::{
    Failure,
    disclosure::{
        ai_act::Training,
        mlflow::{FileStore, MlflowRun, Status, energy_metric, energy_metrics},
        parts_left_out,
        sci::{FunctionalUnits, Sci},
    },
    environment::machine,
};

/// The flags.
#[derive(Debug, clap::Args)]
pub(super) struct DiscloseArgs {
    /// Also report the Software Carbon Intensity for a number of functional units, such as
    /// `inference=1000`. SCI for AI knows token, second, image, execution, page and inference for
    /// users of a model, and parameter, training-token and flop for its makers. Needs `--region` or
    /// `--intensity`.
    #[arg(long, value_name = "UNIT=COUNT", value_parser = FunctionalUnits::parse)]
    sci: Option<FunctionalUnits>,
    /// Embodied emissions of the hardware that belong to this measurement, in grams of CO2 equivalent.
    #[arg(long, value_name = "GRAMS", value_parser = EMBODIED_G.parser(), requires = "sci")]
    embodied: Option<f64>,
    /// Write the energy of a training as Annex XI of the EU's AI Act asks for it: a table in Markdown,
    /// or JSON if the name ends with `.json`.
    #[arg(long, value_name = "FILE")]
    ai_act: Option<PathBuf>,
    /// Floating point operations of the training, for `--ai-act`.
    #[arg(long, value_name = "COUNT", value_parser = FLOP.parser(), requires = "ai_act")]
    flop: Option<f64>,
    /// Add a run to MLflow's file store in this folder (`mlruns`).
    #[arg(long, value_name = "DIR")]
    mlflow: Option<PathBuf>,
    /// The experiment that the run belongs to.
    #[arg(long, value_name = "NAME", default_value = "wattlab", requires = "mlflow")]
    mlflow_experiment: String,
}

/// The flags, checked.
#[derive(Debug, Default)]
pub(super) struct Disclosures {
    sci: Option<(FunctionalUnits, Option<f64>)>,
    ai_act: Option<AiAct>,
    mlflow: Option<FileStore>,
}

/// The table of a training's energy.
#[derive(Debug)]
struct AiAct {
    to: Destination,
    json: bool,
    flop: Option<f64>,
}

/// What was measured.
pub(super) struct Facts<'a> {
    /// The command as text.
    pub(super) command: &'a str,
    /// Its exit code, or 128 plus the number of the signal that ended it; `None` without a command.
    pub(super) code: Option<i32>,
    pub(super) ended: SystemTime,
    pub(super) report: &'a SpanReport,
    pub(super) carbon: Option<&'a Carbon>,
    /// All warnings.
    pub(super) warnings: &'a [Warning],
    pub(super) pue: f64,
    /// The document of `--json`.
    pub(super) document: &'a Value,
}

impl DiscloseArgs {
    /// The first flag that is given, if one is.
    pub(super) fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--sci", self.sci.is_some()),
            ("--ai-act", self.ai_act.is_some()),
            ("--mlflow", self.mlflow.is_some()),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// The file of `--ai-act`.
    pub(super) fn ai_act(&self) -> Option<&PathBuf> {
        self.ai_act.as_ref()
    }

    /// Checks the flags, before the command runs. `grid`: whether the carbon intensity is known.
    ///
    /// # Errors
    ///
    /// If the score lacks the grid, or a file or folder cannot be written.
    pub(super) fn check(&self, grid: bool) -> Result<Disclosures, Failure> {
        if self.sci.is_some() && !grid {
            return Err(Failure::bad_input(anyhow!(
                "--sci needs the carbon intensity of the grid; add `--region CODE` or `--intensity \
                 FILE`"
            )));
        }
        let store = self.mlflow.as_deref().map(|root| {
            FileStore::open(root, &self.mlflow_experiment)
                .context("--mlflow")
                .map_err(Failure::bad_input)
        });
        Ok(Disclosures {
            sci: self.sci.clone().map(|units| (units, self.embodied)),
            ai_act: Destination::optional("--ai-act", self.ai_act.as_ref())?.map(|to| AiAct {
                to,
                json: self
                    .ai_act
                    .as_ref()
                    .is_some_and(|path| path.extension() == Some(OsStr::new("json"))),
                flop: self.flop,
            }),
            mlflow: store.transpose()?,
        })
    }
}

impl Disclosures {
    /// The carbon score; `None` if it was not asked for, or there is no carbon.
    pub(super) fn sci(&self, carbon: Option<&Carbon>, domains: &[DomainEnergy]) -> Option<Sci> {
        let (units, embodied) = self.sci.as_ref()?;
        Some(Sci::of(units, carbon?, *embodied, domains))
    }

    /// Writes the files, each whatever happens to the others.
    pub(super) fn write(self, facts: &Facts<'_>) -> Vec<Failure> {
        let mut failures = Vec::new();
        if let Some(AiAct { to, json, flop }) = self.ai_act {
            failures.extend(to.write(&training(facts, flop, json)).err());
        }
        if let Some(store) = &self.mlflow {
            let added = store.add(&run(facts));
            failures.extend(
                added.context("--mlflow: failed to add a run").map_err(Failure::run_time).err(),
            );
        }
        failures
    }
}

fn training(facts: &Facts<'_>, flop: Option<f64>, json: bool) -> String {
    let machine = machine();
    let ended = jiff::Timestamp::try_from(facts.ended).unwrap_or_default();
    let ended = ended.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let training = Training {
        what: facts.command,
        ended: &ended,
        duration: facts.report.duration,
        total: facts.report.total,
        domains: &facts.report.domains,
        machine: &machine,
        flop,
        pue: facts.pue,
    };
    if json { format!("{:#}\n", training.json()) } else { training.markdown() }
}

/// Adds the carbon score to the document and the text of a result.
pub(super) fn add(sci: Option<&Sci>, document: &mut Value, text: &mut String) {
    let Some(sci) = sci else { return };
    document["sci"] = sci.json();
    text.push('\n');
    text.push_str(sci.text().trim_end());
}

/// The run of MLflow.
fn run(facts: &Facts<'_>) -> MlflowRun {
    let report = facts.report;
    let mut metrics = vec![("duration_s".to_owned(), report.duration.0)];
    let mut parameters = vec![("command".to_owned(), facts.command.to_owned())];
    let mut tags = Vec::new();
    if let Some(total) = &report.total {
        metrics.extend(energy_metrics(total));
        tags.push(("wattlab.energy_origin".to_owned(), total.origin.word().to_owned()));
    }
    for energy in &report.domains {
        let total = energy_metric(energy.origin);
        let name = format!("{total}.{}.{}", energy.domain.word(), energy.device);
        metrics.push((name, energy.joules.0));
    }
    if let Some(carbon) = facts.carbon {
        metrics.push(("co2e_g".to_owned(), carbon.grams));
        parameters.push(("grid".to_owned(), carbon.intensity.scope.clone()));
    }
    if let Some(code) = facts.code {
        metrics.push(("exit_code".to_owned(), f64::from(code)));
    }
    let mut note = format!(
        "Energy of a command, by wattlab {}. The total has the domains that do not overlap; each \
         metric energy_*_j.* is a domain, whether it is part of the total or not (see measure.json).",
        env!("CARGO_PKG_VERSION")
    );
    if let Some(parts) = parts_left_out(&report.domains) {
        note.push_str(&format!(" Left out: {parts}; other machines and the network."));
    }
    for warning in facts.warnings {
        note.push_str(&format!("\n\n- {warning}"));
    }
    tags.push(("mlflow.note.content".to_owned(), note));
    MlflowRun {
        name: facts.command.chars().take(80).collect(),
        source: "wattlab measure".to_owned(),
        started: facts.ended - Duration::try_from_secs_f64(report.duration.0).unwrap_or_default(),
        ended: facts.ended,
        status: match facts.code {
            None | Some(0) => Status::Finished,
            Some(code) if code > 128 => Status::Killed,
            Some(_) => Status::Failed,
        },
        parameters,
        metrics,
        tags,
        artifacts: vec![("measure.json".to_owned(), format!("{:#}\n", facts.document))],
    }
}
