//! The warnings of many runs as one list.

use record::Warning;

/// The warnings of `runs` runs. Those that differ only in their numbers are one, which says in how many
/// runs it appeared.
pub(super) fn gathered<'a>(runs: impl IntoIterator<Item = &'a [Warning]>) -> Vec<Warning> {
    let mut found: Vec<(String, Warning, usize)> = Vec::new();
    let mut count = 0;
    for warnings in runs {
        count += 1;
        let mut seen: Vec<String> = Vec::new();
        for warning in warnings {
            let key = without_numbers(&warning.text);
            if seen.contains(&key) {
                continue;
            }
            match found
                .iter_mut()
                .find(|(known, other, _)| (known, other.kind) == (&key, warning.kind))
            {
                Some((_, _, times)) => *times += 1,
                None => found.push((key.clone(), warning.clone(), 1)),
            }
            seen.push(key);
        }
    }
    let told = |(_, warning, times): (String, Warning, usize)| match times {
        _ if times == count => warning,
        1 => Warning { text: format!("{} (in 1 of {count} runs)", warning.text), ..warning },
        _ => Warning { text: format!("{} (in {times} of {count} runs)", warning.text), ..warning },
    };
    found.into_iter().map(told).collect()
}

fn without_numbers(text: &str) -> String {
    text.chars().filter(|character| !character.is_ascii_digit() && *character != '.').collect()
}

#[cfg(test)]
mod tests {
    use record::WarningKind;

    use super::*;

    #[test]
    fn warnings_that_differ_in_their_numbers_are_one() {
        let gap = |seconds| {
            Warning::new(WarningKind::SensorGap, format!("{seconds} s of 2.0 s are not covered"))
        };
        let model = Warning::new(WarningKind::EstimatedEnergy, "no sensor");
        let runs = [
            vec![model.clone(), gap("0.25")],
            vec![model.clone()],
            vec![gap("0.5"), model.clone()],
        ];
        let found = gathered(runs.iter().map(Vec::as_slice));
        assert_eq!(found[0], model);
        assert_eq!(found[1].text, "0.25 s of 2.0 s are not covered (in 2 of 3 runs)");
        assert_eq!(found.len(), 2);
    }
}
