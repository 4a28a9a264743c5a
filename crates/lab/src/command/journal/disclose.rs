//! `wattlab journal disclose`: the energy of a study in the forms that others ask for.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, anyhow};
use meter::carbon::Intensity;
use record::{DomainEnergy, Energy, Machine, Outcome, RunRecord, Seconds};
use report::RecordSource;
use serde_json::{Value, json};
use units::limits::{EMBODIED_G, FLOP, PUE};

use super::args::{Only, file};
use crate::{
    Failure,
    disclosure::{
        ai_act::Training,
        mlflow::{FileStore, MlflowRun, Status, energy_metrics},
        parts_left_out,
        sci::{FunctionalUnits, Sci},
    },
    output::{self, write_whole},
    reporting::JournalFile,
};

/// Arguments of `wattlab journal disclose`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Journal, or folder of a reproduction with a `journal.jsonl`
    path: PathBuf,
    /// Only runs of this experiment
    #[arg(long)]
    experiment: Option<Only>,
    /// Show the Software Carbon Intensity for a number of functional units, such as `inference=1000`
    #[arg(long, value_name = "UNIT=COUNT", value_parser = FunctionalUnits::parse, requires = "region")]
    sci: Option<FunctionalUnits>,
    /// Embodied emissions of the hardware that belong to these runs, in grams of CO2 equivalent
    #[arg(long, value_name = "GRAMS", value_parser = EMBODIED_G.parser(), requires = "sci")]
    embodied: Option<f64>,
    /// The grid, for --sci: a country's yearly mean (ISO 3166 code)
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
    /// Power usage effectiveness: the power of the data center divided by that of its machines
    #[arg(long, default_value = "1", value_name = "FACTOR", value_parser = PUE.parser())]
    pue: f64,
    /// Write the energy of all trainings as Annex XI of the EU's AI Act asks for it, in Markdown
    #[arg(long, value_name = "FILE")]
    ai_act: Option<PathBuf>,
    /// Floating point operations of the trainings, for --ai-act
    #[arg(long, value_name = "COUNT", value_parser = FLOP.parser(), requires = "ai_act")]
    flop: Option<f64>,
    /// Add every run to MLflow's file store in this folder (`mlruns`)
    #[arg(long, value_name = "DIR")]
    mlflow: Option<PathBuf>,
    /// The experiment that the runs belong to
    #[arg(long, value_name = "NAME", default_value = "wattlab", requires = "mlflow")]
    mlflow_experiment: String,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

/// Sums over runs: of their main spans.
#[derive(Debug, Default)]
struct Sum {
    runs: usize,
    /// Runs without any energy.
    unknown: usize,
    duration: f64,
    total: Option<Energy>,
    domains: BTreeMap<String, DomainEnergy>,
    ended: f64,
    machine: Option<Machine>,
}

impl Sum {
    fn add(&mut self, record: &RunRecord) {
        self.runs += 1;
        self.duration += record.timing.main.0;
        self.ended = self.ended.max(record.timing.started_unix_s + record.timing.duration.0);
        self.machine = Some(record.environment.machine.clone());
        match record.energy.total {
            Some(energy) => self.total = Energy::total(self.total.into_iter().chain([energy])),
            None => self.unknown += 1,
        }
        for energy in &record.energy.domains {
            // Measured and estimated energies are never added up here.
            let (domain, probe, origin) =
                (energy.domain.word(), &energy.probe, energy.origin.word());
            let key = format!("{domain}/{}/{probe}/{origin}/{}", energy.device, energy.in_total);
            match self.domains.get_mut(&key) {
                Some(sum) => {
                    sum.joules += energy.joules;
                    sum.uncertainty += energy.uncertainty;
                    sum.samples += energy.samples;
                    sum.gap += energy.gap;
                    // A sum of runs has neither.
                    (sum.mean_power, sum.peak_power) = (None, None);
                }
                None => drop(self.domains.insert(key, energy.clone())),
            }
        }
    }

    fn domains(&self) -> Vec<DomainEnergy> {
        self.domains.values().cloned().collect()
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let intensity = args.region.as_deref().map(|code| {
        Intensity::of_region(code).context("flag `--region`").map_err(Failure::bad_input)
    });
    let intensity = intensity.transpose()?;
    let source = JournalFile { path: file(&args.path), only: args.experiment.map(Into::into) };
    let (mut all, mut trainings) = (Sum::default(), Sum::default());
    source
        .each(&mut |records| {
            for record in records {
                all.add(record);
                if matches!(record.outcome, Outcome::Trained(_)) {
                    trainings.add(record);
                }
            }
            Ok(())
        })
        .map_err(Failure::bad_input)?;
    if all.runs == 0 {
        let text = format!("`{}` has no such runs", source.path.display());
        return Err(Failure::bad_input(anyhow!(text)));
    }
    // The folder is checked before anything is written.
    let store = args.mlflow.as_deref().map(|root| {
        FileStore::open(root, &args.mlflow_experiment)
            .context("flag `--mlflow`")
            .map_err(Failure::bad_input)
    });
    let store = store.transpose()?;
    let sci = sci(args, &all, intensity.as_ref())?;
    let training = args.ai_act.as_ref().map(|path| {
        let (told, text) = annex(&trainings, args)?;
        write_whole(path, text.as_bytes())
            .with_context(|| format!("failed to write `{}`", path.display()))
            .map_err(Failure::run_time)?;
        Ok::<_, Failure>(told)
    });
    let training = training.transpose()?;
    if let Some(store) = &store {
        source
            .each(&mut |records| {
                records.iter().try_for_each(|record| store.add(&mlflow_run(record)).map(drop))
            })
            .context("flag `--mlflow`")
            .map_err(Failure::run_time)?;
    }
    if args.json {
        return output::print_json(&json!({
            "schema": "wattlab.disclosure/1",
            "runs": all.runs,
            "runs_without_energy": all.unknown,
            "energy": all.total,
            "sci": sci.as_ref().map(Sci::json),
            "ai_act": training,
            "mlflow": store.is_some().then(|| json!({ "folder": args.mlflow, "runs": all.runs })),
        }));
    }
    let energy = all.total.map_or_else(|| "no energy".to_owned(), output::energy);
    output::print(&format!("{} runs: {energy} ({} runs without energy)", all.runs, all.unknown));
    if let Some(sci) = &sci {
        output::print(sci.text().trim_end());
    }
    if let (Some(path), Some(_)) = (&args.ai_act, &training) {
        output::print(&format!("{}: {} trainings", path.display(), trainings.runs));
    }
    if let Some(folder) = &args.mlflow {
        output::print(&format!("{}: {} runs of MLflow", folder.display(), all.runs));
    }
    Ok(())
}

fn sci(args: &Args, all: &Sum, intensity: Option<&Intensity>) -> Result<Option<Sci>, Failure> {
    let (Some(units), Some(intensity), Some(total)) = (&args.sci, intensity, &all.total) else {
        return Ok(None);
    };
    let carbon = intensity.weigh(total, args.pue).map_err(Failure::bad_input)?;
    Ok(Some(Sci::of(units, &carbon, args.embodied, &all.domains())))
}

/// The table of Annex XI over all trainings, for programs and for people.
fn annex(trainings: &Sum, args: &Args) -> Result<(Value, String), Failure> {
    let Some(machine) = &trainings.machine else {
        return Err(Failure::bad_input(anyhow!(
            "flag `--ai-act`: the journal has no trainings; expected runs of the experiments `tuning` \
             or `layers`"
        )));
    };
    let ended = jiff::Timestamp::from_second(trainings.ended as i64).unwrap_or_default();
    let ended = ended.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let domains = trainings.domains();
    let what = format!(
        "{} trainings of a study, {} without energy; loading of data and evaluation are not included",
        trainings.runs, trainings.unknown
    );
    let training = Training {
        what: &what,
        ended: &ended,
        duration: Seconds(trainings.duration),
        total: trainings.total,
        domains: &domains,
        machine,
        flop: args.flop,
        pue: args.pue,
    };
    Ok((training.json(), training.markdown()))
}

/// The numbers and words of a value, each with the names of the fields that lead to it.
fn scalars(value: &impl serde::Serialize) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    flatten("", &serde_json::to_value(value).unwrap_or_default(), &mut found);
    found
}

/// A run of a study as one of MLflow: its spec as parameters, its outcome and its energy as metrics.
fn mlflow_run(record: &RunRecord) -> MlflowRun {
    let id = record.id.to_string();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let parameters = scalars(&record.spec).into_iter().map(|(name, value)| (name, text(&value)));
    let mut metrics: Vec<(String, f64)> = scalars(&record.outcome)
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_f64()?)))
        .collect();
    metrics.push(("duration_s".to_owned(), record.timing.duration.0));
    metrics.push((format!("{}_s", record.energy.span), record.timing.main.0));
    let mut tags = vec![("wattlab.run".to_owned(), id.clone())];
    if let Some(total) = &record.energy.total {
        metrics.extend(energy_metrics(total));
        tags.push(("wattlab.energy_origin".to_owned(), total.origin.word().to_owned()));
    }
    let mut note = format!(
        "The energy is that of the span `{}`, over domains that do not overlap.",
        record.energy.span
    );
    if let Some(parts) = parts_left_out(&record.energy.domains) {
        note.push_str(&format!(" Left out: {parts}; other machines and the network."));
    }
    for warning in &record.warnings {
        note.push_str(&format!("\n\n- {warning}"));
    }
    tags.push(("mlflow.note.content".to_owned(), note));
    let time = |seconds: f64| UNIX_EPOCH + Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let started = record.timing.started_unix_s;
    MlflowRun {
        name: id,
        source: "wattlab reproduce".to_owned(),
        started: time(started),
        ended: time(started + record.timing.duration.0),
        status: Status::Finished,
        parameters: parameters.collect(),
        metrics,
        tags,
        artifacts: vec![(
            "record.json".to_owned(),
            serde_json::to_string_pretty(record).unwrap_or_default(),
        )],
    }
}

/// The numbers, texts and truth values of an object, by their path; lists are left out.
fn flatten(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, found);
            }
        }
        Value::Array(_) | Value::Null => {}
        scalar => found.push((path.to_owned(), scalar.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_have_paths() {
        let mut found = Vec::new();
        let value = json!({"a": {"b": 1, "c": [1]}, "d": "x", "e": null, "f": true});
        flatten("", &value, &mut found);
        let expected = [("a.b", json!(1)), ("d", json!("x")), ("f", json!(true))];
        assert_eq!(found, expected.map(|(path, value)| (path.to_owned(), value)));
    }
}
