//! Laws of steps from measured steps: known laws, other people's measurements, and wrong files.

use std::path::Path;

use wattlab_inference_sim::{
    ConfigError, MeasuredStep, Watts, calibrated_steps, fit_steps, read_measured_steps,
    simulate_generation,
};

const VIDUR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vidur_steps.csv");

/// 2,443 steps of Llama-2-70B on A100, from the kernels that vidur's authors profiled: decoding with 1 to 128
/// sequences, and parts of prompts, with up to 4,096 tokens in the cache of each.
#[test]
fn steps_that_were_left_out_are_predicted() {
    let steps = read_measured_steps(Path::new(VIDUR)).unwrap();
    let fit = fit_steps(&steps).unwrap();
    println!("{} steps: {:?}", fit.steps, fit.seconds);
    assert_eq!((fit.steps, fit.joules), (2443, None));
    let seconds = fit.seconds;
    assert!(seconds.left_out_median < 0.02 && seconds.left_out_p90 < 0.06, "{seconds:?}");
    assert!(seconds.left_out_worst < 0.25 && seconds.table_rows > 2, "{seconds:?}");
    // Without the tokens in the cache, the same steps are far less well predicted.
    let blind: Vec<_> =
        steps.iter().map(|step| MeasuredStep::new(step.tokens, step.seconds)).collect();
    let blind = fit_steps(&blind).unwrap().seconds;
    println!("tokens alone: {blind:?}");
    assert!(blind.left_out_median > 2.0 * seconds.left_out_median, "{blind:?}");
    // The description that follows is simulated, and its steps are those of the law.
    let (config, fit) = calibrated_steps(&steps, None).unwrap();
    let report = simulate_generation(&config.with_requests(400, 40)).unwrap();
    let fastest = fit.seconds_of(&MeasuredStep::new(1, 1.0));
    assert!(report.stable && report.tpot.p50.unwrap().0 > fastest, "{report:?}");
}

/// Laws without noise are found, with their joules; a bend in the tokens becomes a table.
#[test]
fn known_laws_are_found() {
    let steps = |seconds: &dyn Fn(f64, f64) -> f64| -> Vec<MeasuredStep> {
        let shape = |at: u64| (1 + at * 37 % 512, (1 + at * 11 % 97) as f64 * 100.0);
        (0..300)
            .map(shape)
            .map(|(tokens, more)| {
                let context = tokens as f64 + more;
                let took = seconds(tokens as f64, context);
                MeasuredStep::new(tokens, took).with_context(context).with_joules(400.0 * took)
            })
            .collect()
    };
    let line = steps(&|tokens, context| 0.007 + 8e-5 * tokens + 2e-7 * context);
    let (config, fit) = calibrated_steps(&line, Some(Watts(75.0))).unwrap();
    assert!(fit.seconds.left_out_worst < 1e-6 && fit.joules.unwrap().left_out_worst < 1e-6);
    let found = MeasuredStep::new(100, 1.0).with_context(4_000.0);
    assert!((fit.seconds_of(&found) - 0.0158).abs() < 1e-7, "{}", fit.seconds_of(&found));
    assert!((fit.joules_of(&found).unwrap() - 6.32).abs() < 1e-4);
    let report = simulate_generation(&config.with_requests(300, 30)).unwrap();
    assert!(report.energy_per_token.unwrap().0 > 0.0);
    let text = toml::to_string(&calibrated_steps(&line, Some(Watts(75.0))).unwrap().0).unwrap();
    let again: wattlab_inference_sim::GenerationConfig = toml::from_str(&text).unwrap();
    assert_eq!(again.calibration.unwrap().joules, fit.joules);
    let bent = steps(&|tokens, context| 0.01 + 1e-4 * (tokens - 128.0).max(0.0) + 1e-7 * context);
    let fit = fit_steps(&bent).unwrap();
    assert!(fit.seconds.table_rows > 4 && fit.seconds.left_out_p90 < 0.02, "{:?}", fit.seconds);
}

#[test]
fn files_that_are_no_measured_steps_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("steps.csv");
    let long = "9".repeat(400);
    for (text, says) in [
        ("", "its first line is ``"),
        ("tokens\n1\n", "its first line is `tokens`"),
        ("tokens,seconds,watts\n1,1,1\n", "unknown column `watts`"),
        ("tokens,seconds\n1,-1\n", "line 2: `seconds` is -1"),
        ("tokens,seconds\n1,0\n", "`seconds` is 0"),
        ("tokens,seconds\n1,nan\n", "`seconds` is"),
        ("tokens,seconds\n0,1\n", "`tokens` is 0"),
        ("tokens,seconds\n1.5,1\n", "`tokens` is"),
        ("tokens,seconds\n1,1\n2", "could not be read as CSV"),
        ("tokens,seconds\n1,\n", "line 2: `seconds` is"),
        (&format!("tokens,seconds\n{long},1\n"), "`tokens` is"),
        ("tokens,seconds,context\n4,1,3\n", "`context` does not fit 4 `tokens`"),
        ("tokens,seconds,sequences\n4,1,5\n", "`sequences` does not fit"),
        ("tokens,seconds,pairs\n4,1,1e300\n", "`pairs` is 1e300"),
        ("tokens,seconds,joules\n4,1,-3\n", "`joules` is -3"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = read_measured_steps(&path).unwrap_err().to_string();
        assert!(error.contains("steps.csv") && error.contains(says), "{text}: {error}");
        assert!(error.len() < 400, "{error}");
    }
    assert!(read_measured_steps(folder.path()).is_err());
    // One row, and many rows of one step.
    for rows in [1, 50] {
        std::fs::write(&path, "tokens,seconds\n".to_owned() + &"7,0.1\n".repeat(rows)).unwrap();
        let error = fit_steps(&read_measured_steps(&path).unwrap()).unwrap_err();
        assert!(matches!(error, ConfigError::FewSteps { found: 1, least: 10 }), "{error}");
    }
    // The most extreme numbers that are allowed.
    let extreme =
        |n: u64| MeasuredStep::new(n * 999_983, if n.is_multiple_of(2) { 1e-9 } else { 1e9 });
    let fit = fit_steps(&(1..=10).map(extreme).collect::<Vec<_>>()).unwrap();
    assert!(fit.seconds.left_out_worst.is_finite());
}
