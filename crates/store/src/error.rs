//! The one error type of the crate, and how each engine's errors become it.

use std::sync::Arc;

/// What lies behind an [`Error`]; shared, because all callers of a lost group commit get the same one.
pub type Cause = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// Why a statement or a transaction failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A row with the same unique key exists.
    #[error("a row with the same unique key exists")]
    Conflict,
    /// A row that is referred to does not exist, or a row that goes is still referred to.
    #[error("a foreign key does not hold")]
    ForeignKey,
    /// A CHECK constraint refused the row.
    #[error("a check constraint does not hold")]
    Check,
    /// A NOT NULL column got no value.
    #[error("a column must not be null")]
    NotNull,
    /// Two transactions were in each other's way. [`transaction!`](crate::transaction) runs the body again on
    /// its own; it is seen outside only once the attempts are used up.
    #[error("the transaction could not be serialized with another")]
    Serialization,
    /// The database cannot be reached, is busy, is full, or took longer than the limit. A later attempt may
    /// succeed. When a connection to PostgreSQL breaks during COMMIT, it is not known whether it happened.
    #[error("the database is unavailable")]
    Unavailable(#[source] Cause),
    /// A `before` or `after` cursor that names no row of the list.
    #[error("the cursor names no row of this list")]
    UnknownCursor,
    /// A row does not have the columns that the code expects.
    #[error("unexpected row: {0}")]
    Row(String),
    /// Anything else; a fault of the program or of the database.
    #[error("database error")]
    Other(#[source] Cause),
}

/// A cause that is only a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);

impl Error {
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Error::Other(Arc::new(Message(message.into())))
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Error::Unavailable(Arc::new(Message(message.into())))
    }

    /// Whether the same transaction may succeed when it is run again.
    pub(crate) fn is_serialization(&self) -> bool {
        matches!(self, Error::Serialization)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{ErrorCode, ffi};
        let rusqlite::Error::SqliteFailure(failure, message) = &error else {
            return Error::Other(Arc::new(error));
        };
        match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_ROWID => return constraint(Error::Conflict, message.as_deref()),
            // SQLite reports ON DELETE RESTRICT as a trigger; the schema has no triggers of its own.
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_TRIGGER => {
                return constraint(Error::ForeignKey, message.as_deref());
            }
            ffi::SQLITE_CONSTRAINT_CHECK => return constraint(Error::Check, message.as_deref()),
            ffi::SQLITE_CONSTRAINT_NOTNULL => return constraint(Error::NotNull, message.as_deref()),
            _ => {}
        }
        match failure.code {
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OperationInterrupted
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::ReadOnly => Error::Unavailable(Arc::new(error)),
            _ => Error::Other(Arc::new(error)),
        }
    }
}

/// The variants carry no name, as the engines differ in what they tell; the log does. Names only: what PostgreSQL
/// says beyond that holds the values of the row.
fn constraint(kind: Error, name: Option<&str>) -> Error {
    tracing::debug!(constraint = name, "{kind}");
    kind
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        let Some(state) = error.code() else {
            let io = std::error::Error::source(&error).is_some_and(|source| source.is::<std::io::Error>());
            return if error.is_closed() || io {
                Error::Unavailable(Arc::new(error))
            } else {
                Error::Other(Arc::new(error))
            };
        };
        let name = error.as_db_error().and_then(tokio_postgres::error::DbError::constraint);
        match *state {
            SqlState::UNIQUE_VIOLATION => return constraint(Error::Conflict, name),
            SqlState::FOREIGN_KEY_VIOLATION | SqlState::RESTRICT_VIOLATION => {
                return constraint(Error::ForeignKey, name);
            }
            SqlState::CHECK_VIOLATION => return constraint(Error::Check, name),
            SqlState::NOT_NULL_VIOLATION => return constraint(Error::NotNull, name),
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
                return Error::Serialization;
            }
            _ => {}
        }
        // Classes: 08 connection, 53 resources, 57 shutdown or cancelled by a timeout; 55P03 is a lock timeout,
        // 25P03 and 25006 a session ended for idling and a standby that took over from nobody yet.
        let code = state.code();
        if matches!(code.get(..2), Some("08" | "53" | "57")) || matches!(code, "55P03" | "25P03" | "25006") {
            return Error::Unavailable(Arc::new(error));
        }
        Error::Other(Arc::new(error))
    }
}

/// Gives the conflict of one statement a meaning, at that statement.
pub trait OnConflict<T> {
    /// Replaces [`Error::Conflict`] by `f()`; other errors convert as usual.
    ///
    /// # Errors
    /// Whatever the statement failed with, mapped.
    fn on_conflict<E: From<Error>>(self, f: impl FnOnce() -> E) -> Result<T, E>;
}

impl<T> OnConflict<T> for Result<T, Error> {
    fn on_conflict<E: From<Error>>(self, f: impl FnOnce() -> E) -> Result<T, E> {
        self.map_err(|error| match error {
            Error::Conflict => f(),
            other => E::from(other),
        })
    }
}
