//! The values of one metric in a command's output, by step.

use std::collections::BTreeMap;

use super::{
    lines::Line,
    metric::{Reading, epoch, in_line},
    process::Stream,
};

/// The metric of one objective while a command runs.
#[derive(Debug)]
pub(super) struct Metric {
    name: String,
    /// What was printed on standard output and on standard error.
    printed: [Vec<Printed>; 2],
    /// What the line that is not ended has, by stream.
    open: [Vec<Printed>; 2],
}

#[derive(Clone, Debug)]
struct Printed {
    reading: Reading,
    /// The epoch of its line, or of the last line before it that names one.
    epoch: Option<u32>,
}

/// What a metric's output says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// Values after steps before the last one. Values that are not finite are left out.
    pub(super) steps: BTreeMap<u32, f64>,
    /// The last value; `None` if nothing was printed.
    pub(super) last: Option<f64>,
    /// What a person should know about how it was read.
    pub(super) note: Option<String>,
}

impl Metric {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), printed: Default::default(), open: Default::default() }
    }

    /// Takes a line. `epoch` is that of the last line that names one.
    pub(super) fn take(&mut self, stream: Stream, line: &Line, epoch: Option<u32>) {
        let at = usize::from(stream == Stream::Error);
        for reading in in_line(&line.text, &self.name) {
            // A later version of a line replaces what an earlier one said.
            self.open[at].retain(|printed| printed.reading.kind != reading.kind);
            self.open[at].push(Printed { reading, epoch });
        }
        if !line.replaced {
            let ended = std::mem::take(&mut self.open[at]);
            self.printed[at].extend(ended);
        }
    }

    /// The last value on standard output under the name alone, with `None` in it if that is not finite or
    /// not clear as a number; `None` if nothing was printed.
    pub(super) fn value_alone(&self) -> Option<Option<f64>> {
        let mut alone = self.printed[0].iter().rev();
        let last = alone.find(|printed| printed.reading.kind.is_empty())?;
        Some(last.reading.value.filter(|value| value.is_finite()))
    }

    /// The values of the steps after `from` up to `until`.
    ///
    /// # Errors
    ///
    /// If the last value cannot be read, or it is not clear which of several metrics is meant. The
    /// text says why.
    pub(super) fn series(&self, from: u32, until: u32) -> Result<Series, String> {
        let [output, error] = &self.printed;
        let printed = self.of_one_kind(if output.is_empty() { error } else { output })?;
        let mut series = Series { steps: BTreeMap::new(), last: None, note: None };
        let Some(last) = printed.last() else { return Ok(series) };
        let Some(value) = last.reading.value else {
            return Err(format!(
                "`{}` is followed by `{}`, which is not clear as a number; print it with a point and \
                 without separators, such as 1234.5",
                self.name, last.reading.text
            ));
        };
        series.last = Some(value);
        let steps = steps(&printed, from, until);
        match steps {
            Some(steps) => {
                let finite = steps.into_iter().filter_map(|(step, printed)| {
                    let value = printed.reading.value.filter(|value| value.is_finite());
                    value.map(|value| (step, value))
                });
                series.steps = finite.filter(|(step, _)| *step < until).collect();
            }
            None if until - from > 1 && printed.len() > 1 => {
                series.note = Some(format!(
                    "`{}` was printed {} times in {} epochs, so only its last value is kept; print it \
                     once an epoch, or with the epoch's number in the same line (`epoch 3 {}: ...`)",
                    self.name,
                    printed.len(),
                    until - from,
                    self.name
                ));
            }
            None => {}
        }
        Ok(series)
    }

    /// What was printed under the name alone or, if nothing was, of the only other kind.
    fn of_one_kind<'a>(&self, printed: &'a [Printed]) -> Result<Vec<&'a Printed>, String> {
        let plain = printed.iter().any(|printed| printed.reading.kind.is_empty());
        let mut kinds: Vec<&str> =
            printed.iter().map(|printed| printed.reading.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if !plain && kinds.len() > 1 {
            let names: Vec<String> =
                kinds.iter().map(|kind| format!("`{kind} {}`", self.name)).collect();
            return Err(format!(
                "`{}` was printed as {}; give `metric` one of these names",
                self.name,
                names.join(" and ")
            ));
        }
        let is_it = |printed: &&Printed| !plain || printed.reading.kind.is_empty();
        Ok(printed.iter().filter(is_it).collect())
    }
}

/// The steps of what was printed: by number if there is one for each step, otherwise by the epochs in
/// the lines; `None` if it is not known.
fn steps<'a>(printed: &[&'a Printed], from: u32, until: u32) -> Option<Vec<(u32, &'a Printed)>> {
    let in_order = |printed: &[&'a Printed]| -> Option<Vec<(u32, &'a Printed)>> {
        (printed.len() == (until - from) as usize)
            .then(|| (from + 1..=until).zip(printed.iter().copied()).collect())
    };
    if let Some(steps) = in_order(printed) {
        return Some(steps);
    }
    let mut epochs: Vec<(u32, &Printed)> = Vec::new();
    for printed in printed {
        let epoch = printed.epoch?;
        match epochs.last_mut() {
            Some(last) if last.0 == epoch => last.1 = printed,
            Some(last) if last.0 > epoch => return None,
            _ => epochs.push((epoch, printed)),
        }
    }
    let alone: Vec<&Printed> = epochs.iter().map(|(_, printed)| *printed).collect();
    if let Some(steps) = in_order(&alone) {
        return Some(steps);
    }
    // Counted from 0, the first epoch is `from`, and none is `until`.
    let (first, last) = (epochs.first()?.0, epochs.last()?.0);
    let shift = u32::from(first == from && last < until);
    let shifted = epochs.into_iter().map(|(epoch, printed)| (epoch + shift, printed));
    let within: Vec<(u32, &Printed)> =
        shifted.filter(|(step, _)| (from + 1..=until).contains(step)).collect();
    (!within.is_empty()).then_some(within)
}

/// The epoch that a line names, or the last one before.
pub(super) fn epoch_of(line: &Line, before: Option<u32>) -> Option<u32> {
    epoch(&line.text).or(before)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Line, Metric, Series, Stream, epoch_of};

    fn series(text: &str, from: u32, until: u32) -> Result<Series, String> {
        let mut metric = Metric::new("loss");
        let mut epoch = None;
        for text in text.lines() {
            let line = Line { text: text.to_owned(), replaced: false, too_long: false };
            epoch = epoch_of(&line, epoch);
            metric.take(Stream::Output, &line, epoch);
        }
        metric.series(from, until)
    }

    fn of(text: &str, from: u32, until: u32) -> (Vec<(u32, f64)>, Option<f64>) {
        let Series { steps, last, .. } = series(text, from, until).unwrap_or(Series {
            steps: BTreeMap::new(),
            last: None,
            note: None,
        });
        (steps.into_iter().collect(), last)
    }

    #[test]
    fn values_belong_to_steps_by_number_or_by_epoch() {
        let third = Some(0.3);
        assert_eq!(of("loss: 0.5\nloss: 0.4\nloss: 0.3", 0, 3), (vec![(1, 0.5), (2, 0.4)], third));
        // One line more.
        let text = "loss: 0.5\nloss: 0.4\nloss: 0.3\nbest loss: 0.2";
        assert_eq!(of(text, 0, 3), (vec![(1, 0.5), (2, 0.4)], third));
        // Every third epoch, counted from 1 and from 0, with epoch 0 besides.
        let text = "epoch 3 loss: 0.5\nepoch 6 loss: 0.4\nepoch 9 loss: 0.3";
        assert_eq!(of(text, 0, 9), (vec![(3, 0.5), (6, 0.4)], third));
        let text = "epoch 0 loss: 0.5\nepoch 3 loss: 0.4\nepoch 6 loss: 0.3";
        assert_eq!(of(text, 0, 9), (vec![(1, 0.5), (4, 0.4), (7, 0.3)], third));
        let text = "epoch 0 loss: 0.6\nepoch 3 loss: 0.5\nepoch 6 loss: 0.4\nepoch 9 loss: 0.3";
        assert_eq!(of(text, 0, 9), (vec![(3, 0.5), (6, 0.4)], third));
        // In a later segment, and several values an epoch with the epoch in a line of its own.
        assert_eq!(
            of("epoch 5 loss: 0.4\nepoch 7 loss: 0.3", 4, 8),
            (vec![(5, 0.4), (7, 0.3)], third)
        );
        let text = "Epoch 1/2\nloss: 0.9\nloss: 0.5\nEpoch 2/2\nloss: 0.4\nloss: 0.3";
        assert_eq!(of(text, 0, 2), (vec![(1, 0.5)], third));
        // One bad epoch is left out.
        assert_eq!(of("loss: nan\nloss: 0.4\nloss: 0.3", 0, 3), (vec![(2, 0.4)], third));
        assert_eq!(of("loss: 1,5\nloss: 0.4\nloss: 0.3", 0, 3), (vec![(2, 0.4)], third));
        assert_eq!(of("", 0, 3), (vec![], None));
    }

    #[test]
    fn what_is_not_clear_is_said() {
        let note = series("loss: 0.4\nloss: 0.3", 0, 9).map(|series| series.note);
        assert!(note.is_ok_and(|note| note.is_some_and(|note| note.contains("2 times in 9"))));
        for (text, part) in [
            ("loss: 0.4\nloss: 1,234", "`1,234`, which is not clear"),
            ("train loss: 0.4\nval loss: 0.3", "printed as `train loss` and `val loss`"),
        ] {
            let error = series(text, 0, 1).err().unwrap_or_default();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(of("val loss: 0.4\nval loss: 0.3", 0, 1).1, Some(0.3));
    }

    #[test]
    fn standard_error_is_read_where_standard_output_has_nothing() {
        let line = |text: &str| Line { text: text.to_owned(), replaced: false, too_long: false };
        let mut metric = Metric::new("loss");
        metric.take(Stream::Error, &line("INFO loss: 0.4"), None);
        assert_eq!(metric.series(0, 1).map(|series| series.last), Ok(Some(0.4)));
        metric.take(Stream::Output, &line("loss: 0.3"), None);
        assert_eq!(metric.series(0, 1).map(|series| series.last), Ok(Some(0.3)));
    }
}
