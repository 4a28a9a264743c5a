//! From tables to sets, as an adapter says.

use std::{collections::HashMap, sync::Arc};

use sha2::{Digest, Sha256};

use super::{
    Adapter, EvidenceError, EvidenceFile, EvidenceRow, EvidenceSet,
    columns::{Condition, Exclusion, ReplayColumns},
    own::{OwnEstimate, OwnReading},
    set::CellGraph,
};

/// More rows are refused: a table of a million rows is read in a few seconds.
const MOST_ROWS: usize = 1_000_000;

/// A table of a data set: its file, where it was found, and its text.
pub(crate) struct Table<'a> {
    pub(crate) file: &'a EvidenceFile,
    pub(crate) path: String,
    pub(crate) text: &'a str,
}

/// The SHA-256 of a text in hex.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text is the published file, or its condensed copy, which has the same rows.
pub(crate) fn verify(
    adapter: &Adapter,
    file: &EvidenceFile,
    path: &str,
    text: &str,
) -> Result<(), EvidenceError> {
    check(adapter, file.condensed_sha256.as_ref(), file.sha256.as_ref(), path, text)
}

/// Whether a text has the checksum of the condensed copy, or of the published file if that is known.
pub(crate) fn check(
    adapter: &Adapter,
    copy: Option<&String>,
    published: Option<&String>,
    path: &str,
    text: &str,
) -> Result<(), EvidenceError> {
    let Some(expected) = published else { return Ok(()) };
    let found = sha256(text);
    if found == *expected || copy == Some(&found) {
        return Ok(());
    }
    let (file, adapter, expected) = (path.to_owned(), adapter.name.clone(), expected.clone());
    Err(EvidenceError::Checksum { file, adapter, found, expected })
}

/// A reader of the table in a text, from its header on.
pub(crate) fn reader<'a>(
    adapter: &Adapter,
    file: &EvidenceFile,
    path: &str,
    text: &'a str,
) -> Result<csv::Reader<&'a [u8]>, EvidenceError> {
    let mut builder = csv::ReaderBuilder::new();
    let Some(header) = &file.header else { return Ok(builder.from_reader(text.as_bytes())) };
    // A condensed copy has no other lines.
    let first: Vec<&str> = text.lines().next().unwrap_or_default().split(',').collect();
    if adapter.columns_read().iter().all(|column| first.contains(column)) {
        return Ok(builder.from_reader(text.as_bytes()));
    }
    let mut before = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == header {
            return Ok(builder.flexible(true).from_reader(&text.as_bytes()[before..]));
        }
        before += line.len();
    }
    Err(EvidenceError::Header { file: path.to_owned(), header: header.clone() })
}

/// A table's rows with the positions of its columns.
struct Lines {
    path: String,
    adapter: String,
    positions: HashMap<String, usize>,
    rows: Vec<csv::StringRecord>,
}

impl Lines {
    fn read(adapter: &Adapter, table: &Table<'_>) -> Result<Self, EvidenceError> {
        let of_csv = |source| EvidenceError::Csv { file: table.path.clone(), source };
        let mut reader = reader(adapter, table.file, &table.path, table.text)?;
        let head = reader.headers().map_err(of_csv)?.clone();
        let mut positions = HashMap::new();
        for (at, name) in head.iter().enumerate() {
            positions.entry(name.trim_start_matches('\u{feff}').to_owned()).or_insert(at);
        }
        for column in adapter.columns_read() {
            if !positions.contains_key(column) {
                return Err(EvidenceError::Column {
                    file: table.path.clone(),
                    adapter: adapter.name.clone(),
                    column: column.to_owned(),
                    found: head
                        .iter()
                        .map(|name| format!("`{name}`"))
                        .collect::<Vec<_>>()
                        .join(", "),
                });
            }
        }
        let mut rows = Vec::new();
        for row in reader.records() {
            if rows.len() == MOST_ROWS {
                return Err(EvidenceError::TooLong { file: table.path.clone(), most: MOST_ROWS });
            }
            let row = row.map_err(of_csv)?;
            // Only tables between other lines have rows of other lengths.
            if row.len() == head.len() {
                rows.push(row);
            }
        }
        Ok(Self { path: table.path.clone(), adapter: adapter.name.clone(), positions, rows })
    }

    fn text(&self, row: usize, column: &str) -> Result<&str, EvidenceError> {
        let position = self.positions.get(column).ok_or_else(|| EvidenceError::Column {
            file: self.path.clone(),
            adapter: self.adapter.clone(),
            column: column.to_owned(),
            found: "others".to_owned(),
        })?;
        Ok(self.rows[row].get(*position).unwrap_or_default().trim())
    }

    fn number(
        &self,
        row: usize,
        column: &str,
        expected: &'static str,
        is_fit: impl Fn(f64) -> bool,
    ) -> Result<f64, EvidenceError> {
        let text = self.text(row, column)?;
        let number = text.parse::<f64>().ok().filter(|value| value.is_finite() && is_fit(*value));
        number.ok_or_else(|| EvidenceError::Value {
            file: self.path.clone(),
            line: row + 2,
            column: column.to_owned(),
            value: text.to_owned(),
            expected,
        })
    }

    /// A product of columns, each above 0.
    fn product(&self, row: usize, columns: &[String]) -> Result<f64, EvidenceError> {
        columns.iter().try_fold(1.0, |product, column| {
            Ok(product * self.number(row, column, "a number above 0", |value| value > 0.0)?)
        })
    }

    fn device(
        &self,
        row: usize,
        adapter: &Adapter,
        file: &EvidenceFile,
    ) -> Result<String, EvidenceError> {
        match (&adapter.columns.device, &file.device, &adapter.constants.device) {
            (Some(column), ..) => Ok(self.text(row, column)?.to_owned()),
            (None, Some(device), _) | (None, None, Some(device)) => Ok(device.clone()),
            (None, None, None) => Ok(String::new()),
        }
    }

    fn holds(
        &self,
        row: usize,
        condition: &Condition,
        highest: f64,
    ) -> Result<bool, EvidenceError> {
        let column = &condition.column;
        if let Some(is) = &condition.is {
            return Ok(self.text(row, column)? == is);
        }
        let value = self.number(row, column, "a number", |_| true)?;
        Ok(condition.below.map_or(value < highest, |limit| value < limit))
    }
}

/// The sets of a data set, by device in order of appearance.
pub(crate) fn sets(
    adapter: &Arc<Adapter>,
    tables: &[Table<'_>],
    is_copy: bool,
) -> Result<Vec<EvidenceSet>, EvidenceError> {
    let mut sets: Vec<EvidenceSet> = Vec::new();
    for table in tables {
        if is_copy {
            let copy = table.file.condensed_sha256.as_ref();
            check(adapter, None, copy, &table.path, table.text)?;
        } else {
            verify(adapter, table.file, &table.path, table.text)?;
        }
        let lines = Lines::read(adapter, table)?;
        let mut devices = Vec::with_capacity(lines.rows.len());
        for row in 0..lines.rows.len() {
            devices.push(lines.device(row, adapter, table.file)?);
        }
        let highest = highest(adapter, &lines, &devices)?;
        for (row, device) in devices.iter().enumerate() {
            let shown = if adapter.together { "all devices" } else { device };
            let at = sets.iter().position(|set| set.device == shown).unwrap_or_else(|| {
                sets.push(EvidenceSet {
                    adapter: Arc::clone(adapter),
                    device: shown.to_owned(),
                    rows: Vec::new(),
                    excluded: Vec::new(),
                    is_copy,
                });
                sets.len() - 1
            });
            let set = &mut sets[at];
            match exclusion(adapter, &lines, row, device, &highest)? {
                Some(exclusion) => {
                    let reason = &exclusion.reason;
                    match set.excluded.iter_mut().find(|(known, _)| known == reason) {
                        Some((_, count)) => *count += 1,
                        None => set.excluded.push((reason.clone(), 1)),
                    }
                }
                None => set.rows.push(of_line(adapter, &lines, row)?),
            }
        }
    }
    Ok(sets)
}

/// The highest value of a column on a device.
type Highest = HashMap<(String, String), f64>;

fn highest(adapter: &Adapter, lines: &Lines, devices: &[String]) -> Result<Highest, EvidenceError> {
    let mut highest = Highest::new();
    let conditions = adapter.exclude.iter().flat_map(|exclusion| &exclusion.when);
    for condition in conditions.filter(|condition| condition.below_highest) {
        for (row, device) in devices.iter().enumerate() {
            let value = lines.number(row, &condition.column, "a number", |_| true)?;
            let key = (condition.column.clone(), device.clone());
            let known = highest.entry(key).or_insert(f64::NEG_INFINITY);
            *known = known.max(value);
        }
    }
    Ok(highest)
}

/// The first exclusion that a row falls under.
fn exclusion<'a>(
    adapter: &'a Adapter,
    lines: &Lines,
    row: usize,
    device: &str,
    highest: &Highest,
) -> Result<Option<&'a Exclusion>, EvidenceError> {
    for exclusion in &adapter.exclude {
        let mut all = true;
        for condition in &exclusion.when {
            let key = (condition.column.clone(), device.to_owned());
            let highest = highest.get(&key).copied().unwrap_or(f64::NEG_INFINITY);
            all &= lines.holds(row, condition, highest)?;
        }
        if all {
            return Ok(Some(exclusion));
        }
    }
    Ok(None)
}

fn of_line(adapter: &Adapter, lines: &Lines, row: usize) -> Result<EvidenceRow, EvidenceError> {
    let columns = &adapter.columns;
    let text = |column: &Option<String>| {
        column.as_ref().map(|column| lines.text(row, column).map(str::to_owned)).transpose()
    };
    let above_0 = |column: &Option<String>| {
        let number =
            |column: &String| lines.number(row, column, "a number above 0", |value| value > 0.0);
        column.as_ref().map(number).transpose()
    };
    let network = lines.text(row, &columns.network)?;
    let network = match text(&columns.data)? {
        Some(data) => format!("{network} on {data}"),
        None => network.to_owned(),
    };
    let whole = |value: f64| value >= 1.0 && value.fract() == 0.0 && value <= f64::from(u32::MAX);
    let batch = match &columns.batch {
        Some(column) => {
            Some(lines.number(row, column, "a whole number of at least 1", whole)? as u32)
        }
        None => adapter.constants.batch,
    };
    let share = |column: &String| {
        lines.number(row, column, "a share from 0 to 1", |value| (0.0..=1.0).contains(&value))
    };
    let read_joules = lines.product(row, &columns.joules)? * columns.joules_factor;
    let joules = read_joules / above_0(&columns.work)?.unwrap_or(1.0);
    let images = above_0(&columns.images)?.map(|images| joules / images);
    let second = adapter.second.as_ref();
    let own = |estimate: &OwnEstimate| {
        let mut busy = estimate.busy_factor;
        for column in &estimate.busy {
            busy *= lines.number(row, column, "a number of at least 0", |value| value >= 0.0)?;
        }
        Ok(OwnReading { busy, seconds: above_0(&estimate.seconds)?.unwrap_or(1.0) })
    };
    let graph = |replay: &ReplayColumns| {
        if !lines.holds(row, &replay.only, f64::NEG_INFINITY)? {
            return Ok(None);
        }
        Ok(Some(CellGraph {
            matrix: lines.text(row, &replay.matrix)?.to_owned(),
            operations: lines.text(row, &replay.operations)?.to_owned(),
            validation_ppm: (share(&replay.validation)? * 1e6).round() as u32,
        }))
    };
    Ok(EvidenceRow {
        network,
        batch,
        block: text(&columns.block)?,
        joules,
        read_joules,
        joules_per_image: images.or((adapter.unit == "image").then_some(joules)),
        accuracy: columns.accuracy.as_ref().map(share).transpose()?,
        second_joules: second.map(|second| lines.product(row, &second.joules)).transpose()?,
        own: adapter.estimate.as_ref().map(own).transpose()?,
        graph: adapter.replay.as_ref().map(graph).transpose()?.flatten(),
    })
}
