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

use super::{
    columns::{Columns, Kinds, Row},
    record_writer::RecordWriter,
};

/// A Parquet file being written.
pub(super) struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    kinds: Vec<Kind>,
}

/// Begins the file.
pub(super) fn begin<'a>(
    columns: &'a Columns,
    out: &'a mut (dyn Write + Send),
) -> io::Result<Box<dyn RecordWriter + 'a>> {
    Ok(Box::new(Parquet::new(columns, out)?))
}

impl<W: Write + Send> Parquet<W> {
    fn new(columns: &Columns, out: W) -> io::Result<Self> {
        let kinds: Vec<Kind> = columns.list.iter().map(|column| Kind::of(column.kinds)).collect();
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

    /// Adds rows as a row group.
    fn group(&mut self, rows: &[Row]) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for (index, kind) in self.kinds.iter().enumerate() {
            let Some(mut column) = group.next_column()? else { break };
            let values = rows.iter().map(|row| row[index].as_ref());
            match kind {
                Kind::Truth => write(column.typed::<BoolType>(), values, Value::as_bool)?,
                Kind::Integer => write(column.typed::<Int64Type>(), values, Value::as_i64)?,
                Kind::Unsigned => write(column.typed::<Int64Type>(), values, |value| {
                    value.as_u64().map(u64::cast_signed) // the logical type is unsigned
                })?,
                Kind::Number => write(column.typed::<DoubleType>(), values, Value::as_f64)?,
                Kind::Text => write(column.typed::<ByteArrayType>(), values, |value| {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    Some(text.as_str().into())
                })?,
                Kind::Json => write(column.typed::<ByteArrayType>(), values, |value| {
                    Some(ByteArray::from(value.to_string().into_bytes()))
                })?,
            }
            column.close()?;
        }
        group.close().map(drop)
    }
}

impl<W: Write + Send> RecordWriter for Parquet<W> {
    fn push(&mut self, _records: &[RunRecord], rows: &[Row]) -> io::Result<()> {
        self.group(rows).map_err(io::Error::other)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let mut out = self.writer.into_inner().map_err(io::Error::other)?;
        out.flush()
    }
}

/// Writes a column; an absent value is null.
fn write<'a, T: DataType>(
    column: &mut ColumnWriterImpl<'_, T>,
    values: impl Iterator<Item = Option<&'a Value>>,
    of: impl Fn(&Value) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = values.map(|value| value.and_then(&of)).collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let there: Vec<T::T> = values.into_iter().flatten().collect();
    column.write_batch(&there, Some(&levels), None).map(drop)
}

/// Type of a column's values.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Truth,
    Integer,
    /// Integers too large for a signed type, such as seeds.
    Unsigned,
    Number,
    Text,
    Json,
}

impl Kind {
    /// The narrowest type that holds all values of a column.
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
