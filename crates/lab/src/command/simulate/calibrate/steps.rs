//! `wattlab simulate calibrate --steps`: the description of a server of a generative model from measured steps.

use std::path::Path;

use anyhow::{Context, anyhow};
use inference_sim::{
    ConfigError, GenerationConfig, StepLawFit, calibrated_steps, read_measured_steps,
};
use record::Watts;

use crate::{Failure, output, plain_text::without_control};

/// Fits the laws of a file's steps; `idle_w` is the power between steps.
pub(super) fn run(file: &Path, idle_w: Option<f64>, out: &Path, json: bool) -> Result<(), Failure> {
    let named = |error: ConfigError| match error {
        ConfigError::Steps { .. } => Failure::bad_input(error),
        other => Failure::BadInput(
            anyhow!(other).context(format!("measured steps `{}`", file.display())),
        ),
    };
    let steps = read_measured_steps(file).map_err(named)?;
    let has_joules = steps.iter().any(|step| step.joules.is_some());
    match (has_joules, idle_w) {
        (true, None) => {
            return Err(Failure::BadInput(anyhow!(
                "measured steps `{}` have joules, and the power between steps is not in them: give it by `--idle` \
                 in watts",
                file.display()
            )));
        }
        (false, Some(idle_w)) => {
            return Err(Failure::BadInput(anyhow!(
                "--idle is {idle_w} W, but `{}` has no column `joules`: omit it",
                file.display()
            )));
        }
        _ => {}
    }
    let (config, _) = calibrated_steps(&steps, idle_w.map(Watts)).map_err(named)?;
    write(&config, file, out)?;
    if json {
        return output::print_json(&config);
    }
    table(&config).iter().for_each(|line| output::print(line));
    Ok(())
}

fn write(config: &GenerationConfig, file: &Path, out: &Path) -> Result<(), Failure> {
    let text = toml::to_string(config).map_err(Failure::run_time)?;
    let measured = without_control(&file.display().to_string());
    let header = format!(
        "# Steps fitted by `wattlab simulate calibrate --steps {measured}`\n\
         # Edit `arrivals`, `tokens` and `batching`, which are examples, then `wattlab simulate` it.\n"
    );
    output::write_whole(out, (header + &text).as_bytes())
        .with_context(|| {
            format!("failed to write `{}`; choose another path with `--out`", out.display())
        })
        .map_err(Failure::BadInput)?;
    crate::progress::line(&format!("wrote `{}`", out.display()));
    Ok(())
}

fn table(config: &GenerationConfig) -> Vec<String> {
    let Some(calibration) = &config.calibration else { return Vec::new() };
    let mut lines =
        vec![format!("{} steps, {} of them different", calibration.steps, calibration.different)];
    let fit = |what: &str, fit: &StepLawFit| {
        let table = match fit.table_rows {
            0 => "a line over the tokens".to_owned(),
            rows => format!("a table of {rows} rows over the tokens"),
        };
        format!(
            "{what}: {table}; steps that were left out are {:.1} % off (median), {:.1} % (90 % of them), {:.1} % at most",
            100.0 * fit.left_out_median,
            100.0 * fit.left_out_p90,
            100.0 * fit.left_out_worst
        )
    };
    let parts = |values: [f64; 5], unit: &str| {
        let names = ["step", "token", "sequence", "token in the cache", "pair of tokens"];
        let given = names.iter().zip(values).filter(|(_, value)| *value > 0.0);
        let given: Vec<String> =
            given.map(|(name, value)| format!("{value:.4e} {unit} of each {name}")).collect();
        format!(
            "    {}",
            if given.is_empty() { "the table alone".to_owned() } else { given.join(", ") }
        )
    };
    let steps = &config.steps;
    lines.push(fit("seconds", &calibration.seconds));
    lines.push(parts(
        [
            steps.base_s,
            steps.per_token_s,
            steps.per_sequence_s,
            steps.per_context_s,
            steps.per_pair_s,
        ],
        "s",
    ));
    if let (Some(joules), Some(power)) = (&calibration.joules, &config.power) {
        lines.push(fit("joules", joules));
        lines.push(parts(
            [
                power.step_base_j,
                power.step_per_token_j,
                power.step_per_sequence_j,
                power.step_per_context_j,
                power.step_per_pair_j,
            ],
            "J",
        ));
    }
    lines
}
