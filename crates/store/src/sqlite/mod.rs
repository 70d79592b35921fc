//! The embedded engine: a pool of read connections used in place, and one writer with group commit.

mod readers;
mod writer;

#[cfg(unix)]
use std::fs::File;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, OpenFlags};
use tokio::sync::Semaphore;

use crate::{Error, FromRow, Param, Row};
use readers::Readers;
pub(crate) use writer::Turn;
use writer::Writers;

/// How long one of the short waits for another process (the CLI) may last.
const BUSY: Duration = Duration::from_secs(5);
/// Migrations of another process may take longer.
const EXCLUSIVE_BUSY: Duration = Duration::from_secs(60);
/// How long a long scan may wait for a free slot, and how long it may take.
const SCAN_WAIT: Duration = Duration::from_secs(5);
const SCAN_LIMIT: Duration = Duration::from_secs(30);
/// Long scans at one time; each has a thread and a connection.
const SCANS: usize = 4;
/// Prepared statements kept per connection, more than the product has on one path.
const STATEMENTS: usize = 512;

pub(crate) struct Sqlite {
    readers: Arc<Readers>,
    writers: Writers,
    scans: Arc<Semaphore>,
}

impl Sqlite {
    pub async fn open(path: PathBuf) -> Result<Self, Error> {
        blocking(move || {
            create_private(&path)?;
            let writer = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            writer.busy_timeout(BUSY)?;
            writer.pragma_update(None, "journal_mode", "WAL")?;
            // Every commit is on disk before it is acknowledged.
            writer.pragma_update(None, "synchronous", "FULL")?;
            // On macOS a plain fsync stops at the drive's cache.
            writer.pragma_update(None, "fullfsync", true)?;
            writer.pragma_update(None, "checkpoint_fullfsync", true)?;
            writer.pragma_update(None, "cache_size", -8000)?;
            writer.pragma_update(None, "wal_autocheckpoint", 2000)?;
            // A WAL that one long scan made large shrinks again at the next checkpoint.
            writer.pragma_update(None, "journal_size_limit", 64 << 20)?;
            // From here on the wait for another process happens on a thread of its own: see `Writers::begin`.
            writer.busy_timeout(Duration::ZERO)?;
            let readers = Arc::new(Readers::new(path));
            readers.with(|_| Ok(()))?;
            let writers = Writers::start(writer)?;
            Ok(Sqlite { readers, writers, scans: Arc::new(Semaphore::new(SCANS)) })
        })
        .await
    }

    pub fn read<T: FromRow>(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        self.readers.with(|connection| query(connection, sql, params))
    }

    pub async fn scan<T: FromRow + Send + 'static>(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<T>, Error> {
        let permit = tokio::time::timeout(SCAN_WAIT, Arc::clone(&self.scans).acquire_owned())
            .await
            .map_err(|_| Error::unavailable("too many long scans"))?
            .map_err(|_| Error::unavailable("the database is closed"))?;
        let readers = Arc::clone(&self.readers);
        let sql = sql.to_owned();
        let params: Vec<_> = params.iter().cloned().map(Param::into_owned).collect();
        let interrupt = Interrupt::default();
        let handle = Arc::clone(&interrupt.0);
        let scan = blocking(move || {
            let _permit = permit;
            readers.with(|connection| {
                *lock(&handle) = Some(connection.get_interrupt_handle());
                let rows = query(connection, &sql, &params);
                // Before the connection is given back: a late interrupt must not hit its next user.
                *lock(&handle) = None;
                rows
            })
        });
        tokio::time::timeout(SCAN_LIMIT, scan)
            .await
            .map_err(|_| Error::unavailable("a long scan took too long"))?
    }

    pub async fn begin(&self) -> Result<Turn, Error> {
        self.writers.begin().await
    }

    /// Runs `f` on the writer's connection, outside any transaction, on a thread of its own.
    pub async fn exclusive<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let writers = self.writers.clone();
        blocking(move || writers.exclusive(f)).await
    }

    pub async fn close(&self) {
        self.scans.close();
        let writers = self.writers.clone();
        let readers = Arc::clone(&self.readers);
        let closed = blocking(move || {
            readers.close();
            writers.close()
        })
        .await;
        if let Err(error) = closed {
            // Nothing is lost: the WAL is read at the next start.
            tracing::warn!(%error, "the write-ahead log could not be folded in");
        }
    }

    pub fn prepare(&self, sql: &str) -> Result<(), Error> {
        self.readers.with(|connection| Ok(connection.prepare(sql).map(drop)?))
    }

    pub fn plan(&self, sql: &str) -> Result<Vec<String>, Error> {
        self.readers.with(|connection| {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let mut rows = statement.raw_query();
            let mut plan = Vec::new();
            while let Some(row) = rows.next()? {
                plan.push(row.get(3)?);
            }
            Ok(plan)
        })
    }
}

/// Stops a long scan when nobody waits for it any more.
#[derive(Default)]
struct Interrupt(Arc<Mutex<Option<InterruptHandle>>>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        if let Some(handle) = &*lock(&self.0) {
            handle.interrupt();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(f).await.map_err(|error| Error::Other(Arc::new(error)))?
}

/// The file holds secrets, so nobody but its owner may read it; SQLite gives its side files the same mode.
fn create_private(path: &Path) -> Result<(), Error> {
    let unavailable = |error: std::io::Error| Error::Unavailable(Arc::new(error));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(unavailable(error)),
    }
    // The folder's entry must be as durable as what will be in the file.
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(unavailable)?;
    }
    Ok(())
}

/// A connection with the settings that both sides share.
fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // "text" in double quotes is a column, as PostgreSQL has it, never a string.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // Plans that looked at bound values are made anew at each other value; ours never need to.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // A connection's page cache is void after each commit of another; mapped pages stay.
    connection.pragma_update(None, "mmap_size", 256 << 20)?;
    Ok(connection)
}

fn bind(statement: &mut rusqlite::CachedStatement<'_>, params: &[Param<'_>]) -> Result<(), Error> {
    if statement.parameter_count() != params.len() {
        return Err(Error::other(format!(
            "{} placeholders, {} values",
            statement.parameter_count(),
            params.len()
        )));
    }
    for (index, param) in (1..).zip(params) {
        // SQLite numbers `$n` by first appearance, PostgreSQL by n.
        if cfg!(debug_assertions) && statement.parameter_name(index) != Some(format!("${index}").as_str()) {
            return Err(Error::other("placeholders must be $1, $2, .. in order of first appearance"));
        }
        statement.raw_bind_parameter(index, param)?;
    }
    Ok(())
}

fn query<T: FromRow>(connection: &Connection, sql: &str, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, params)?;
    let mut rows = statement.raw_query();
    let mut result = Vec::new();
    while let Some(row) = rows.next()? {
        result.push(T::from_row(&mut Row::sqlite(row))?);
    }
    Ok(result)
}

fn execute(connection: &Connection, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, params)?;
    if statement.column_count() == 0 {
        return Ok(statement.raw_execute()? as u64);
    }
    // Rows that nobody asked for: PostgreSQL counts them.
    let mut rows = statement.raw_query();
    let mut count = 0;
    while rows.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}
