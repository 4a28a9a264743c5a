//! Reads tables of an SQLite database, without indices and without writing
//! (<https://www.sqlite.org/fileformat2.html>).

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use anyhow::{Context, bail, ensure};

/// A cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob,
}

impl Cell {
    /// The number in a cell; columns of real numbers store whole ones as integers.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Real(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// A table: the names of its columns, and its rows in the order of their numbers.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Table {
    /// The place of a column.
    pub(super) fn column(&self, name: &str) -> anyhow::Result<usize> {
        let found = self.columns.iter().position(|column| column == name);
        found.with_context(|| format!("a table has no column `{name}`; is this a study of Optuna?"))
    }
}

/// A database that is open for reading.
#[derive(Debug)]
pub(super) struct Database {
    file: File,
    page_size: u64,
    /// Bytes of a page that are used.
    usable: usize,
    pages: u64,
}

/// The longest row, in bytes, and the most bytes of one table.
const LONGEST_ROW: u64 = 16 << 20;
const LARGEST_TABLE: u64 = 128 << 20;
/// The deepest tree of pages.
const DEEPEST: u32 = 32;

impl Database {
    /// Opens a database.
    ///
    /// # Errors
    ///
    /// If the file is no database of SQLite, or another program has not written all of it back yet.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let unwritten = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
        ensure!(
            !unwritten,
            "the database has changes in `{}`; close the program that uses it, or run `PRAGMA \
             wal_checkpoint(TRUNCATE)`",
            log.display()
        );
        let mut file = units::open_regular(path)?;
        let mut header = [0; 100];
        file.read_exact(&mut header).context("the database has no header")?;
        let page_size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => u64::from(size),
        };
        ensure!(
            page_size.is_power_of_two() && page_size >= 512,
            "the database has pages of {page_size} bytes, expected a power of two from 512"
        );
        ensure!(header[59] <= 1, "the database has texts in UTF-16, expected UTF-8");
        let usable = page_size as usize - usize::from(header[20]);
        ensure!(usable >= 480, "the database has pages with too little space");
        let pages = file.metadata()?.len() / page_size;
        Ok(Self { file, page_size, usable, pages })
    }

    /// A table by its name.
    ///
    /// # Errors
    ///
    /// If there is no such table, or the file is damaged or too large.
    pub(super) fn table(&mut self, name: &str) -> anyhow::Result<Table> {
        let schema = self.rows(1)?;
        let found = schema.iter().find(|row| {
            row.len() >= 5
                && row[0].text() == Some("table")
                && row[1].text().is_some_and(|found| found.eq_ignore_ascii_case(name))
        });
        let row = found.with_context(|| {
            format!("the database has no table `{name}`; is this a study of Optuna?")
        })?;
        let root = row[3].integer().and_then(|root| u64::try_from(root).ok());
        let columns = columns(row[4].text().unwrap_or_default());
        let rows = self.rows(root.context("a table has no pages")?)?;
        Ok(Table { columns, rows })
    }

    fn page(&mut self, number: u64) -> anyhow::Result<Vec<u8>> {
        ensure!((1..=self.pages).contains(&number), "the database is damaged: no page {number}");
        self.file.seek(SeekFrom::Start((number - 1) * self.page_size))?;
        let mut page = vec![0; self.page_size as usize];
        self.file.read_exact(&mut page)?;
        Ok(page)
    }

    /// All rows of the tree with this root.
    fn rows(&mut self, root: u64) -> anyhow::Result<Vec<Vec<Cell>>> {
        let (mut rows, mut bytes, mut seen) = (Vec::new(), 0, 0);
        let mut waiting = vec![(root, 0)];
        while let Some((number, depth)) = waiting.pop() {
            seen += 1;
            ensure!(depth < DEEPEST && seen <= self.pages, "the database is damaged: pages repeat");
            let page = self.page(number)?;
            let start = if number == 1 { 100 } else { 0 };
            let cells = usize::from(u16_at(&page, start + 3)?);
            let interior = match page.get(start) {
                Some(0x0d) => false,
                Some(0x05) => true,
                _ => bail!("the database is damaged: page {number} is not of a table"),
            };
            let pointers = start + if interior { 12 } else { 8 };
            if interior {
                // The last child first, because the last one that waits is read next.
                waiting.push((u64::from(u32_at(&page, start + 8)?), depth + 1));
            }
            for index in 0..cells {
                let index = if interior { cells - 1 - index } else { index };
                let at = usize::from(u16_at(&page, pointers + 2 * index)?);
                if interior {
                    waiting.push((u64::from(u32_at(&page, at)?), depth + 1));
                    continue;
                }
                let (payload, row) = self.payload(&page, at)?;
                bytes += payload.len() as u64;
                ensure!(bytes <= LARGEST_TABLE, "a table has more than {LARGEST_TABLE} bytes");
                rows.push(record(&payload, row)?);
            }
        }
        Ok(rows)
    }

    /// The bytes of a row, and its number.
    fn payload(&mut self, page: &[u8], at: usize) -> anyhow::Result<(Vec<u8>, i64)> {
        let (length, after) = varint(page, at)?;
        let (row, after) = varint(page, after)?;
        ensure!(length <= LONGEST_ROW, "a row has {length} bytes, expected at most {LONGEST_ROW}");
        let (length, usable) = (length as usize, self.usable);
        let most = usable - 35;
        let local = if length <= most {
            length
        } else {
            let least = (usable - 12) * 32 / 255 - 23;
            let fitting = least + (length - least) % (usable - 4);
            if fitting <= most { fitting } else { least }
        };
        let mut payload = slice(page, after, local)?.to_vec();
        let mut next = if local < length { u32_at(page, after + local)? } else { 0 };
        while payload.len() < length {
            let page = self.page(u64::from(next))?;
            next = u32_at(&page, 0)?;
            let part = (length - payload.len()).min(usable - 4);
            payload.extend_from_slice(slice(&page, 4, part)?);
        }
        Ok((payload, row as i64))
    }
}

fn slice(bytes: &[u8], at: usize, length: usize) -> anyhow::Result<&[u8]> {
    let found = at.checked_add(length).and_then(|end| bytes.get(at..end));
    found.context("the database is damaged: something ends beyond its page")
}

fn u16_at(bytes: &[u8], at: usize) -> anyhow::Result<u16> {
    let found = slice(bytes, at, 2)?;
    Ok(u16::from_be_bytes([found[0], found[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> anyhow::Result<u32> {
    let found = slice(bytes, at, 4)?;
    Ok(u32::from_be_bytes([found[0], found[1], found[2], found[3]]))
}

/// A number of one to nine bytes, and where the next thing begins.
fn varint(bytes: &[u8], at: usize) -> anyhow::Result<(u64, usize)> {
    let mut value = 0_u64;
    for index in 0..9 {
        let byte = slice(bytes, at + index, 1)?[0];
        if index == 8 {
            return Ok(((value << 8) | u64::from(byte), at + 9));
        }
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok((value, at + index + 1));
        }
    }
    bail!("the database is damaged: a number has no end")
}

/// The cells of a row. An integer that is the row's number is stored as null.
fn record(payload: &[u8], row: i64) -> anyhow::Result<Vec<Cell>> {
    let (header, mut at) = varint(payload, 0)?;
    let mut body = usize::try_from(header)?;
    ensure!(body <= payload.len(), "the database is damaged: a row has no header");
    let end = body;
    let mut cells = Vec::new();
    while at < end {
        let (kind, next) = varint(payload, at)?;
        at = next;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => bail!("the database is damaged: a cell has no type"),
            text => usize::try_from((text - 12) / 2)?,
        };
        let bytes = slice(payload, body, length)?;
        body += length;
        cells.push(match kind {
            0 if cells.is_empty() => Cell::Integer(row),
            0 => Cell::Null,
            8 => Cell::Integer(0),
            9 => Cell::Integer(1),
            7 => Cell::Real(f64::from_bits(big_endian(bytes))),
            1..=6 => {
                // The sign is in the first bit.
                let unused = 64 - 8 * length as u32;
                Cell::Integer(((big_endian(bytes) << unused) as i64) >> unused)
            }
            blob if blob % 2 == 0 => Cell::Blob,
            _ => Cell::Text(String::from_utf8_lossy(bytes).into_owned()),
        });
    }
    Ok(cells)
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// The names of the columns in a `CREATE TABLE` statement.
fn columns(sql: &str) -> Vec<String> {
    let body = sql.split_once('(').map_or("", |(_, body)| body);
    let mut depth = 0_u32;
    let mut parts = vec![String::new()];
    for next in body.chars() {
        match next {
            '(' => depth += 1,
            ')' if depth == 0 => break,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(next);
        }
    }
    let names = parts.iter().filter_map(|part| {
        let word = part.split_whitespace().next()?;
        let no_column = ["PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "CONSTRAINT"];
        let is_column = no_column.iter().all(|other| !word.eq_ignore_ascii_case(other));
        is_column.then(|| word.trim_matches(['"', '`', '[', ']']).to_owned())
    });
    names.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use proptest::prelude::*;

    use super::{Cell, columns, record, varint};

    #[test]
    fn columns_are_found_between_constraints() {
        let sql = "CREATE TABLE t (\n\tid INTEGER NOT NULL, \n\t\"key\" VARCHAR(5, 2), PRIMARY KEY \
                   (id), CHECK (id=1), UNIQUE (id, \"key\"))";
        assert_eq!(columns(sql), ["id", "key"]);
        assert!(columns("nothing").is_empty());
    }

    #[test]
    fn a_row_has_cells_of_every_kind() {
        // Types: row number, -2 in one byte, 1, 0.5, "ab".
        let mut row = vec![6, 0, 1, 9, 7, 17, 0xfe];
        row.extend(0.5_f64.to_be_bytes());
        row.extend(b"ab");
        let cells = record(&row, 7).unwrap();
        let text = Cell::Text("ab".to_owned());
        assert_eq!(
            cells,
            [Cell::Integer(7), Cell::Integer(-2), Cell::Integer(1), Cell::Real(0.5), text]
        );
        assert_eq!(varint(&[0x81, 0x00], 0).unwrap(), (128, 2));
    }

    proptest! {
        /// Damaged rows are errors.
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = record(&bytes, 1);
            let _ = varint(&bytes, 0);
        }
    }
}
