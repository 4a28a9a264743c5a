//! Stand-ins for data that is not here: a plan needs no data, since the content of images changes
//! neither time nor energy.

use models::DataError;
use record::{RunSpec, Task};

use crate::{
    data::embedded_of_same_shape,
    images::PhotographsError,
    work::{EvaluationError, RunError, Worker},
};

/// One run of each kind whose cost differs, with the number of such runs.
pub(crate) type Kinds = Vec<(RunSpec, usize)>;

/// Replaces data sets and photographs that are missing by random images of the same shape, and says
/// in words what was replaced.
///
/// # Errors
///
/// If data is there and damaged, or a network cannot take its images.
pub(crate) fn stand_ins(
    kinds: Kinds,
    worker: &mut Worker,
) -> Result<(Kinds, Vec<String>), RunError> {
    let mut notes = Vec::new();
    let mut replaced = Kinds::new();
    for (mut spec, count) in kinds {
        if let Err(error) = worker.prepare(&spec) {
            let note = replace(&mut spec, error)?;
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        replaced.push((spec, count));
    }
    Ok((replaced, notes))
}

/// Replaces what `error` says is missing.
fn replace(spec: &mut RunSpec, error: RunError) -> Result<String, RunError> {
    match (&mut spec.task, &error) {
        (
            Task::Train(task),
            RunError::Data(DataError::NoFolder { .. } | DataError::Missing { .. }),
        ) => {
            let Some(stand_in) = embedded_of_same_shape(&task.data.name) else {
                return Err(error);
            };
            let name = std::mem::replace(&mut task.data.name, stand_in.to_owned());
            Ok(format!(
                "data set `{name}` is not here; its cost is estimated with random images of the \
                 same size"
            ))
        }
        (Task::Serve(task), RunError::Photographs(PhotographsError::Missing { .. })) => {
            let name = task.photographs.take().unwrap_or_default();
            Ok(format!(
                "photographs `{name}` are not here; the cost of serving them is estimated without \
                 reading and decoding"
            ))
        }
        (
            Task::Evaluate(task),
            RunError::Data(DataError::NoFolder { .. } | DataError::Missing { .. }),
        ) => Ok(format!(
            "data set `{}` is not here; the cost of evaluations is estimated with random images of the same size",
            task.data
        )),
        (Task::Evaluate(task), RunError::Evaluation(EvaluationError::Missing { .. })) => {
            Ok(format!(
                "weights `{}` are not here; the cost of evaluating the network is estimated with random weights",
                task.weights.file
            ))
        }
        _ => Err(error),
    }
}
