//! Values on their way into statements ([`Param`]) and out of rows ([`Column`], [`Row`]).

use std::borrow::Cow;
use std::error::Error as StdError;

use bytes::BytesMut;
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::Error;

/// A value bound to a placeholder. The columns of the schema are TEXT, BIGINT (or INTEGER) and BLOB (BYTEA).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param<'a> {
    /// NULL, whatever the column's type.
    Null,
    /// A number, a time in epoch milliseconds, or a boolean as 0 and 1.
    Int(i64),
    /// Text. U+0000 is refused by PostgreSQL and must be refused before it gets here.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(Cow<'a, [u8]>),
}

impl Param<'_> {
    /// The same value, owning what it borrowed.
    #[must_use]
    pub fn into_owned(self) -> Param<'static> {
        match self {
            Param::Null => Param::Null,
            Param::Int(value) => Param::Int(value),
            Param::Text(value) => Param::Text(Cow::Owned(value.into_owned())),
            Param::Blob(value) => Param::Blob(Cow::Owned(value.into_owned())),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Param::Null => "null",
            Param::Int(_) => "an integer",
            Param::Text(_) => "text",
            Param::Blob(_) => "bytes",
        }
    }
}

/// A slice of [`Param`]s: `params![environment, &organization.name, None::<i64>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::Param::from($value)),*] as &[$crate::Param<'_>]
    };
}

impl<'a> From<&Param<'a>> for Param<'a> {
    fn from(value: &Param<'a>) -> Self {
        value.clone()
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(value: &'a str) -> Self {
        Param::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&&'a str> for Param<'a> {
    fn from(value: &&'a str) -> Self {
        Param::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Param<'a> {
    fn from(value: &'a String) -> Self {
        Param::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Param<'_> {
    fn from(value: String) -> Self {
        Param::Text(Cow::Owned(value))
    }
}

impl<'a> From<Cow<'a, str>> for Param<'a> {
    fn from(value: Cow<'a, str>) -> Self {
        Param::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Param<'a> {
    fn from(value: &'a [u8]) -> Self {
        Param::Blob(Cow::Borrowed(value))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Param<'a> {
    fn from(value: &'a [u8; N]) -> Self {
        Param::Blob(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a Vec<u8>> for Param<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Param::Blob(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for Param<'_> {
    fn from(value: Vec<u8>) -> Self {
        Param::Blob(Cow::Owned(value))
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl From<$type> for Param<'_> {
            fn from(value: $type) -> Self {
                Param::Int(i64::from(value))
            }
        }

        impl From<&$type> for Param<'_> {
            fn from(value: &$type) -> Self {
                Param::Int(i64::from(*value))
            }
        }
    )*};
}

integers!(i64, i32, u32, u16, bool);

impl<'a, T: Into<Param<'a>>> From<Option<T>> for Param<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Param::Null, Into::into)
    }
}

// Not for every `&Option<T>`: the compiler would look for `&Option<Option<..>>` without end. Elsewhere `as_ref()` does.
macro_rules! optional_references {
    ($($type:ty),*) => {$(
        impl<'a> From<&'a Option<$type>> for Param<'a> {
            fn from(value: &'a Option<$type>) -> Self {
                value.as_ref().map_or(Param::Null, Param::from)
            }
        }
    )*};
}

optional_references!(String, Vec<u8>, i64, bool);

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Param::Null => ValueRef::Null,
            Param::Int(value) => ValueRef::Integer(*value),
            Param::Text(value) => ValueRef::Text(value.as_bytes()),
            Param::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match (self, kind) {
            (Param::Null, _) => Ok(IsNull::Yes),
            (Param::Int(value), &Type::INT8) => value.to_sql(kind, out),
            (Param::Int(value), &Type::INT4) => i32::try_from(*value)?.to_sql(kind, out),
            (Param::Int(value), &Type::INT2) => i16::try_from(*value)?.to_sql(kind, out),
            (Param::Int(value @ (0 | 1)), &Type::BOOL) => (*value == 1).to_sql(kind, out),
            (Param::Text(value), &Type::TEXT | &Type::VARCHAR | &Type::BPCHAR | &Type::NAME) => {
                value.as_ref().to_sql(kind, out)
            }
            (Param::Blob(value), &Type::BYTEA) => value.as_ref().to_sql(kind, out),
            _ => Err(format!("{} was bound where {kind} is expected", self.kind()).into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One value of a row, borrowed from the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column<'a> {
    /// NULL.
    Null,
    /// A number of any width, or a boolean as 0 and 1.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl Column<'_> {
    /// The error for a column of another type than `expected`.
    #[must_use]
    pub fn mismatch(&self, expected: &str) -> Error {
        let found = match self {
            Column::Null => "null",
            Column::Int(_) => "an integer",
            Column::Text(_) => "text",
            Column::Blob(_) => "bytes",
        };
        Error::Row(format!("expected {expected}, found {found}"))
    }
}

impl<'a> FromSql<'a> for Column<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(match *kind {
            Type::INT8 => Column::Int(i64::from_sql(kind, raw)?),
            Type::INT4 => Column::Int(i32::from_sql(kind, raw)?.into()),
            Type::INT2 => Column::Int(i16::from_sql(kind, raw)?.into()),
            Type::BOOL => Column::Int(bool::from_sql(kind, raw)?.into()),
            Type::BYTEA => Column::Blob(raw),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
                Column::Text(<&str>::from_sql(kind, raw)?)
            }
            _ => return Err(format!("columns of type {kind} are not portable").into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Column::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A type that one column can be read as. Typed ids and enums of upper crates implement it.
pub trait FromColumn: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// [`Error::Row`] when the column holds another type or something that is no `Self`.
    fn from_column(value: Column<'_>) -> Result<Self, Error>;
}

impl FromColumn for i64 {
    fn from_column(value: Column<'_>) -> Result<Self, Error> {
        match value {
            Column::Int(value) => Ok(value),
            other => Err(other.mismatch("an integer")),
        }
    }
}

impl FromColumn for bool {
    fn from_column(value: Column<'_>) -> Result<Self, Error> {
        match value {
            Column::Int(0) => Ok(false),
            Column::Int(1) => Ok(true),
            other => Err(other.mismatch("0 or 1")),
        }
    }
}

impl FromColumn for String {
    fn from_column(value: Column<'_>) -> Result<Self, Error> {
        match value {
            Column::Text(value) => Ok(value.to_owned()),
            other => Err(other.mismatch("text")),
        }
    }
}

impl FromColumn for Vec<u8> {
    fn from_column(value: Column<'_>) -> Result<Self, Error> {
        match value {
            Column::Blob(value) => Ok(value.to_owned()),
            other => Err(other.mismatch("bytes")),
        }
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(value: Column<'_>) -> Result<Self, Error> {
        match value {
            Column::Null => Ok(None),
            other => T::from_column(other).map(Some),
        }
    }
}

/// A row whose columns are taken one after the other, in the order of the SELECT.
#[derive(Debug)]
pub struct Row<'r> {
    source: Source<'r>,
    next: usize,
}

#[derive(Clone, Copy)]
enum Source<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl std::fmt::Debug for Source<'_> {
    // Rows hold personal data and secrets: never printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Sqlite(_) => "Sqlite",
            Source::Postgres(_) => "Postgres",
        })
    }
}

impl<'r> Row<'r> {
    pub(crate) fn sqlite(row: &'r rusqlite::Row<'r>) -> Self {
        Row { source: Source::Sqlite(row), next: 0 }
    }

    pub(crate) fn postgres(row: &'r tokio_postgres::Row) -> Self {
        Row { source: Source::Postgres(row), next: 0 }
    }

    /// The next column.
    ///
    /// # Errors
    /// [`Error::Row`] when there is none left or it is no `T`.
    // Not an iterator: each column has a type of its own.
    #[expect(
        clippy::should_implement_trait,
        reason = "columns differ in type, so this cannot be an iterator"
    )]
    pub fn next<T: FromColumn>(&mut self) -> Result<T, Error> {
        let index = self.next;
        self.next += 1;
        let column = match self.source {
            Source::Sqlite(row) => match row.get_ref(index) {
                Ok(ValueRef::Null) => Column::Null,
                Ok(ValueRef::Integer(value)) => Column::Int(value),
                Ok(ValueRef::Text(value)) => Column::Text(
                    std::str::from_utf8(value)
                        .map_err(|_| Error::Row(format!("column {index} is not UTF-8")))?,
                ),
                Ok(ValueRef::Blob(value)) => Column::Blob(value),
                Ok(ValueRef::Real(_)) => {
                    return Err(Error::Row(format!("column {index}: floats are not portable")));
                }
                Err(error) => return Err(Error::Row(format!("column {index}: {error}"))),
            },
            Source::Postgres(row) => {
                row.try_get(index).map_err(|error| Error::Row(format!("column {index}: {error}")))?
            }
        };
        T::from_column(column).map_err(|error| match error {
            Error::Row(message) => Error::Row(format!("column {index}: {message}")),
            other => other,
        })
    }
}

/// A type that a row can be read as.
pub trait FromRow: Sized {
    /// Takes the columns in the order of the SELECT.
    ///
    /// # Errors
    /// [`Error::Row`] when the row is not what the code expects.
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error>;
}

macro_rules! single_columns {
    ($($type:ty),*) => {$(
        impl FromRow for $type {
            fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
                row.next()
            }
        }
    )*};
}

single_columns!(String, i64, bool, Vec<u8>, Option<String>, Option<i64>, Option<Vec<u8>>);

macro_rules! tuples {
    ($(($($part:ident),*))*) => {$(
        impl<$($part: FromColumn),*> FromRow for ($($part,)*) {
            fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
                Ok(($(row.next::<$part>()?,)*))
            }
        }
    )*};
}

tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }
