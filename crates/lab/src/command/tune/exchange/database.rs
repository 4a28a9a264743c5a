//! Studies in an SQLite database of Optuna.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail, ensure};
use serde_json::Map;
use tuner::{OpenStudy, Sense};

use super::{
    foreign::{Foreign, external},
    sqlite::{Cell, Database, Table},
};

/// The completed and failed trials of a study.
pub(super) fn read(
    path: &Path,
    name: Option<&str>,
    study: &OpenStudy,
) -> anyhow::Result<Vec<Foreign>> {
    let mut database = Database::open(path)?;
    let studies = studies(&mut database)?;
    let named: Vec<(String, Vec<String>)> =
        studies.iter().map(|(_, name, directions)| (name.clone(), directions.clone())).collect();
    let id = studies[chosen(&named, name, study)?].0;
    let trials = database.table("trials")?;
    let columns = ["trial_id", "study_id", "state"];
    let [trial_id, study_id, state] = places(&trials, columns)?;
    let mut found: BTreeMap<i64, (bool, Foreign)> = BTreeMap::new();
    for row in &trials.rows {
        let is_of_study = row.get(study_id).and_then(Cell::integer) == Some(id);
        let state = row.get(state).and_then(Cell::text).unwrap_or_default();
        let (true, "COMPLETE" | "FAIL", Some(trial)) =
            (is_of_study, state, row.get(trial_id).and_then(Cell::integer))
        else {
            continue;
        };
        let place = format!("trial {}", found.len());
        let empty = Foreign { place, params: Map::new(), values: None };
        found.insert(trial, (state == "COMPLETE", empty));
    }
    let params = database.table("trial_params")?;
    let columns = ["trial_id", "param_name", "param_value", "distribution_json"];
    let [trial_id, param_name, param_value, distribution] = places(&params, columns)?;
    for row in &params.rows {
        let trial = row.get(trial_id).and_then(Cell::integer);
        let Some((_, trial)) = trial.and_then(|trial| found.get_mut(&trial)) else { continue };
        let value = || {
            let internal = row.get(param_value)?.number()?;
            let value = external(row.get(distribution)?.text()?, internal)?;
            Some((row.get(param_name)?.text()?.to_owned(), value))
        };
        let (name, value) =
            value().with_context(|| format!("{} has a parameter without value", trial.place))?;
        trial.params.insert(name, value);
    }
    let values = database.table("trial_values")?;
    let [trial_id, objective, value] = places(&values, ["trial_id", "objective", "value"])?;
    let mut given: BTreeMap<i64, BTreeMap<i64, f64>> = BTreeMap::new();
    for row in &values.rows {
        let cell = |at: usize| row.get(at).and_then(Cell::integer);
        let (Some(trial), Some(objective)) = (cell(trial_id), cell(objective)) else { continue };
        // An infinite value has no number.
        let value = row.get(value).and_then(Cell::number).unwrap_or(f64::NAN);
        given.entry(trial).or_default().insert(objective, value);
    }
    Ok(found
        .into_iter()
        .map(|(trial, (is_complete, foreign))| {
            let values = given.get(&trial).filter(|_| is_complete);
            Foreign { values: values.map(|values| values.values().copied().collect()), ..foreign }
        })
        .collect())
}

/// Id, name and directions of all studies.
fn studies(database: &mut Database) -> anyhow::Result<Vec<(i64, String, Vec<String>)>> {
    let table = database.table("studies")?;
    let [id, name] = places(&table, ["study_id", "study_name"])?;
    let directions = database.table("study_directions")?;
    let [study, objective, direction] =
        places(&directions, ["study_id", "objective", "direction"])?;
    let all = table.rows.iter().filter_map(|row| {
        let id = row.get(id)?.integer()?;
        let own =
            directions.rows.iter().filter(|row| row.get(study).and_then(Cell::integer) == Some(id));
        let mut own: Vec<(i64, String)> = own
            .filter_map(|row| {
                Some((row.get(objective)?.integer()?, row.get(direction)?.text()?.to_owned()))
            })
            .collect();
        own.sort();
        let own = own.into_iter().map(|(_, direction)| direction).collect();
        Some((id, row.get(name)?.text()?.to_owned(), own))
    });
    Ok(all.collect())
}

fn places<const N: usize>(table: &Table, names: [&str; N]) -> anyhow::Result<[usize; N]> {
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(names) {
        *place = table.column(name)?;
    }
    Ok(places)
}

/// The study with a name or, without one, the only one, if its directions are those of ours.
pub(super) fn chosen(
    studies: &[(String, Vec<String>)],
    name: Option<&str>,
    study: &OpenStudy,
) -> anyhow::Result<usize> {
    let names =
        || studies.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    ensure!(!studies.is_empty(), "it has no study");
    let at = match name {
        Some(name) => studies
            .iter()
            .position(|(other, _)| other == name)
            .with_context(|| format!("it has no study `{name}`; it has {}", names()))?,
        None if studies.len() > 1 => {
            bail!("it has several studies: {}; name one by `--study`", names())
        }
        None => 0,
    };
    let own: Vec<&str> = study
        .spec()
        .senses()
        .iter()
        .map(|sense| if *sense == Sense::Minimize { "MINIMIZE" } else { "MAXIMIZE" })
        .collect();
    let (name, directions) = &studies[at];
    ensure!(
        *directions == own,
        "study `{name}` has the directions {}, and ours has {}",
        directions.join(", "),
        own.join(", ")
    );
    Ok(at)
}
