//! Every record as a row of Apache Parquet, for data frames.

use std::sync::Arc;

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

use super::records::Rows;

/// All records as one table, the bytes of a Parquet file: the columns of
/// [`records_csv`](super::records_csv) as numbers, truth values or text, and lists (losses, times of
/// requests, domains, probes) as JSON. An absent value is null.
///
/// # Errors
///
/// If the records cannot be encoded.
pub fn records_parquet(records: &[RunRecord]) -> std::io::Result<Vec<u8>> {
    encode(records).map_err(std::io::Error::other)
}

fn encode(records: &[RunRecord]) -> Result<Vec<u8>, ParquetError> {
    let rows = Rows::of(records);
    let columns: Vec<(&str, Kind)> =
        rows.columns().map(|it| (it, Kind::of(rows.values(it).flatten()))).collect();
    let fields = columns.iter().map(|(name, kind)| {
        let field = Type::primitive_type_builder(name, kind.physical());
        let field = field.with_repetition(Repetition::OPTIONAL).with_logical_type(kind.logical());
        field.build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("record").with_fields(fields).build()?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (name, kind) in &columns {
        let Some(mut column) = group.next_column()? else { break };
        let values = || rows.values(name);
        match kind {
            Kind::Truth => write(column.typed::<BoolType>(), values(), Value::as_bool)?,
            Kind::Integer => write(column.typed::<Int64Type>(), values(), Value::as_i64)?,
            Kind::Unsigned => write(column.typed::<Int64Type>(), values(), |it| {
                it.as_u64().map(u64::cast_signed) // the logical type says so
            })?,
            Kind::Number => write(column.typed::<DoubleType>(), values(), Value::as_f64)?,
            Kind::Text => write(column.typed::<ByteArrayType>(), values(), |it| {
                Some(it.as_str().map_or_else(|| it.to_string(), str::to_owned).as_str().into())
            })?,
            Kind::Json => write(column.typed::<ByteArrayType>(), values(), |it| {
                Some(ByteArray::from(it.to_string().into_bytes()))
            })?,
        }
        column.close()?;
    }
    group.close()?;
    writer.into_inner()
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
    fn of<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> Self {
        let all = |is: fn(&Value) -> bool| values.clone().all(is);
        match () {
            () if all(Value::is_boolean) => Self::Truth,
            () if all(Value::is_i64) => Self::Integer,
            () if all(Value::is_u64) => Self::Unsigned,
            () if all(Value::is_number) => Self::Number,
            () if values.clone().any(Value::is_array) => Self::Json,
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
