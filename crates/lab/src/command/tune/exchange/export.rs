//! `wattlab tune export`: a study's trials as a table, or as a study of Optuna.

use std::path::PathBuf;

use anyhow::Context;
use hpo::{Trial, TrialState};
use serde_json::{Map, Value, json};
use tuner::{OpenStudy, ParameterSpec, Sense};

use crate::{Failure, output, output::write_whole};

/// Arguments of `wattlab tune export`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Journal of `wattlab tune run` or `wattlab tune serve`. It is only read.
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// The file to write.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The kind of file.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// The name of the study in a file of Optuna.
    #[arg(long, value_name = "NAME", default_value = "wattlab")]
    study: String,
}

/// The kind of file that trials are exported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A CSV table with the columns of Optuna's data frames, and seconds and joules.
    Csv,
    /// The file of Optuna's journal storage (`JournalStorage(JournalFileBackend(FILE))`).
    Optuna,
}

/// Runs the subcommand.
///
/// # Errors
///
/// If the journal cannot be read or the file cannot be written.
pub(crate) fn export(args: &ExportArgs) -> Result<(), Failure> {
    let study = OpenStudy::read(&args.journal).map_err(Failure::bad_input)?;
    let content = match args.format {
        Format::Csv => table(&study),
        Format::Optuna => log(&study, &args.study),
    };
    let shown = args.file.display();
    let written = content.and_then(|content| Ok(write_whole(&args.file, &content)?));
    written.with_context(|| format!("failed to write `{shown}`")).map_err(Failure::run_time)?;
    output::print(&format!("{} trials written to `{shown}`", ended(&study).count()));
    Ok(())
}

/// All trials but those that run.
fn ended(study: &OpenStudy) -> impl Iterator<Item = &Trial> {
    study.trials().filter(|trial| !matches!(trial.state, TrialState::Running { .. }))
}

/// The state in Optuna's words, and its number.
fn state(trial: &Trial) -> (&'static str, u32) {
    match trial.state {
        TrialState::Completed => ("COMPLETE", 1),
        TrialState::Paused => ("PRUNED", 2),
        _ => ("FAIL", 3),
    }
}

fn table(study: &OpenStudy) -> anyhow::Result<Vec<u8>> {
    let objectives = study.spec().senses().len();
    let mut header = vec!["number".to_owned()];
    if objectives == 1 {
        header.push("value".to_owned());
    } else {
        header.extend((0..objectives).map(|index| format!("values_{index}")));
    }
    header.extend(study.spec().space.iter().map(|spec| format!("params_{}", spec.name)));
    header.extend(["steps", "seconds", "joules", "state"].map(str::to_owned));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    for trial in ended(study) {
        let mut row = vec![trial.number.to_string()];
        let values = study.values_of(trial);
        row.extend((0..objectives).map(|index| {
            values.as_ref().map_or_else(String::new, |values| values[index].to_string())
        }));
        let named = study.named(&trial.parameters);
        row.extend(study.spec().space.iter().map(|spec| match named.get(&spec.name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        }));
        let spent = study.spent_on(trial.number);
        row.push(trial.steps().to_string());
        row.push(spent.seconds.to_string());
        row.push(spent.joules.map_or_else(String::new, |joules| joules.to_string()));
        row.push(state(trial).0.to_owned());
        writer.write_record(&row)?;
    }
    Ok(writer.into_inner()?)
}

/// Operations of Optuna's journal storage.
fn log(study: &OpenStudy, name: &str) -> anyhow::Result<Vec<u8>> {
    let number = |sense: &Sense| if *sense == Sense::Minimize { 1 } else { 2 };
    let directions: Vec<i32> = study.spec().senses().iter().map(number).collect();
    let mut lines = vec![json!({
        "op_code": 0, "worker_id": "wattlab", "study_name": name, "directions": directions,
    })];
    // The journal has no times of day.
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let specs = &study.spec().space;
    for trial in ended(study) {
        let named = study.named(&trial.parameters);
        let active = study.space().active(&trial.parameters);
        let (mut distributions, mut params) = (Map::new(), Map::new());
        for ((spec, value), active) in specs.iter().zip(&trial.parameters).zip(active) {
            if active {
                let distribution = distribution(spec)?.to_string();
                distributions.insert(spec.name.clone(), Value::from(distribution));
                params.insert(spec.name.clone(), json!(value));
            }
        }
        debug_assert_eq!(named.len(), params.len(), "named parameters are the active ones");
        let steps = (1..=trial.steps()).filter(|_| study.is_pruned()).filter_map(|step| {
            let values = study.signed_values(trial.at(step)?.to_vec());
            Some((step.to_string(), json!(values.first()?)))
        });
        let spent = study.spent_on(trial.number);
        lines.push(json!({
            "op_code": 4, "worker_id": "wattlab", "study_id": 0, "datetime_start": time,
            "state": state(trial).1, "value": null, "values": study.values_of(trial),
            "datetime_complete": time, "distributions": distributions, "params": params,
            "user_attrs": { "seconds": spent.seconds, "joules": spent.joules },
            "system_attrs": {}, "intermediate_values": steps.collect::<Map<_, _>>(),
        }));
    }
    let mut content = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut content, &line)?;
        content.push(b'\n');
    }
    Ok(content)
}

/// A parameter as Optuna describes it.
fn distribution(spec: &ParameterSpec) -> anyhow::Result<Value> {
    let spec = serde_json::to_value(spec)?;
    let (low, high, step) = (&spec["low"], &spec["high"], &spec["step"]);
    let whole = |number: &Value| number.as_f64().map(|number| number as i64);
    Ok(match spec["kind"].as_str() {
        Some("categorical") => json!({
            "name": "CategoricalDistribution", "attributes": { "choices": spec["choices"] },
        }),
        Some("int") => json!({
            "name": "IntDistribution",
            "attributes": {
                "log": spec["log"], "step": whole(step).unwrap_or(1), "low": whole(low), "high": whole(high),
            },
        }),
        _ => json!({
            "name": "FloatDistribution",
            "attributes": { "step": step, "low": low, "high": high, "log": spec["log"] },
        }),
    })
}
