//! Which formats a user asks for, and whether this build has them.

use std::io::{self, Write};

use super::{
    columns::{Columns, RecordSource},
    exporter::{EXPORTERS, Exporter, Output},
    record_writer::Begin,
};

/// The formats in which a report is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats(Option<Vec<String>>);

/// Why a report or its records cannot be written in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// No exporter has this name.
    #[error("format `{format}` is unknown, expected one of: {known}")]
    Unknown {
        /// As given.
        format: String,
        /// The known formats, separated by commas.
        known: String,
    },
    /// The exporter exists but was left out of this build.
    #[error(
        "format `{format}` was left out of this build; build again with `--features {feature}`"
    )]
    NotBuilt {
        /// As given.
        format: String,
        /// Cargo feature that adds it.
        feature: &'static str,
    },
}

impl Formats {
    /// Every format that this build can write.
    #[must_use]
    pub fn all() -> Self {
        Self(None)
    }

    /// Only these formats, such as `md` and `csv`.
    ///
    /// # Errors
    ///
    /// If a format is unknown, or this build lacks the feature that it needs.
    pub fn only(names: &[String]) -> Result<Self, FormatError> {
        for name in names {
            find(name, EXPORTERS)?;
        }
        Ok(Self(Some(names.to_vec())))
    }

    /// Every format of a report's pages, figures and tables, in the order of [`EXPORTERS`], each with the cargo
    /// feature that it needs. The tables of all records have formats of their own.
    pub fn known() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
        let parts = EXPORTERS.iter().enumerate().filter(|(_, exporter)| {
            !exporter.path.starts_with("records.") && exporter.path != "emissions.csv"
        });
        let is_first =
            |at: usize, format: &str| EXPORTERS[..at].iter().all(|other| other.format != format);
        parts
            .filter(move |(at, exporter)| is_first(*at, exporter.format))
            .map(|(_, exporter)| (exporter.format, exporter.feature))
    }

    /// Whether files of a format are written.
    pub(super) fn includes(&self, format: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.iter().any(|name| name == format))
    }
}

/// An exporter of some, by its format, if this build has it.
fn find<'a>(
    format: &str,
    exporters: impl IntoIterator<Item = &'a Exporter>,
) -> Result<&'a Output, FormatError> {
    let mut known = Vec::new();
    for exporter in exporters {
        if exporter.format == format {
            return exporter.output.as_ref().ok_or_else(|| FormatError::NotBuilt {
                format: format.to_owned(),
                feature: exporter.feature.unwrap_or_default(),
            });
        }
        known.push(exporter.format);
    }
    known.sort_unstable();
    known.dedup();
    Err(FormatError::Unknown { format: format.to_owned(), known: known.join(", ") })
}

/// Writes all records as one table, for other programs.
#[derive(Clone, Copy, Debug)]
pub struct RecordExporter {
    begin: Begin,
}

impl RecordExporter {
    /// The exporter of a format: `csv` or, with the feature of that name, `parquet`.
    ///
    /// # Errors
    ///
    /// If the format is unknown, or this build lacks the feature that it needs.
    pub fn of(format: &str) -> Result<Self, FormatError> {
        let tables = EXPORTERS.iter().filter(|exporter| exporter.path.starts_with("records."));
        match find(format, tables)? {
            Output::Records(begin) => Ok(Self { begin: *begin }),
            other => unreachable!("`records.*` is made of records, not of {other:?}"),
        }
    }

    /// Writes the records of a source, which is read twice: once for the columns, once for the rows.
    ///
    /// # Errors
    ///
    /// If the records cannot be read or the table cannot be written.
    pub fn write(&self, source: &dyn RecordSource, out: &mut (dyn Write + Send)) -> io::Result<()> {
        let columns = Columns::of(source)?;
        let mut writer = (self.begin)(&columns, out)?;
        source.each(&mut |records| writer.push(records, &columns.rows(records)))?;
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_format_is_refused_with_the_known_ones() {
        let error = Formats::only(&["md".to_owned(), "docx".to_owned()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "format `docx` is unknown, expected one of: csv, html, md, parquet, pdf, svg, tex"
        );
        assert!(matches!(RecordExporter::of("svg"), Err(FormatError::Unknown { .. })));
    }

    /// Whatever the features of this build are.
    #[test]
    fn a_format_that_was_left_out_names_its_feature() {
        for exporter in EXPORTERS {
            let found = Formats::only(&[exporter.format.to_owned()]);
            match exporter.feature {
                Some(feature) if !exporter.is_built() => {
                    let error = found.unwrap_err().to_string();
                    assert!(error.contains(&format!("`--features {feature}`")), "{error}");
                }
                _ => assert!(found.unwrap().includes(exporter.format)),
            }
        }
        assert_eq!(RecordExporter::of("parquet").is_ok(), cfg!(feature = "parquet"));
        assert_eq!(Formats::only(&["pdf".to_owned()]).is_ok(), cfg!(feature = "pdf"));
    }
}
