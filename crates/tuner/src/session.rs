//! A client's session: one study over JSON Lines.

use std::{
    error::Error,
    io::{BufRead, Read as _, Write},
};

use hpo::Trial;
use serde_json::{Value, json};
use units::limits;

use crate::{
    error::{TunerError, invalid},
    request::Request,
    study::OpenStudy,
};

/// Answers requests about one study. A session begins without a study; the request `study` opens it.
#[derive(Debug, Default)]
pub struct Session(Option<OpenStudy>);

impl Session {
    /// The answer to a request.
    ///
    /// # Errors
    ///
    /// If the request cannot be read or fulfilled. The study is then unchanged.
    pub fn answer(&mut self, line: &str) -> Result<Value, TunerError> {
        let ok = json!({ "ok": true });
        match (Request::parse(line)?, &mut self.0) {
            (Request::Study(_), Some(_)) => {
                Err(invalid("a study is open already; start another session for another study"))
            }
            (Request::Study(spec), none) => {
                let study = none.insert(OpenStudy::new(*spec)?);
                let running: Vec<Value> =
                    study.running().iter().map(|segment| study.segment_json(segment)).collect();
                let mut answer = ok;
                if !running.is_empty() {
                    answer["under_way"] = json!(running);
                }
                if study.left_out() > 0 {
                    answer["left_out"] = json!(study.left_out());
                }
                Ok(answer)
            }
            (_, None) => Err(invalid(r#"no study is open; send {"op": "study", ...} first"#)),
            (Request::Ask {}, Some(study)) => {
                let segment = study.ask()?;
                let mut answer = study.segment_json(&segment);
                if segment.from == 0 && study.is_repeated(&segment) {
                    answer["repeated"] = json!(true);
                }
                Ok(answer)
            }
            (Request::Enqueue { params }, Some(study)) => {
                study.enqueue(params).map(|queued| json!({ "ok": true, "queued": queued }))
            }
            (Request::Add { params, value, cost_j }, Some(study)) => {
                let trial = study.add_trial(&params, &value, cost_j)?;
                Ok(json!({ "ok": true, "trial": trial }))
            }
            (Request::Tell { trial, value, cost_j }, Some(study)) => {
                study.tell(trial, &value, cost_j).map(|()| ok)
            }
            (Request::Report { trial, step, value, cost_j }, Some(study)) => {
                study.report(trial, step, &value, cost_j).map(|()| ok)
            }
            (Request::ShouldStop { trial }, Some(study)) => {
                study.should_stop(trial).map(|stop| json!({ "stop": stop }))
            }
            (Request::Best {}, Some(study)) => best(study),
            (Request::Pareto {}, Some(study)) => Ok(pareto(study)),
        }
    }
}

/// The best trial or, with several objectives, the Pareto front.
fn best(study: &OpenStudy) -> Result<Value, TunerError> {
    let best = study.best()?;
    let mut answer =
        if study.has_several_objectives() { pareto(study) } else { study.trial_json(best) };
    if let Some(cost_j) = study.cost_j() {
        answer["cost_j"] = json!(cost_j);
    }
    Ok(answer)
}

fn pareto(study: &OpenStudy) -> Value {
    let trials = study.pareto();
    let trials = trials.iter().map(|trial: &&Trial| study.trial_json(trial));
    json!({ "trials": trials.collect::<Vec<_>>() })
}

/// Answers every line of `requests` with a line of `answers` until the requests end. An error is
/// answered with `{"error": "..."}`, and the session goes on.
///
/// # Errors
///
/// If requests cannot be read or answers cannot be written.
pub fn serve(mut requests: impl BufRead, mut answers: impl Write) -> std::io::Result<()> {
    let mut session = Session::default();
    while let Some(line) = next_line(&mut requests)? {
        let line = String::from_utf8_lossy(&line);
        if line.trim().is_empty() {
            continue;
        }
        let answer =
            session.answer(&line).unwrap_or_else(|error| json!({ "error": with_causes(&error) }));
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

/// The next line without its line feed; `None` at the end. Of a line that is too long for a request
/// only the beginning is kept, one byte more than allowed.
fn next_line(requests: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let most = limits::LINE_BYTES.max() + 1;
    let mut line = Vec::new();
    if requests.take(most).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == most {
        skip_line(requests)?;
    }
    Ok(Some(line))
}

/// Reads on to the end of a line.
fn skip_line(requests: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let found = requests.fill_buf()?;
        let end = found.iter().position(|byte| *byte == b'\n');
        let (used, is_end) = match end {
            Some(at) => (at + 1, true),
            None => (found.len(), found.is_empty()),
        };
        requests.consume(used);
        if is_end {
            return Ok(());
        }
    }
}

/// An error and its causes, separated by colons.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
