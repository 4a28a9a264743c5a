//! Power per core of known processors, from their data sheets.

use units::Watts;

/// The sources are named at the top of the file.
const TABLE: &str = include_str!("processors.csv");

/// Power per core of a processor that is not in the table.
const UNKNOWN: Watts = Watts(7.0);

/// The rated power of a processor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rated {
    /// Thermal design power divided by the number of cores.
    pub(super) per_core: Watts,
    /// Where this value comes from, in words.
    pub(super) described: String,
}

/// Looks up a processor by its name in `/proc/cpuinfo`.
pub(super) fn rated(name: &str) -> Rated {
    let best = rows().filter(|row| row.names(name)).max_by_key(|row| row.words.len());
    let Some(row) = best else {
        let described = format!("a default value, because processor `{name}` is not in the table");
        return Rated { per_core: UNKNOWN, described };
    };
    let described = if row.model.is_empty() {
        format!("{} W over {} cores of `{}`", row.tdp, row.cores, row.words)
    } else {
        format!("family `{}` (as `{}`) for processor `{name}`", row.words, row.model)
    };
    Rated { per_core: Watts(row.tdp / row.cores), described }
}

struct Row {
    words: &'static str,
    tdp: f64,
    cores: f64,
    model: &'static str,
}

impl Row {
    /// Whether a processor's name contains these words. A model must be a whole word, because a 3600X
    /// is no 3600.
    fn names(&self, name: &str) -> bool {
        let Some(at) = name.find(self.words) else { return false };
        let next = name[at + self.words.len()..].chars().next();
        !self.model.is_empty() || next.is_none_or(|letter| !letter.is_alphanumeric())
    }
}

fn rows() -> impl Iterator<Item = Row> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.filter_map(|line| {
        let mut fields = line.split(',');
        let words = fields.next()?;
        let (tdp, cores) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Row { words, tdp, cores, model: fields.next()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count() - 1;
        assert_eq!(rows().count(), lines);
        for row in rows() {
            let per_core = row.tdp / row.cores;
            assert!((1.0..40.0).contains(&per_core), "{}: {per_core} W", row.words);
        }
    }

    #[test]
    fn the_longest_match_wins() {
        let name = "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz";
        assert_eq!(rated(name).per_core, Watts(6.75));
        assert!(rated(name).described.contains("270 W over 40 cores"));
        assert!(rated("Intel(R) Xeon(R) Processor").described.contains("family `Xeon`"));
        assert_eq!(rated("AMD EPYC 7742 64-Core Processor").per_core, Watts(225.0 / 64.0));
        assert_eq!(rated("whatever").per_core, UNKNOWN);
        assert!(rated("AMD Ryzen 5 3600X 6-Core Processor").described.contains("family"));
        let old = "Intel(R) Xeon(R) CPU E5-2620 v4 @ 2.10GHz";
        assert_eq!(rated(old).per_core, Watts(85.0 / 8.0));
    }
}
