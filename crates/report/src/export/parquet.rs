//! Every record as a row of Apache Parquet, for data frames.

use std::{
    io::{self, Write},
    sync::Arc,
};

use ::parquet::{
    basic::{Compression, LogicalType, Repetition, Type as Physical},
    column::writer::ColumnWriterImpl,
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};
use record::RunRecord;
use serde_json::Value;

use super::records::{Columns, Kinds, RecordSource, Row};

/// All records as one table, the bytes of a Parquet file: the columns of
/// [`records_csv`](super::records_csv) as numbers, truth values or text, and lists (losses, times of
/// requests, domains, probes) as JSON. An absent value is null.
///
/// # Errors
///
/// If the records cannot be encoded.
pub fn records_parquet(records: &[RunRecord]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_records_parquet(records, &mut bytes)?;
    Ok(bytes)
}

/// The same, some records at a time.
///
/// # Errors
///
/// If the records cannot be read or the table cannot be written.
pub fn write_records_parquet(
    source: &(impl RecordSource + ?Sized),
    out: &mut (impl Write + Send),
) -> io::Result<()> {
    let columns = Columns::of(source)?;
    let mut writer = Parquet::new(&columns, out)?;
    source.each(&mut |records| writer.push(&columns.rows(records)))?;
    writer.finish()
}

/// A Parquet file being written.
pub(super) struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    kinds: Vec<Kind>,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(columns: &Columns, out: W) -> io::Result<Self> {
        let kinds: Vec<Kind> = columns.list.iter().map(|it| Kind::of(it.kinds)).collect();
        let fields = columns.list.iter().zip(&kinds).map(|(column, kind)| {
            let field = Type::primitive_type_builder(&column.name, kind.physical());
            let field =
                field.with_repetition(Repetition::OPTIONAL).with_logical_type(kind.logical());
            field.build().map(Arc::new)
        });
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
        let schema = Type::group_type_builder("record").with_fields(fields).build();
        let schema = Arc::new(schema.map_err(io::Error::other)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties));
        Ok(Self { writer: writer.map_err(io::Error::other)?, kinds })
    }

    /// Adds rows, as a row group.
    pub(super) fn push(&mut self, rows: &[Row]) -> io::Result<()> {
        self.group(rows).map_err(io::Error::other)
    }

    fn group(&mut self, rows: &[Row]) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for (at, kind) in self.kinds.iter().enumerate() {
            let Some(mut column) = group.next_column()? else { break };
            let values = rows.iter().map(|it| it[at].as_ref());
            match kind {
                Kind::Truth => write(column.typed::<BoolType>(), values, Value::as_bool)?,
                Kind::Integer => write(column.typed::<Int64Type>(), values, Value::as_i64)?,
                Kind::Unsigned => write(column.typed::<Int64Type>(), values, |it| {
                    it.as_u64().map(u64::cast_signed) // the logical type says so
                })?,
                Kind::Number => write(column.typed::<DoubleType>(), values, Value::as_f64)?,
                Kind::Text => write(column.typed::<ByteArrayType>(), values, |it| {
                    Some(it.as_str().map_or_else(|| it.to_string(), str::to_owned).as_str().into())
                })?,
                Kind::Json => write(column.typed::<ByteArrayType>(), values, |it| {
                    Some(ByteArray::from(it.to_string().into_bytes()))
                })?,
            }
            column.close()?;
        }
        group.close().map(drop)
    }

    pub(super) fn finish(self) -> io::Result<()> {
        let mut out = self.writer.into_inner().map_err(io::Error::other)?;
        out.flush()
    }
}

/// Writes a column; what is absent is null.
fn write<'a, T: DataType>(
    column: &mut ColumnWriterImpl<'_, T>,
    values: impl Iterator<Item = Option<&'a Value>>,
    of: impl Fn(&Value) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = values.map(|it| it.and_then(&of)).collect();
    let levels: Vec<i16> = values.iter().map(|it| i16::from(it.is_some())).collect();
    let there: Vec<T::T> = values.into_iter().flatten().collect();
    column.write_batch(&there, Some(&levels), None).map(drop)
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Truth,
    Integer,
    /// Beyond what has a sign, such as seeds.
    Unsigned,
    Number,
    Text,
    Json,
}

impl Kind {
    /// The narrowest that holds all values.
    fn of(all: Kinds) -> Self {
        match () {
            () if all.truth => Self::Truth,
            () if all.integer => Self::Integer,
            () if all.unsigned => Self::Unsigned,
            () if all.number => Self::Number,
            () if all.array => Self::Json,
            () => Self::Text,
        }
    }

    fn physical(self) -> Physical {
        match self {
            Self::Truth => Physical::BOOLEAN,
            Self::Integer | Self::Unsigned => Physical::INT64,
            Self::Number => Physical::DOUBLE,
            Self::Text | Self::Json => Physical::BYTE_ARRAY,
        }
    }

    fn logical(self) -> Option<LogicalType> {
        match self {
            Self::Truth | Self::Integer | Self::Number => None,
            Self::Unsigned => Some(LogicalType::integer(64, false)),
            Self::Text => Some(LogicalType::String),
            Self::Json => Some(LogicalType::Json),
        }
    }
}
