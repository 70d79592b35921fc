//! The one writer and its group commit.
//!
//! Callers take turns on one connection (a FIFO lock). The first of an *epoch* begins the SQLite transaction; each
//! caller works inside a savepoint of its own, in place, and releases it. The committing thread queues for the same
//! lock as soon as the first caller of an epoch has finished, so everyone who had queued before shares its COMMIT, and
//! with it one fsync. Each caller then waits for the fate of its own epoch.
//!
//! Invariant, whenever the lock is free: a transaction is open if and only if callers wait for its commit, and then
//! the committing thread has been told. [`Turn`]'s `Drop` restores it on every way out: return, error, a dropped
//! future, a panic.
//!
//! SQLite may roll the whole transaction back itself (disk full, I/O error). `is_autocommit` tells; then every
//! caller of the epoch fails.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::{BUSY, EXCLUSIVE_BUSY, blocking};
use crate::{Error, FromRow, Param};

/// How long a caller waits for its turn: far more than a healthy queue takes.
const TURN_WAIT: Duration = Duration::from_secs(10);

/// The state behind the lock.
struct Writer {
    connection: Connection,
    /// Who waits for the COMMIT of the open transaction.
    waiters: Vec<oneshot::Sender<Result<(), Error>>>,
    /// `total_changes` when the transaction began.
    changes: u64,
    closed: bool,
}

#[derive(Clone)]
pub(super) struct Writers {
    writer: Arc<Mutex<Writer>>,
    /// Wakes the committing thread, which ends when all senders are gone.
    commits: mpsc::Sender<()>,
}

impl Writers {
    pub fn start(connection: Connection) -> Result<Self, Error> {
        let writer =
            Arc::new(Mutex::new(Writer { connection, waiters: Vec::new(), changes: 0, closed: false }));
        let (commits, woken) = mpsc::channel::<()>();
        let committed = Arc::clone(&writer);
        std::thread::Builder::new()
            .name("store-commit".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    let mut writer = committed.blocking_lock();
                    let answer = writer.commit();
                    // The next epoch may begin before this one's callers have been told.
                    drop(writer);
                    answer.send();
                }
            })
            .map_err(|error| Error::Unavailable(Arc::new(error)))?;
        Ok(Writers { writer, commits })
    }

    pub async fn begin(&self) -> Result<Turn, Error> {
        let writer = match Arc::clone(&self.writer).try_lock_owned() {
            Ok(writer) => writer,
            Err(_) => tokio::time::timeout(TURN_WAIT, Arc::clone(&self.writer).lock_owned())
                .await
                .map_err(|_| Error::unavailable("the queue of writers does not move"))?,
        };
        let mut turn = Turn { writer, commits: self.commits.clone(), savepoint: false };
        if turn.writer.closed {
            return Err(Error::unavailable("the database is closed"));
        }
        match turn.writer.open() {
            Err(rusqlite::Error::SqliteFailure(failure, _)) if failure.code == ErrorCode::DatabaseBusy => {
                // Another process writes. The wait for it must not hold up a runtime thread.
                turn = blocking(move || {
                    turn.writer.connection.busy_timeout(BUSY)?;
                    let opened = turn.writer.open();
                    turn.writer.connection.busy_timeout(Duration::ZERO)?;
                    opened?;
                    Ok(turn)
                })
                .await?;
            }
            opened => opened?,
        }
        turn.writer.run("SAVEPOINT caller")?;
        turn.savepoint = true;
        Ok(turn)
    }

    pub fn exclusive<T>(&self, f: impl FnOnce(&mut Connection) -> Result<T, Error>) -> Result<T, Error> {
        let mut writer = self.writer.blocking_lock();
        if writer.closed {
            return Err(Error::unavailable("the database is closed"));
        }
        writer.commit().send();
        writer.connection.busy_timeout(EXCLUSIVE_BUSY)?;
        let result = f(&mut writer.connection);
        if !writer.connection.is_autocommit() {
            writer.run("ROLLBACK")?;
        }
        writer.connection.busy_timeout(Duration::ZERO)?;
        result
    }

    pub fn close(&self) -> Result<(), Error> {
        let mut writer = self.writer.blocking_lock();
        if std::mem::replace(&mut writer.closed, true) {
            return Ok(());
        }
        writer.commit().send();
        writer.connection.flush_prepared_statement_cache();
        writer.connection.busy_timeout(BUSY)?;
        // Answers a row: whether a reader was in the way, and how many frames there were.
        let busy: i64 =
            writer.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            return Err(Error::unavailable("another process still reads"));
        }
        Ok(())
    }
}

/// What the callers of an epoch are told once the lock is free.
#[must_use]
struct Answer {
    waiters: Vec<oneshot::Sender<Result<(), Error>>>,
    result: Result<(), Error>,
}

impl Answer {
    fn send(self) {
        for waiter in self.waiters {
            // A caller that is gone does not hear it; its changes are committed all the same.
            drop(waiter.send(self.result.clone()));
        }
    }
}

impl Writer {
    /// Runs one of the few statements that control the transaction.
    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn open(&mut self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() {
            self.run("BEGIN IMMEDIATE")?;
            self.changes = self.connection.total_changes();
        }
        Ok(())
    }

    fn commit(&mut self) -> Answer {
        let waiters = std::mem::take(&mut self.waiters);
        if waiters.is_empty() {
            return Answer { waiters, result: Ok(()) };
        }
        let result = self.run("COMMIT").map_err(Error::from);
        if let Err(error) = &result {
            tracing::error!(%error, callers = waiters.len(), "commit failed");
            self.abandon();
        }
        Answer { waiters, result }
    }

    /// Ends the transaction without its changes.
    fn abandon(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.run("ROLLBACK")
        {
            tracing::error!(%error, "rollback failed");
        }
    }

    /// The whole epoch is lost: all who wait for it fail.
    fn fail_epoch(&mut self, error: &Error) {
        tracing::error!(%error, callers = self.waiters.len(), "SQLite rolled a group commit back");
        self.abandon();
        Answer { waiters: std::mem::take(&mut self.waiters), result: Err(error.clone()) }.send();
    }
}

/// One caller's turn: the lock, and an open savepoint.
pub(crate) struct Turn {
    writer: OwnedMutexGuard<Writer>,
    commits: mpsc::Sender<()>,
    /// Whether the savepoint is open; it is not once SQLite has rolled everything back.
    savepoint: bool,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

impl Turn {
    pub fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
        self.checked(|connection| super::execute(connection, sql, params))
    }

    pub fn query<T: FromRow>(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        self.checked(|connection| super::query(connection, sql, params))
    }

    fn checked<T>(&mut self, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        if !self.savepoint {
            return Err(lost());
        }
        let result = f(&self.writer.connection);
        if self.writer.connection.is_autocommit() {
            self.savepoint = false;
            let error = result.err().unwrap_or_else(lost);
            self.writer.fail_epoch(&error);
            return Err(error);
        }
        result
    }

    /// Adds the changes to the epoch and waits until it is on disk.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.checked(|connection| {
            connection.prepare_cached("RELEASE caller")?.execute([])?;
            Ok(())
        })?;
        self.savepoint = false;
        if self.writer.waiters.is_empty() && self.writer.connection.total_changes() == self.writer.changes {
            // No row has changed, so there is nothing to bring to the disk and nobody to share with.
            if let Err(error) = self.writer.run("COMMIT") {
                let error = Error::from(error);
                self.writer.fail_epoch(&error);
                return Err(error);
            }
            return Ok(());
        }
        let (waiter, fate) = oneshot::channel();
        self.writer.waiters.push(waiter);
        if self.writer.waiters.len() == 1 && self.commits.send(()).is_err() {
            let error = Error::other("the committing thread is gone");
            self.writer.fail_epoch(&error);
            return Err(error);
        }
        drop(self);
        fate.await.unwrap_or_else(|_| Err(Error::other("the committing thread is gone")))
    }
}

fn lost() -> Error {
    Error::unavailable("SQLite rolled the transaction back")
}

impl Drop for Turn {
    fn drop(&mut self) {
        let writer = &mut *self.writer;
        if self.savepoint {
            let undone = writer.run("ROLLBACK TO caller").and_then(|()| writer.run("RELEASE caller"));
            if let Err(error) = undone {
                // What this caller did can no longer be told from what the others did.
                writer.fail_epoch(&Error::from(error));
            }
        }
        if writer.waiters.is_empty() {
            writer.abandon();
        }
    }
}
