//! `--export-csv` and `--export-markdown`: a line for each command.

use super::{compare::Comparison, runs::Runs, summary::Summary};

/// A command, its figures, and its energy as a multiple of the last command's.
pub(super) struct Line<'a> {
    pub(super) command: &'a str,
    pub(super) summary: &'a Summary,
    /// The ratio to the last command, and its 95 % interval.
    pub(super) relative: Option<(f64, Option<[f64; 2]>)>,
}

const HEAD: [&str; 15] = [
    "command",
    "runs",
    "mean_j",
    "uncertainty_j",
    "origin",
    "spread_j",
    "median_j",
    "min_j",
    "max_j",
    "mean_s",
    "spread_s",
    "relative",
    "relative_low",
    "relative_high",
    "mean_w",
];

impl Runs {
    /// The only line.
    pub(super) fn lines<'a>(&'a self, command: &'a str) -> Vec<Line<'a>> {
        vec![Line { command, summary: &self.summary, relative: None }]
    }
}

impl Comparison {
    /// A line for A with its ratio to B, and one for B.
    pub(super) fn lines(&self) -> Vec<Line<'_>> {
        let [a, b] = &self.summaries;
        let [first, second] = self.names();
        vec![
            Line { command: first, summary: a, relative: self.relative() },
            Line { command: second, summary: b, relative: Some((1.0, None)) },
        ]
    }
}

/// The table as CSV. A value that is not known is empty.
pub(super) fn csv(lines: &[Line<'_>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing into memory cannot fail, and all lines have as many fields as the header.
    let _ = writer.write_record(HEAD);
    for line in lines {
        let fields = line.fields();
        let _ = writer
            .write_record(fields.iter().map(|field| units::spreadsheet_text(field).into_owned()));
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// The table as Markdown.
pub(super) fn markdown(lines: &[Line<'_>]) -> String {
    let mut text = "| Command | Energy | Spread [J] | Range [J] | Time [s] | Relative |\n\
                    |:---|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for line in lines {
        let energy = line.summary.total.map_or("absent".to_owned(), |total| total.to_string());
        let joules = line.summary.joules;
        let spread = joules.and_then(|joules| joules.deviation);
        let range = joules.map(|joules| format!("{:.3} to {:.3}", joules.low, joules.high));
        let seconds = line.summary.seconds.map(|seconds| format!("{:.3}", seconds.mean));
        let relative = line.relative.map(|(ratio, interval)| match interval {
            Some([low, high]) => format!("{ratio:.4} ({low:.4} to {high:.4})"),
            None => format!("{ratio:.4}"),
        });
        text.push_str(&format!(
            "| {} | {energy} | {} | {} | {} | {} |\n",
            code(line.command),
            spread.map_or(String::new(), |spread| format!("{spread:.3}")),
            range.unwrap_or_default(),
            seconds.unwrap_or_default(),
            relative.unwrap_or_default()
        ));
    }
    text
}

impl Line<'_> {
    fn fields(&self) -> [String; HEAD.len()] {
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let (summary, joules, seconds) = (self.summary, self.summary.joules, self.summary.seconds);
        let relative = self.relative;
        let interval = relative.and_then(|(_, interval)| interval);
        let total = summary.total;
        let mean = seconds.map(|seconds| seconds.mean);
        let watts = total.zip(mean).filter(|(_, seconds)| *seconds > 0.0);
        [
            self.command.to_owned(),
            summary.runs.to_string(),
            number(total.map(|total| total.joules.0)),
            number(total.map(|total| total.uncertainty.0)),
            total.map(|total| total.origin.word().to_owned()).unwrap_or_default(),
            number(joules.and_then(|joules| joules.deviation)),
            number(joules.map(|joules| joules.median)),
            number(joules.map(|joules| joules.low)),
            number(joules.map(|joules| joules.high)),
            number(mean),
            number(seconds.and_then(|seconds| seconds.deviation)),
            number(relative.map(|(ratio, _)| ratio)),
            number(interval.map(|[low, _]| low)),
            number(interval.map(|[_, high]| high)),
            number(watts.map(|(total, seconds)| total.joules.0 / seconds)),
        ]
    }
}

/// A command as code within a cell of a Markdown table.
fn code(command: &str) -> String {
    let command = command.replace('|', "\\|").replace(['\n', '\r'], " ");
    // A fence that is longer than every row of backticks within.
    let longest = command.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest == 0 { format!("`{command}`") } else { format!("{fence} {command} {fence}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_cannot_break_the_table() {
        assert_eq!(code("true"), "`true`");
        assert_eq!(code("a | b\nc"), "`a \\| b c`");
        assert_eq!(code("echo `x` ``"), "``` echo `x` `` ```");
    }

    #[test]
    fn what_is_not_known_is_empty() {
        let summary = Summary::of(&[]);
        let lines = [Line { command: "a, \"b\"", summary: &summary, relative: None }];
        let text = csv(&lines);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let record = reader.records().next().unwrap().unwrap();
        assert_eq!(record.get(0), Some("a, \"b\""));
        assert_eq!(record.iter().skip(2).filter(|field| !field.is_empty()).count(), 0);
        assert!(markdown(&lines).lines().nth(2).unwrap().starts_with("| `a, \"b\"` | absent |"));
    }
}
