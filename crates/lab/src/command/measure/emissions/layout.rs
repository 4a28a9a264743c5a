//! What an `emissions.csv` looks like, and the text that a row is appended with.

use csv::{ByteRecord, ReaderBuilder, Terminator, WriterBuilder};
use meter::export::emissions::{EmissionsRow, emissions_columns};

/// The byte order mark that some spreadsheets begin a file with.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Columns that every `emissions.csv` has had since CodeCarbon 1.0.
const ALWAYS: [&str; 2] = ["timestamp", "energy_consumed"];

/// What can be done with a file.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// It has no content: a header and the rows are written.
    Empty,
    /// It has all of our columns, in any order and perhaps among others.
    Fits(Layout),
    /// It has the columns of another version: those that are missing are added to every row.
    Older(Layout),
    /// It is an `emissions.csv` with a row that has too few or too many fields.
    Damaged {
        /// Number of the row, the header being 1.
        row: usize,
        /// Its number of fields.
        fields: usize,
        /// The number of fields of the header.
        expected: usize,
    },
    /// It is something else.
    Foreign,
}

/// How the rows of a file are written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    columns: Vec<String>,
    /// Whether lines end with `\r\n`.
    carriage_return: bool,
    /// Whether the last line ends with a line break.
    ended: bool,
}

impl Found {
    /// Looks at the content of a file.
    pub(super) fn of(content: &[u8]) -> Self {
        let text = content.strip_prefix(MARK).unwrap_or(content);
        if text.trim_ascii().is_empty() {
            return Self::Empty;
        }
        let mut reader = reader(text);
        let mut record = ByteRecord::new();
        let columns = match reader.read_byte_record(&mut record) {
            Ok(true) => names(&record),
            _ => None,
        };
        let Some(columns) = columns else { return Self::Foreign };
        let has = |name: &str| columns.iter().any(|column| column == name);
        let twice = (1..columns.len()).any(|at| columns[..at].contains(&columns[at]));
        if twice || !ALWAYS.iter().all(|name| has(name)) {
            return Self::Foreign;
        }
        let mut row = 1;
        while reader.read_byte_record(&mut record).unwrap_or(false) {
            row += 1;
            if record.len() != columns.len() {
                let (fields, expected) = (record.len(), columns.len());
                return Self::Damaged { row, fields, expected };
            }
        }
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let fits = emissions_columns().iter().all(|name| has(name));
        let layout = Layout {
            columns,
            carriage_return: first.ends_with(b"\r"),
            ended: text.ends_with(b"\n"),
        };
        if fits { Self::Fits(layout) } else { Self::Older(layout) }
    }
}

impl Layout {
    /// Our own, for a new file.
    pub(super) fn new() -> Self {
        let columns = emissions_columns().iter().map(|name| (*name).to_owned()).collect();
        Self { columns, carriage_return: false, ended: true }
    }

    /// A header and rows.
    pub(super) fn whole(&self, rows: &[EmissionsRow<'_>]) -> Vec<u8> {
        let mut text = self.written([self.columns.clone()]);
        text.extend(self.rows(rows));
        text
    }

    /// The text that appends rows: a line break first if the last line has none.
    pub(super) fn appended(&self, rows: &[EmissionsRow<'_>]) -> Vec<u8> {
        let line_break: &[u8] = if self.carriage_return { b"\r\n" } else { b"\n" };
        let mut text = if self.ended { Vec::new() } else { line_break.to_vec() };
        text.extend(self.rows(rows));
        text
    }

    /// The content of a file with the columns that it lacks, empty in its old rows, and with new rows.
    pub(super) fn converted(&self, content: &[u8], rows: &[EmissionsRow<'_>]) -> Vec<u8> {
        let old = self.columns.len();
        let mut new = self.clone();
        for name in emissions_columns() {
            if !self.columns.iter().any(|column| column == name) {
                new.columns.push((*name).to_owned());
            }
        }
        let text = content.strip_prefix(MARK).unwrap_or(content);
        let mut result = content[..content.len() - text.len()].to_vec();
        let mut reader = reader(text);
        let mut record = ByteRecord::new();
        result.extend(new.written([new.columns.clone()]));
        // The header has been written.
        let _ = reader.read_byte_record(&mut record);
        while reader.read_byte_record(&mut record).unwrap_or(false) {
            for _ in old..new.columns.len() {
                record.push_field(b"");
            }
            result.extend(new.written([record.iter()]));
        }
        result.extend(new.rows(rows));
        result
    }

    fn rows(&self, rows: &[EmissionsRow<'_>]) -> Vec<u8> {
        self.written(rows.iter().map(|row| row.fields(&self.columns)))
    }

    fn written<Row>(&self, rows: impl IntoIterator<Item = Row>) -> Vec<u8>
    where
        Row: IntoIterator<Item: AsRef<[u8]>>,
    {
        let end = if self.carriage_return { Terminator::CRLF } else { Terminator::Any(b'\n') };
        let mut writer = WriterBuilder::new().terminator(end).from_writer(Vec::new());
        for row in rows {
            // Writing into memory cannot fail, and all rows have as many fields as there are columns.
            let _ = writer.write_record(row);
        }
        writer.into_inner().unwrap_or_default()
    }
}

fn reader(text: &[u8]) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text)
}

/// The names of a header; `None` if they are no text.
fn names(record: &ByteRecord) -> Option<Vec<String>> {
    let name = |field: &[u8]| Some(std::str::from_utf8(field).ok()?.trim().to_owned());
    record.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use meter::export::emissions::emissions_header;

    use super::*;

    fn row() -> EmissionsRow<'static> {
        EmissionsRow {
            timestamp: "2026-11-21T03:00:00".to_owned(),
            country: "CIV".to_owned(),
            country_name: "Côte d'Ivoire, \"the\"".to_owned(),
            ..EmissionsRow::default()
        }
    }

    /// Rows as maps from column to field, and the number of fields of each row.
    fn read(content: &[u8]) -> (Vec<String>, Vec<Vec<String>>) {
        let text = content.strip_prefix(MARK).unwrap_or(content);
        let mut rows = reader(text)
            .into_byte_records()
            .map(|record| {
                let record = record.unwrap();
                record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
            })
            .collect::<Vec<Vec<String>>>()
            .into_iter();
        (rows.next().unwrap(), rows.collect())
    }

    fn field(content: &[u8], at: usize, column: &str) -> String {
        let (columns, rows) = read(content);
        assert!(rows.iter().all(|row| row.len() == columns.len()), "{columns:?} {rows:?}");
        rows[at][columns.iter().position(|name| name == column).unwrap()].clone()
    }

    /// CodeCarbon 2.2 (2023) had neither `experiment_id` nor the columns of water and utilization.
    const CODECARBON_2_2: &str = "timestamp,project_name,run_id,duration,emissions,emissions_rate,\
        cpu_power,gpu_power,ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,country_name,\
        country_iso_code,region,cloud_provider,cloud_region,os,python_version,codecarbon_version,\
        cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,tracking_mode,\
        on_cloud,pue\n";

    #[test]
    fn rows_follow_a_last_line_without_a_line_break() {
        let mut content = Layout::new().whole(&[row()]);
        for end in ["", "\n", "\r\n"] {
            while content.ends_with(b"\n") || content.ends_with(b"\r") {
                content.pop();
            }
            content.extend(end.as_bytes());
            let Found::Fits(layout) = Found::of(&content) else { panic!() };
            content.extend(layout.appended(&[row()]));
            let count = read(&content).1.len();
            assert_eq!(field(&content, count - 1, "country_iso_code"), "CIV");
        }
        assert_eq!(read(&content).1.len(), 4);
    }

    #[test]
    fn another_order_and_more_columns_are_kept() {
        let mut names: Vec<&str> = emissions_columns().to_vec();
        names.reverse();
        names.insert(3, "my_column");
        let mut content = format!("\u{feff}{}\r\n", names.join(",")).into_bytes();
        let Found::Fits(layout) = Found::of(&content) else { panic!() };
        content.extend(layout.appended(&[row()]));
        assert_eq!(field(&content, 0, "country_name"), row().country_name);
        assert_eq!(field(&content, 0, "my_column"), "");
        assert!(content.ends_with(b"\r\n"));
    }

    #[test]
    fn older_columns_are_completed_in_every_row() {
        let fields = CODECARBON_2_2.trim_end().split(',').count();
        let old: Vec<String> = (0..fields).map(|at| format!("v{at}")).collect();
        let mut content = format!("{CODECARBON_2_2}{}", old.join(",")).into_bytes();
        // A Latin-1 letter, as old versions wrote country names on Windows.
        *content.last_mut().unwrap() = 0xe9;
        let Found::Older(layout) = Found::of(&content) else { panic!() };
        let converted = layout.converted(&content, &[row()]);
        assert!(matches!(Found::of(&converted), Found::Fits(_)));
        assert_eq!(field(&converted, 0, "timestamp"), "v0");
        assert_eq!(field(&converted, 0, "energy_consumed_origin"), "");
        assert_eq!(field(&converted, 1, "country_iso_code"), "CIV");
        assert!(converted.windows(3).any(|bytes| bytes == b"v3\xe9"), "bytes are kept");
    }

    #[test]
    fn nothing_is_appended_to_what_is_no_such_file() {
        let header = emissions_header();
        for content in ["notes\n", "a;b;c\n", "timestamp,value\n1,2\n", "{}", "\u{0}\u{1}"] {
            assert_eq!(Found::of(content.as_bytes()), Found::Foreign, "{content}");
        }
        for content in ["", "\n", "\u{feff}", " \r\n"] {
            assert_eq!(Found::of(content.as_bytes()), Found::Empty, "{content:?}");
        }
        let glued = format!("{header}a,b\n");
        let expected = emissions_columns().len();
        let damaged = Found::Damaged { row: 2, fields: 2, expected };
        assert_eq!(Found::of(glued.as_bytes()), damaged);
        let twice = format!("timestamp,{header}");
        assert_eq!(Found::of(twice.as_bytes()), Found::Foreign);
    }
}
