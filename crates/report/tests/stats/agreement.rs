//! Every function compared with its counterpart in other programs. `--nocapture` shows the errors.

use std::collections::HashSet;

use serde_json::{Value, json};
use wattlab_report::stats::{self, Factor, PValue};

use crate::oracle::{agree, cases, codes, columns, number, numbers, slices, strings};

#[test]
fn describe() {
    agree("describe", 1e-14, |input| {
        let values = numbers(&input["values"]);
        let found = stats::describe(&values).unwrap();
        assert_eq!(found.n, values.len());
        json!({
            "mean": found.mean, "sd": found.sd, "min": found.min, "q1": found.q1,
            "median": found.median, "q3": found.q3, "max": found.max,
            "q10": stats::quantile(&values, 0.1).unwrap(),
        })
    });
}

pub(crate) fn table(anova: &stats::Anova) -> Value {
    let terms: Vec<Value> = anova
        .terms
        .iter()
        .map(|term| {
            json!({
                "term": term.term, "ss": term.ss, "df": term.df, "f": term.f, "p": term.p,
                "eta_sq": term.eta_sq, "partial_eta_sq": term.partial_eta_sq, "omega_sq": term.omega_sq,
            })
        })
        .collect();
    json!({ "terms": terms, "residual": { "ss": anova.residual.ss, "df": anova.residual.df } })
}

#[test]
fn anova_of_unbalanced_data() {
    // A response that was shifted by 1e6 has lost six digits already in the input.
    agree("anova", 1e-8, |input| {
        let factors: Vec<Factor> = input["factors"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, levels)| Factor::new(name, strings(levels)))
            .collect();
        let kind = match number(&input["type"]) {
            2.0 => stats::SumsOfSquares::TypeII,
            _ => stats::SumsOfSquares::TypeIII,
        };
        let effects = match input["effects"].as_str() {
            Some("main") => stats::Effects::Main,
            _ => stats::Effects::Factorial,
        };
        table(&stats::anova_of(&numbers(&input["response"]), &factors, kind, effects).unwrap())
    });
}

#[test]
fn intervals_of_effect_sizes_agree() {
    // The stored intervals are `λ / (λ + df + residual df + 1)`; ours have the number of rows there.
    for case in cases("anova_intervals") {
        let input = &case["input"];
        let named = input["factors"].as_object().unwrap().iter();
        let factors: Vec<Factor> =
            named.map(|(name, levels)| Factor::new(name, strings(levels))).collect();
        let kind = stats::SumsOfSquares::TypeIII;
        let response = numbers(&input["response"]);
        let found = stats::anova(&response, &factors, kind).unwrap();
        let rows = response.len() as f64;
        for (at, (term, stored)) in
            found.terms.iter().zip(case["output"].as_array().unwrap()).enumerate()
        {
            let ours = found.effect_intervals(at, 0.95).unwrap().unwrap().partial_eta_sq;
            let rest = term.df + found.residual.df + 1.0;
            let noncentrality = |share: f64| share * rest / (1.0 - share);
            let limits = numbers(&stored["partial_eta_sq"]).into_iter().map(noncentrality);
            let [low, high]: [f64; 2] =
                limits.map(|limit| limit / (limit + rows)).collect::<Vec<_>>().try_into().unwrap();
            let (low, high) = (low.min(term.partial_eta_sq), high.max(term.partial_eta_sq));
            assert!(
                (ours.low - low).abs() < 1e-8 && (ours.high - high).abs() < 1e-8,
                "{ours:?} {stored}"
            );
        }
    }
}

fn method(input: &Value) -> PValue {
    match input["method"].as_str().unwrap() {
        "exact" => PValue::Exact,
        "asymptotic" => PValue::Asymptotic,
        _ => PValue::Auto,
    }
}

#[test]
fn mann_whitney() {
    agree("mann_whitney", 1e-11, |input| {
        let (a, b) = (numbers(&input["a"]), numbers(&input["b"]));
        // Where SciPy chooses, it is exact without ties and with a sample of at most 8.
        let tied =
            [&a[..], &b].concat().iter().map(|value| value.to_bits()).collect::<HashSet<_>>();
        let chosen = match method(input) {
            PValue::Auto if a.len().min(b.len()) > 8 || tied.len() < a.len() + b.len() => {
                PValue::Asymptotic
            }
            method => method,
        };
        let found = stats::mann_whitney_by(&a, &b, chosen).unwrap();
        json!({ "u": found.statistic, "p": found.p })
    });
}

#[test]
fn wilcoxon() {
    agree("wilcoxon", 1e-11, |input| {
        let zeros = match input["zeros"].as_str() {
            Some("pratt") => stats::Zeros::Pratt,
            _ => stats::Zeros::Wilcoxon,
        };
        let differences = numbers(&input["differences"]);
        let found = stats::wilcoxon_signed_rank_by(&differences, zeros, method(input)).unwrap();
        json!({ "w": found.statistic, "p": found.p })
    });
}

#[test]
fn kruskal_wallis() {
    agree("kruskal_wallis", 1e-11, |input| {
        let found = stats::kruskal_wallis(&slices(&columns(&input["groups"]))).unwrap();
        json!({ "h": found.h, "p": found.p, "epsilon_sq": found.epsilon_sq })
    });
}

#[test]
fn friedman() {
    agree("friedman", 1e-11, |input| {
        let found = stats::friedman(&slices(&columns(&input["treatments"]))).unwrap();
        json!({ "statistic": found.statistic, "p": found.p, "w": found.kendall_w })
    });
}

#[test]
fn rank_correlations_and_slopes() {
    agree("spearman", 1e-11, |input| {
        let found = stats::spearman(&numbers(&input["x"]), &numbers(&input["y"])).unwrap();
        json!({ "rho": found.rho, "p": found.p })
    });
    agree("theil_sen", 1e-12, |input| {
        let (x, y) = (numbers(&input["x"]), numbers(&input["y"]));
        let found = stats::theil_sen_within(&x, &y, number(&input["confidence"])).unwrap();
        json!({
            "slope": found.slope, "intercept": found.intercept,
            "low": found.interval.low, "high": found.interval.high,
        })
    });
}

#[test]
fn adjusted_p_values() {
    agree("adjust", 1e-14, |input| {
        let p = numbers(&input["p"]);
        json!({ "holm": stats::holm(&p).unwrap() })
    });
}

#[test]
fn effect_sizes() {
    agree("cliffs_delta", 1e-11, |input| {
        let (a, b) = (numbers(&input["a"]), numbers(&input["b"]));
        let found = stats::cliffs_delta(&a, &b, 0.95).unwrap();
        json!({ "delta": found.value, "low": found.interval.low, "high": found.interval.high })
    });
    agree("cohens_d", 1e-9, |input| {
        let (a, b) = (numbers(&input["a"]), numbers(&input["b"]));
        let found = stats::cohens_d(&a, &b, 0.95).unwrap();
        let corrected = stats::hedges_g(&a, &b, 0.95).unwrap();
        json!({
            "d": found.value, "low": found.interval.low, "high": found.interval.high,
            "g": corrected.value,
        })
    });
}

fn t_test(found: &stats::TTest) -> Value {
    let interval = found.interval(0.95).unwrap();
    json!({ "t": found.t, "df": found.df, "p": found.p, "low": interval.low, "high": interval.high })
}

#[test]
fn t_tests() {
    agree("welch_t", 1e-11, |input| {
        t_test(&stats::welch_t(&numbers(&input["a"]), &numbers(&input["b"])).unwrap())
    });
    agree("paired_t", 1e-11, |input| {
        t_test(&stats::paired_t(&numbers(&input["a"]), &numbers(&input["b"])).unwrap())
    });
    agree("one_sample_t", 1e-11, |input| {
        t_test(&stats::one_sample_t(&numbers(&input["values"]), number(&input["mean"])).unwrap())
    });
}

#[test]
fn assumption_checks() {
    agree("shapiro_wilk", 1e-6, |input| {
        let found = stats::shapiro_wilk(&numbers(&input["values"])).unwrap();
        json!({ "w": found.w, "p": found.p })
    });
    agree("levene", 1e-11, |input| {
        let center = match input["center"].as_str() {
            Some("mean") => stats::Center::Mean,
            _ => stats::Center::Median,
        };
        let found = stats::levene(&slices(&columns(&input["groups"])), center).unwrap();
        json!({ "f": found.f, "p": found.p })
    });
}

#[test]
fn linear_regression() {
    agree("linear_regression", 1e-9, |input| {
        let predictors = columns(&input["predictors"]);
        let fit = stats::linear_regression(&slices(&predictors), &numbers(&input["y"])).unwrap();
        let of = |value: fn(&stats::Coefficient) -> f64| -> Vec<f64> {
            fit.coefficients.iter().map(value).collect()
        };
        let mut found = json!({
            "coefficients": {
                "estimate": of(|row| row.estimate), "se": of(|row| row.se), "t": of(|row| row.t),
                "p": of(|row| row.p),
            },
            "r_squared": fit.r_squared, "adjusted": fit.adjusted_r_squared,
            "residual_sd": fit.residual_sd, "leave_one_out": fit.leave_one_out,
        });
        if !input["at"].is_null() {
            let at = fit.predict(&numbers(&input["at"]), 0.95).unwrap();
            let (mean, new) = (at.of_mean, at.of_observation);
            found["prediction"] = json!([at.value, mean.low, mean.high, new.low, new.high]);
            let robust = fit.cluster_robust(&codes(&input["clusters"])).unwrap();
            let of = |value: fn(&stats::Coefficient) -> f64| -> Vec<f64> {
                robust.iter().map(value).collect()
            };
            found["robust"] = json!({ "se": of(|row| row.se), "p": of(|row| row.p) });
        }
        found
    });
}

#[test]
fn studentized_range() {
    agree("studentized_range", 1e-7, |input| {
        let groups = number(&input["k"]) as usize;
        let (q, df) = (number(&input["q"]), number(&input["df"]));
        json!({ "p": stats::studentized_range_sf(q, groups, df).unwrap() })
    });
    agree("studentized_quantile", 1e-8, |input| {
        let groups = number(&input["k"]) as usize;
        let (confidence, df) = (number(&input["confidence"]), number(&input["df"]));
        json!({ "q": stats::studentized_range_quantile(confidence, groups, df).unwrap() })
    });
}

#[test]
fn pairs_of_groups() {
    let factor = |input: &Value| Factor::new("group", strings(&input["levels"]));
    let of = |rows: &[stats::PairComparison], value: fn(&stats::PairComparison) -> f64| {
        rows.iter().map(value).collect::<Vec<f64>>()
    };
    agree("tukey_hsd", 1e-6, |input| {
        let rows = stats::tukey_hsd(&numbers(&input["response"]), &factor(input), 0.95).unwrap();
        json!({
            "difference": of(&rows, |row| row.difference), "p": of(&rows, |row| row.p),
            "low": of(&rows, |row| row.interval.unwrap().low),
            "high": of(&rows, |row| row.interval.unwrap().high),
        })
    });
    agree("games_howell", 1e-7, |input| {
        let rows = stats::games_howell(&numbers(&input["response"]), &factor(input), 0.95).unwrap();
        json!({
            "difference": of(&rows, |row| row.difference), "se": of(&rows, |row| row.se),
            "t": of(&rows, |row| row.statistic), "df": of(&rows, |row| row.df.unwrap()),
            "p": of(&rows, |row| row.p),
        })
    });
    agree("dunn", 1e-11, |input| {
        let rows = stats::dunn(&numbers(&input["response"]), &factor(input)).unwrap();
        json!({ "p": of(&rows, |row| row.p) })
    });
}

#[test]
fn dependence() {
    agree("intraclass", 1e-9, |input| {
        let (response, clusters) = (numbers(&input["response"]), codes(&input["clusters"]));
        let found = stats::intraclass_correlation(&response, &clusters).unwrap();
        json!({ "icc": found.icc, "f": found.f, "p": found.p })
    });
}

#[test]
fn power() {
    agree("power", 1e-9, |input| {
        let (d, alpha) = (number(&input["d"]), number(&input["alpha"]));
        let n = number(&input["n"]) as usize;
        json!({ "power": stats::t_test_power(d, n, alpha).unwrap() })
    });
    agree("sample_size", 0.0, |input| {
        let (d, power) = (number(&input["d"]), number(&input["power"]));
        json!({ "n": stats::t_test_sample_size(d, power, 0.05).unwrap() })
    });
}

/// Random resamples agree in few digits only: with 20,000 of them, the limits vary by about 2 % of the
/// standard error.
#[test]
fn bootstrap() {
    let mut worst: f64 = 0.0;
    for case in cases("bootstrap") {
        let samples = columns(&case["input"]["samples"]);
        let method = match case["input"]["method"].as_str() {
            Some("BCa") => stats::BootstrapMethod::Bca,
            _ => stats::BootstrapMethod::Percentile,
        };
        let bootstrap = stats::Bootstrap { resamples: 20_000, confidence: 0.95, seed: 1, method };
        let found = match case["input"]["statistic"].as_str().unwrap() {
            "mean" => bootstrap.one_sample(&samples[0], |values| stats::mean(values).ok()),
            // numpy.std divides by n.
            "std" => bootstrap.one_sample(&samples[0], |values| {
                let n = values.len() as f64;
                Some((stats::variance(values).ok()? * (n - 1.0) / n).sqrt())
            }),
            _ => bootstrap.two_samples(&samples[0], &samples[1], |a, b| {
                Some(stats::mean(a).ok()? - stats::mean(b).ok()?)
            }),
        }
        .unwrap();
        let expected = |key: &str| number(&case["output"][key]);
        let se = expected("se");
        for (found, key) in [
            (found.interval.low, "low"),
            (found.interval.high, "high"),
            (found.standard_error, "se"),
        ] {
            let error = (found - expected(key)).abs() / se;
            worst = worst.max(error);
            assert!(error < 0.06, "{key}: {found}, expected {}: {case}", expected(key));
        }
    }
    println!("bootstrap: limits differ by at most {worst:.3} standard errors");
}
