//! One client's study.

use anyhow::bail;
use serde_json::{Value, json};

use super::{open::Open, request::Request};

/// Nothing, or an open study.
#[derive(Debug, Default)]
pub(super) struct Session(Option<Open>);

impl Session {
    /// The answer to a request; after an error the study is as it was.
    pub(super) fn answer(&mut self, line: &str) -> anyhow::Result<Value> {
        let ok = json!({ "ok": true });
        match (Request::parse(line)?, &mut self.0) {
            (Request::Study(_), Some(_)) => {
                bail!("a study is open; start another `wattlab tune serve` for another one")
            }
            (Request::Study(spec), none) => {
                let open = none.insert(Open::new(spec)?);
                let under_way: Vec<Value> =
                    open.under_way().iter().map(|it| open.shown(it)).collect();
                if under_way.is_empty() {
                    return Ok(ok);
                }
                Ok(json!({ "ok": true, "under_way": under_way }))
            }
            (_, None) => bail!(r#"no study is open; send {{"op": "study", ...}} first"#),
            (Request::Ask {}, Some(open)) => {
                let leg = open.ask()?;
                Ok(open.shown(&leg))
            }
            (Request::Tell { trial, value, cost_j }, Some(open)) => {
                open.tell(trial, &value, cost_j).map(|()| ok)
            }
            (Request::Report { trial, step, value, cost_j }, Some(open)) => {
                open.report(trial, step, &value, cost_j).map(|()| ok)
            }
            (Request::ShouldStop { trial }, Some(open)) => {
                open.should_stop(trial).map(|it| json!({ "stop": it }))
            }
            (Request::Best {}, Some(open)) => best(open),
            (Request::Pareto {}, Some(open)) => {
                let trials: Vec<Value> =
                    open.pareto().iter().map(|it| open.shown_good(it)).collect();
                Ok(json!({ "trials": trials }))
            }
        }
    }
}

/// Of several objectives the whole front.
fn best(open: &Open) -> anyhow::Result<Value> {
    let best = open.best()?;
    let mut answer = open.shown_good(&best);
    if open.several() {
        let trials: Vec<Value> = open.pareto().iter().map(|it| open.shown_good(it)).collect();
        answer = json!({ "trials": trials });
    }
    if let Some(cost_j) = open.cost_j() {
        answer["cost_j"] = json!(cost_j);
    }
    Ok(answer)
}
