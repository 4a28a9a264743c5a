//! A CSV file as columns; errors name file, column, line and remedy.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use anyhow::{Context, anyhow, bail};
use report::stats::{Factor, StatsError};
use units::limits;

use super::data::Data;

/// The rows of a file.
pub(super) struct Table {
    file: String,
    columns: Vec<String>,
    rows: Vec<csv::StringRecord>,
    /// Number of lines with commas only, which are ignored.
    pub(super) empty_rows: usize,
    /// Number of rows that were left out because a column lacks a value, and those columns.
    pub(super) incomplete: Option<(usize, Vec<String>)>,
    /// Whether numbers have a comma in place of the point, as in files whose fields end with `;`.
    decimal_comma: bool,
}

/// How files say that a value is missing.
const MISSING: [&str; 7] = ["", "NA", "N/A", "NaN", "nan", "NULL", "null"];

impl Table {
    pub(super) fn read(path: &Path) -> Result<Self, anyhow::Error> {
        let file = path.display().to_string();
        let unreadable = || format!("failed to read `{file}`; check the path");
        let bytes = std::fs::metadata(path).with_context(unreadable)?.len();
        limits::TABLE_BYTES.check(bytes).with_context(|| format!("`{file}`"))?;
        let delimiter = delimiter(path).with_context(unreadable)?;
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .delimiter(delimiter)
            .from_path(path)
            .with_context(unreadable)?;
        let broken = |error: csv::Error| {
            anyhow!(
                "`{file}`: {error}; expected a CSV file in UTF-8 with as many fields in every line as in the header"
            )
        };
        let header = reader.headers().map_err(broken)?.clone();
        let columns: Vec<String> =
            header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        check_header(&columns).with_context(|| format!("`{file}`"))?;
        let mut lines: u64 = 0;
        let mut rows = Vec::new();
        for row in reader.records() {
            let row = row.map_err(broken)?;
            lines += 1;
            limits::ROWS.check(lines).with_context(|| format!("`{file}`"))?;
            if row.iter().any(|field| !field.is_empty()) {
                rows.push(row);
            }
        }
        if rows.is_empty() {
            bail!("`{file}` has no rows, expected a header and one row per observation");
        }
        Ok(Self {
            file,
            columns,
            empty_rows: lines as usize - rows.len(),
            rows,
            incomplete: None,
            decimal_comma: delimiter != b',',
        })
    }

    /// Leaves out the rows that lack a value in one of these columns, and remembers how many.
    pub(super) fn keep_complete(&mut self, names: &[&str]) -> Result<(), anyhow::Error> {
        let at: Vec<usize> =
            names.iter().map(|name| self.position(name)).collect::<Result<_, _>>()?;
        let lacks = |row: &csv::StringRecord, at: usize| MISSING.contains(&&row[at]);
        let mut columns: Vec<String> = Vec::new();
        for &at in &at {
            let name = &self.columns[at];
            if !columns.contains(name) && self.rows.iter().any(|row| lacks(row, at)) {
                columns.push(name.clone());
            }
        }
        let before = self.rows.len();
        self.rows.retain(|row| !at.iter().any(|&at| lacks(row, at)));
        if self.rows.is_empty() {
            bail!(
                "`{}`: none of the {before} rows has a value in each of the columns {}; choose columns \
                 with values",
                self.file,
                quoted(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
            );
        }
        if !columns.is_empty() {
            self.incomplete = Some((before - self.rows.len(), columns));
        }
        Ok(())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn position(&self, name: &str) -> Result<usize, anyhow::Error> {
        self.columns.iter().position(|column| column == name).ok_or_else(|| {
            let distance = |column: &&String| strsim::damerau_levenshtein(column, name);
            let nearest = self.columns.iter().min_by_key(distance).map_or("", String::as_str);
            anyhow!(
                "`{}` has no column `{name}`; did you mean `{nearest}`? Its columns are {}",
                self.file,
                quoted(&self.columns)
            )
        })
    }

    fn fields(&self, name: &str) -> Result<impl Iterator<Item = (u64, &str)>, anyhow::Error> {
        let at = self.position(name)?;
        Ok(self
            .rows
            .iter()
            .map(move |row| (row.position().map_or(0, csv::Position::line), &row[at])))
    }

    fn number(&self, field: &str) -> Option<f64> {
        let with_comma = self.decimal_comma && field.matches(',').count() == 1;
        if with_comma && !field.contains('.') {
            return field.replace(',', ".").parse().ok();
        }
        field.parse().ok()
    }

    /// Where the joules of a column come from, if the table says so: the values of the column `….origin` beside
    /// `….joules`, as in exported journals, or `…_origin` beside `…_j`.
    pub(super) fn origin(&self, column: &str) -> Option<String> {
        let of = |unit: &str, origin: &str| Some(format!("{}{origin}", column.strip_suffix(unit)?));
        let name = of("joules", "origin").or_else(|| of("_j", "_origin"))?;
        let found: std::collections::BTreeSet<&str> = self
            .fields(&name)
            .ok()?
            .map(|(_, field)| field)
            .filter(|field| !field.is_empty())
            .collect();
        let words: Vec<&str> = found.into_iter().collect();
        (!words.is_empty()).then(|| words.join(" and "))
    }

    /// A column's name for titles, with the origin of its joules if the table says it.
    pub(super) fn title(&self, column: &str) -> String {
        match self.origin(column) {
            Some(origin) => format!("{column} ({origin})"),
            None => column.to_owned(),
        }
    }

    /// A column of finite numbers.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>, anyhow::Error> {
        self.fields(name)?
            .map(|(line, field)| match self.number(field) {
                Some(value) if value.is_finite() => Ok(value),
                _ => Err(anyhow!(
                    "`{}`, line {line}: column `{name}` is `{field}`, expected a finite number; \
                     correct it or remove the line",
                    self.file
                )),
            })
            .collect()
    }

    /// A column of levels, sorted.
    pub(super) fn factor(&self, name: &str) -> Result<Factor, anyhow::Error> {
        let mut levels = Vec::with_capacity(self.rows.len());
        for (line, field) in self.fields(name)? {
            if field.is_empty() {
                bail!(
                    "`{}`, line {line}: column `{name}` is empty, expected the level of a factor; \
                     fill it or remove the line",
                    self.file
                );
            }
            levels.push(field.to_owned());
        }
        Ok(Factor::new(name, levels).sorted())
    }

    /// Several factors, different from one another and from the response, with at least two levels each.
    pub(super) fn factors(
        &self,
        names: &[String],
        response: &str,
    ) -> Result<Vec<Factor>, anyhow::Error> {
        for (at, name) in names.iter().enumerate() {
            if name == response || names[..at].contains(name) {
                bail!(
                    "column `{name}` is given twice, expected one response and different factors"
                );
            }
        }
        let factors: Vec<Factor> =
            names.iter().map(|name| self.factor(name)).collect::<Result<_, _>>()?;
        for factor in &factors {
            if let [only] = factor.levels.as_slice() {
                bail!(
                    "`{}`: column `{}` is `{only}` in every row, expected at least two levels; leave \
                     the factor out",
                    self.file,
                    factor.name
                );
            }
            if factor.levels.len() == self.rows.len() {
                bail!(
                    "`{}`: column `{}` has a different value in each of its {} rows (the first is \
                     `{}`), expected levels that repeat; a measurement cannot be a factor",
                    self.file,
                    factor.name,
                    self.rows.len(),
                    self.rows[0].get(self.position(&factor.name)?).unwrap_or("")
                );
            }
        }
        for (at, a) in factors.iter().enumerate() {
            if let Some(b) =
                factors[at + 1..].iter().find(|factor| determine_one_another(a, factor))
            {
                bail!(
                    "`{}`: columns `{}` and `{}` always change together (`{}` comes with `{}`), so \
                     their effects cannot be told apart; leave one out",
                    self.file,
                    a.name,
                    b.name,
                    a.levels[a.codes[0]],
                    b.levels[b.codes[0]]
                );
            }
        }
        Ok(factors)
    }

    /// The error of a statistic with the file, the columns and the remedy.
    pub(super) fn complaint(
        &self,
        error: StatsError,
        data: &Data,
        factors: &[Factor],
    ) -> anyhow::Error {
        let names: Vec<String> = factors.iter().map(|factor| factor.name.clone()).collect();
        let place = format!("`{}`: column `{}` by {}", self.file, data.response, quoted(&names));
        match error {
            StatsError::Constant { column } if column == "response" || column == "groups" => {
                let value = self.fields(&data.response).ok().and_then(|mut fields| fields.next());
                anyhow!(
                    "{place}: the response is `{}` in every row, expected values that vary; analyze \
                     another column",
                    value.map_or("", |field| field.1)
                )
            }
            StatsError::Constant { .. } => anyhow!(
                "{place}: the response does not vary within any group, so there is no error to test \
                 against; add repeats or analyze another column"
            ),
            StatsError::EmptyCell { cell } => match nested(factors) {
                Some((inner, outer)) => anyhow!(
                    "{place}: `{inner}` is nested in `{outer}`: each of its levels occurs with one level \
                     of `{outer}` only, so their interaction has empty cells; analyze `{inner}` alone, or \
                     average its rows and analyze `{outer}`"
                ),
                None => anyhow::Error::new(StatsError::EmptyCell { cell }).context(place),
            },
            StatsError::TooFew { what, found, expected } => anyhow!(
                "{place}: {found} {what}, expected at least {expected}; add rows or leave out the \
                 level with too few rows"
            ),
            error => anyhow::Error::new(error).context(place),
        }
    }
}

impl Data {
    /// Reads the file, without the rows that lack a value in a column of the analysis: the response, those
    /// of the flags above, and `others`.
    pub(super) fn table(&self, others: &[&str]) -> Result<Table, anyhow::Error> {
        let mut table = Table::read(&self.file)?;
        let mut columns = vec![self.response.as_str()];
        columns.extend(others);
        columns.extend(self.cluster.0.iter().map(String::as_str));
        columns.extend(self.order.as_deref());
        table.keep_complete(&columns)?;
        Ok(table)
    }
}

/// What ends the fields: a comma, or a semicolon or tab if the header has no comma.
fn delimiter(path: &Path) -> std::io::Result<u8> {
    let mut header = Vec::new();
    // As many bytes as the names of the columns may have.
    let most = limits::COLUMNS.max().saturating_mul(8);
    BufReader::new(File::open(path)?).take(most).read_until(b'\n', &mut header)?;
    let has = |byte: u8| header.contains(&byte);
    Ok([b',', b';', b'\t'].into_iter().find(|byte| has(*byte)).unwrap_or(b','))
}

/// Checks the names of the columns.
fn check_header(columns: &[String]) -> Result<(), anyhow::Error> {
    limits::COLUMNS.check(columns.len())?;
    for name in columns {
        limits::NAME_BYTES.check(name.len()).with_context(|| {
            format!("the name of column `{}…`", name.chars().take(40).collect::<String>())
        })?;
    }
    let mut seen = HashSet::new();
    if let Some(twice) = columns.iter().find(|name| !seen.insert(name.as_str())) {
        bail!("two columns are called `{twice}`, expected different names; rename one");
    }
    Ok(())
}

/// Whether each level of one factor comes with exactly one level of the other.
fn determine_one_another(a: &Factor, b: &Factor) -> bool {
    let pairs: std::collections::BTreeSet<(usize, usize)> =
        a.codes.iter().copied().zip(b.codes.iter().copied()).collect();
    a.levels.len() == b.levels.len() && pairs.len() == a.levels.len()
}

/// Two factors of which each level of the first occurs with one level of the second only.
fn nested(factors: &[Factor]) -> Option<(&str, &str)> {
    let is_nested = |inner: &Factor, outer: &Factor| {
        let pairs: std::collections::BTreeSet<(usize, usize)> =
            inner.codes.iter().copied().zip(outer.codes.iter().copied()).collect();
        pairs.len() == inner.levels.len() && inner.levels.len() > outer.levels.len()
    };
    factors.iter().find_map(|inner| {
        let outer = factors.iter().find(|outer| is_nested(inner, outer))?;
        Some((inner.name.as_str(), outer.name.as_str()))
    })
}

/// Names as text: `` `a`, `b` ``.
pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
