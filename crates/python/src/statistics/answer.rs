//! Results as JSON.

use report::stats::{
    BootstrapInterval, EffectSize, Interval, PValue, PairComparison, RankTest, ShapiroWilk, TTest,
};
use serde_json::{Value, json};

pub(super) fn t_test(test: &TTest) -> Value {
    json!({ "t": test.t, "df": test.df, "p": test.p, "difference": test.difference, "se": test.se })
}

pub(super) fn rank_test(test: &RankTest) -> Value {
    let method = match test.method {
        PValue::Exact => "exact",
        _ => "normal",
    };
    json!({ "statistic": test.statistic, "p": test.p, "method": method })
}

pub(super) fn normality(test: &ShapiroWilk) -> Value {
    json!({ "w": test.w, "p": test.p })
}

fn ends(interval: Interval) -> Value {
    json!({ "low": interval.low, "high": interval.high, "confidence": interval.confidence })
}

pub(super) fn interval(interval: Interval) -> Value {
    ends(interval)
}

pub(super) fn effect(effect: &EffectSize) -> Value {
    let Interval { low, high, confidence, .. } = effect.interval;
    json!({ "value": effect.value, "low": low, "high": high, "confidence": confidence })
}

pub(super) fn bootstrap(found: &BootstrapInterval) -> Value {
    json!({
        "estimate": found.estimate, "standard_error": found.standard_error,
        "low": found.interval.low, "high": found.interval.high,
        "confidence": found.interval.confidence,
    })
}

pub(super) fn pairs(pairs: &[PairComparison]) -> Value {
    let pair = |pair: &PairComparison| {
        json!({
            "a": pair.a, "b": pair.b, "difference": pair.difference, "se": pair.se,
            "statistic": pair.statistic, "df": pair.df, "p": pair.p,
            "low": pair.interval.map(|interval| interval.low),
            "high": pair.interval.map(|interval| interval.high),
        })
    };
    Value::from(pairs.iter().map(pair).collect::<Vec<_>>())
}
