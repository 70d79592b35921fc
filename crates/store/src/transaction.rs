//! [`Tx`] and the [`transaction!`](crate::transaction) macro that runs one.

use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::postgres::Session;
use crate::sqlite::Turn;
use crate::{Db, Engine, Error, FromRow, Param, statements};

/// How often a body runs at most when it collides with other transactions.
const ATTEMPTS: u32 = 10;

/// An open transaction. Only [`transaction!`](crate::transaction) makes, commits and rolls back one.
#[derive(Debug)]
pub struct Tx {
    session: Inner,
    /// The first failure; from then on every statement is refused and nothing is committed.
    failed: Option<Error>,
}

#[derive(Debug)]
enum Inner {
    Sqlite(Turn),
    Postgres(Box<Session>),
}

/// Runs a body in one atomic transaction: `transaction!(db, |tx| { .. Ok(value) })`, where `tx` is a `&mut Tx` and
/// the value of the block is a `Result<T, E>` with `E: From<store::Error>`.
///
/// `Ok` is returned once the changes are on disk; an `Err` of the body rolls back. The body may run more than once
/// (serialization failures and deadlocks are retried), so it must change nothing but the database; and it may await
/// nothing but `tx`, since all writers of a SQLite database wait for it: there, another await fails the transaction.
/// It must be used inside an async block or function.
///
/// Where the type of `E` is not clear from the body it can be given: `transaction!(db, |tx| -> Result<u64, E> { .. })`.
#[macro_export]
macro_rules! transaction {
    ($db:expr, |$tx:ident| $body:block) => {
        $crate::transaction!($db, |$tx| -> ::core::result::Result<_, _> $body)
    };
    ($db:expr, |$tx:ident| -> $result:ty $body:block) => {{
        let mut attempts = $crate::Attempts::new(&$db);
        loop {
            let mut owned = match attempts.begin().await {
                ::core::result::Result::Ok(owned) => owned,
                ::core::result::Result::Err(error) => {
                    break ::core::result::Result::Err(::core::convert::From::from(error));
                }
            };
            let outcome: $result = {
                let engine = owned.engine();
                let $tx = &mut owned;
                $crate::only_this(engine, async $body).await
            };
            if let ::core::option::Option::Some(outcome) = attempts.finish(owned, outcome).await {
                break outcome;
            }
        }
    }};
}

/// The attempts of one [`transaction!`](crate::transaction).
#[doc(hidden)]
#[derive(Debug)]
pub struct Attempts<'a> {
    db: &'a Db,
    made: u32,
}

impl<'a> Attempts<'a> {
    #[must_use]
    pub fn new(db: &'a Db) -> Self {
        Attempts { db, made: 0 }
    }

    pub async fn begin(&mut self) -> Result<Tx, Error> {
        self.made += 1;
        self.db.begin().await
    }

    /// Commits or rolls back; `None` when the body is to run again.
    pub async fn finish<T, E: From<Error>>(&self, tx: Tx, outcome: Result<T, E>) -> Option<Result<T, E>> {
        let collided = tx.failed.as_ref().is_some_and(Error::is_serialization);
        match outcome {
            Ok(value) => match tx.commit().await {
                Ok(()) => Some(Ok(value)),
                Err(error) if error.is_serialization() && self.again().await => None,
                Err(error) => Some(Err(E::from(error))),
            },
            Err(error) => {
                tx.roll_back().await;
                if collided && self.again().await { None } else { Some(Err(error)) }
            }
        }
    }

    async fn again(&self) -> bool {
        if self.made >= ATTEMPTS {
            return false;
        }
        // Spread over an interval that doubles, so that those who collided do not meet again.
        let ceiling = 2_000_u64 << self.made.min(6);
        let micros = RandomState::new().build_hasher().finish() % ceiling;
        tokio::time::sleep(Duration::from_micros(micros)).await;
        true
    }
}

/// Runs a transaction's body. On SQLite a body that waits for anything fails: statements run in place there, so
/// it can only be waiting for something else, with all other writers behind it.
#[doc(hidden)]
pub async fn only_this<T, E: From<Error>>(
    engine: Engine,
    body: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut body = pin!(body);
    poll_fn(|context| match body.as_mut().poll(context) {
        Poll::Pending if engine == Engine::Sqlite => {
            tracing::error!("a transaction awaits something else than its own statements");
            Poll::Ready(Err(E::from(Error::other(
                "a transaction awaits something else than its own statements",
            ))))
        }
        poll => poll,
    })
    .await
}

impl Tx {
    pub(crate) fn sqlite(turn: Turn) -> Self {
        Tx { session: Inner::Sqlite(turn), failed: None }
    }

    pub(crate) fn postgres(session: Session) -> Self {
        Tx { session: Inner::Postgres(Box::new(session)), failed: None }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &self.session {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a statement and returns how many rows it inserted, changed or deleted.
    ///
    /// # Errors
    /// See [`Error`]. Any error fails the transaction.
    pub async fn execute(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, Error> {
        statements::record(sql, false);
        self.execute_text(sql, params).await
    }

    /// Runs a statement and returns its rows: a SELECT, or anything with RETURNING.
    ///
    /// # Errors
    /// See [`Error`]. Any error fails the transaction.
    pub async fn query<T: FromRow>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<T>, Error> {
        statements::record(sql, false);
        self.query_text(sql, params).await
    }

    /// Like [`Tx::query`], for at most one row; the first if there are more.
    ///
    /// # Errors
    /// See [`Error`]. Any error fails the transaction.
    pub async fn query_one<T: FromRow>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Option<T>, Error> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Locks the row of `table` whose `id` this is until the transaction ends, so that a decision on it cannot be
    /// overtaken; `false` when there is none. SQLite has one writer at a time and needs no lock.
    ///
    /// # Errors
    /// See [`Error`]. Any error fails the transaction.
    pub async fn lock(&mut self, table: &'static str, id: &str) -> Result<bool, Error> {
        if table.is_empty() || !table.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return Err(Error::other("lock() takes the name of a table"));
        }
        let sql = match self.session {
            Inner::Sqlite(_) => format!("SELECT 1 FROM {table} WHERE id = $1"),
            Inner::Postgres(_) => format!("SELECT 1 FROM {table} WHERE id = $1 FOR UPDATE"),
        };
        Ok(!self.query_text::<i64>(&sql, &[Param::from(id)]).await?.is_empty())
    }

    pub(crate) async fn execute_text(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
        self.enter()?;
        let result = match &mut self.session {
            Inner::Sqlite(turn) => turn.execute(sql, params),
            Inner::Postgres(session) => session.execute(sql, params).await,
        };
        self.leave(result)
    }

    pub(crate) async fn query_text<T: FromRow>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<T>, Error> {
        self.enter()?;
        let result = match &mut self.session {
            Inner::Sqlite(turn) => turn.query(sql, params),
            Inner::Postgres(session) => session.query(sql, params).await,
        };
        self.leave(result)
    }

    /// Refuses statements after a failure. The transaction counts as failed while a statement runs, so that one
    /// whose future is dropped half way is never committed.
    fn enter(&mut self) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.failed = Some(Error::other("a statement of the transaction was abandoned"));
        Ok(())
    }

    fn leave<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        self.failed = result.as_ref().err().cloned();
        result
    }

    async fn commit(mut self) -> Result<(), Error> {
        if let Some(error) = self.failed.take() {
            self.roll_back().await;
            return Err(error);
        }
        match self.session {
            Inner::Sqlite(turn) => turn.commit().await,
            Inner::Postgres(session) => session.commit().await,
        }
    }

    async fn roll_back(self) {
        match self.session {
            Inner::Sqlite(turn) => drop(turn),
            Inner::Postgres(session) => session.roll_back().await,
        }
    }
}
