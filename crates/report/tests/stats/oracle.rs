//! Results of SciPy, statsmodels, pingouin and scikit-posthocs: each case of `oracle.json` has the name
//! of our function, the call of theirs, the input and the result.

use std::sync::LazyLock;

use serde_json::Value;

static ORACLE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("oracle.json")).unwrap());

/// The cases of a function.
pub(crate) fn cases(function: &str) -> Vec<&'static Value> {
    let cases = ORACLE["cases"].as_array().unwrap();
    let cases: Vec<&Value> = cases.iter().filter(|case| case["function"] == function).collect();
    assert!(!cases.is_empty(), "no case for `{function}`");
    cases
}

/// Checks that our function gives the same result, up to a relative error.
pub(crate) fn agree(function: &str, tolerance: f64, ours: impl Fn(&Value) -> Value) {
    let cases = cases(function);
    let mut worst: f64 = 0.0;
    for (at, case) in cases.iter().enumerate() {
        let found = ours(&case["input"]);
        let error = distance(&found, &case["output"]);
        worst = worst.max(error);
        assert!(
            error <= tolerance,
            "`{function}` case {at}, {}: relative error {error:e}\n   found {found}\nexpected {}",
            case["call"],
            case["output"]
        );
    }
    println!("{function}: {} cases, largest relative error {worst:.1e}", cases.len());
}

/// The largest relative error of the numbers in two values of the same shape; infinite if the shape
/// differs. Numbers that should be 0 are compared by their absolute error.
pub(crate) fn distance(found: &Value, expected: &Value) -> f64 {
    match (found, expected) {
        (Value::Number(found), Value::Number(expected)) => {
            let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
            let scale = if expected == 0.0 { 1.0 } else { expected.abs() };
            (found - expected).abs() / scale
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            found.iter().zip(expected).map(|(a, b)| distance(a, b)).fold(0.0, f64::max)
        }
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .map(|(key, value)| {
                found.get(key).map_or(f64::INFINITY, |found| distance(found, value))
            })
            .fold(0.0, f64::max),
        _ if found == expected => 0.0,
        _ => f64::INFINITY,
    }
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub(crate) fn columns(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

pub(crate) fn codes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as usize).collect()
}

pub(crate) fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Columns as slices.
pub(crate) fn slices(columns: &[Vec<f64>]) -> Vec<&[f64]> {
    columns.iter().map(Vec::as_slice).collect()
}
