//! Trains a network of the study or of the user.

use std::ops::ControlFlow;

use meter::Span;
use models::{TrainError, TrainEvent};
use record::{DataUse, Outcome, RunSpec, TrainTask, Trained, Warning, WarningKind};

use super::{
    context::{Done, RunContext},
    error::RunError,
    trainee::Trainee,
};

pub(super) fn run(
    context: &mut RunContext,
    spec: &RunSpec,
    task: &TrainTask,
) -> Result<Done, RunError> {
    let data = context.data.load(&task.data)?;
    let (training, load) =
        context.measured("load", |_| Trainee::new(&context.device, task, &data, spec.seed))?;
    let mut training = training;
    let mut epochs = Vec::new();
    let interrupt = context.interrupt.clone();
    let (fit, main) = context.main("fit", |span| {
        let mut open: Option<Span> = None;
        let fit = training.fit(task.epochs, &mut |event| {
            match event {
                TrainEvent::EpochStarted(epoch) => {
                    open = Some(span.child(&format!("epoch-{epoch}")))
                }
                TrainEvent::EpochEnded(_) => epochs.extend(open.take().map(Span::end)),
                _ => {}
            }
            if interrupt.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        fit.map_err(|error| match error {
            TrainError::Stopped => RunError::Interrupted,
            error => error.into(),
        })
    })?;
    let ((validation, test), evaluate) = context.measured("evaluate", |_| {
        Ok((training.accuracy(&data.validation)?, training.accuracy(&data.test)?))
    })?;
    let mut warnings = Vec::new();
    if let Some(epoch) = fit.diverged_in_epoch {
        let text =
            format!("the loss stopped being a number in epoch {epoch}, which ended the training");
        warnings.push(Warning::new(WarningKind::Diverged, text));
    }
    let mut spans = vec![load];
    spans.append(&mut epochs);
    spans.push(evaluate);
    Ok(Done {
        outcome: Outcome::Trained(Trained {
            data: DataUse {
                name: data.name.clone(),
                sha256: data.sha256.clone(),
                train: data.train.labels.len(),
                validation: data.validation.labels.len(),
                test: data.test.labels.len(),
            },
            parameters: training.parameters(),
            epochs: fit.epochs,
            validation_accuracy: validation,
            // A profile asks for at least one test image.
            test_accuracy: test.unwrap_or(0.0),
            diverged_in_epoch: fit.diverged_in_epoch,
        }),
        main,
        spans,
        serving: None,
        preparing: None,
        warnings,
    })
}
