//! [`Db`]: one database, whichever engine.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::migrations::{self, Migration};
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::{Error, FromRow, Param, Tx, statements};

/// Where the database is.
#[derive(Clone)]
pub enum Config {
    /// A file; made (readable by its owner only) when it is missing. Its folder must exist.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL server, or one that speaks its protocol.
    Postgres {
        /// `postgres://user:password@host:port/database?sslmode=..`.
        url: String,
        /// The most connections for transactions and long scans; a few more are shared by reads.
        pool_size: usize,
        /// A schema to use instead of the user's search path. It must exist.
        schema: Option<String>,
    },
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Config::Sqlite { path } => f.debug_struct("Sqlite").field("path", path).finish(),
            // The URL holds a password, and not only where a URL parser would look for it.
            Config::Postgres { url: _, pool_size, schema } => f
                .debug_struct("Postgres")
                .field("url", &"[redacted]")
                .field("pool_size", pool_size)
                .field("schema", schema)
                .finish(),
        }
    }
}

/// Which engine a [`Db`] runs on; for logs and tests. Areas never branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded SQLite.
    Sqlite,
    /// PostgreSQL or a wire-compatible engine.
    Postgres,
}

/// A database. Clones share it.
#[derive(Clone)]
pub struct Db {
    pub(crate) backend: Arc<Backend>,
}

pub(crate) enum Backend {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Db").field(&self.engine()).finish()
    }
}

impl Db {
    /// Opens the database and checks that it answers. Does not migrate.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot be reached or opened, [`Error::Other`] when the configuration is
    /// wrong.
    pub async fn open(config: &Config) -> Result<Db, Error> {
        let backend = match config {
            Config::Sqlite { path } => Backend::Sqlite(Sqlite::open(path.clone()).await?),
            Config::Postgres { url, pool_size, schema } => {
                Backend::Postgres(Box::new(Postgres::open(url, *pool_size, schema.as_deref()).await?))
            }
        };
        Ok(Db { backend: Arc::new(backend) })
    }

    /// The engine, for logs and tests.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &*self.backend {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// Brings the schema up to date with the migrations compiled into this binary, each in one transaction,
    /// under a lock: any number of nodes may do so at once. A database newer than the binary is accepted.
    ///
    /// # Errors
    /// [`Error::Other`] when a migration fails or an applied one has changed since.
    pub async fn migrate(&self) -> Result<(), Error> {
        self.migrate_with(migrations::COMPILED).await
    }

    /// [`Db::migrate`] with another list, for tests.
    #[doc(hidden)]
    pub async fn migrate_with(&self, list: &'static [Migration]) -> Result<(), Error> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => {
                sqlite.exclusive(move |connection| migrations::apply_sqlite(connection, list)).await
            }
            Backend::Postgres(postgres) => migrations::apply_postgres(postgres, list).await,
        }
    }

    /// Runs a script of many statements as it is, outside any transaction of ours: for tests, which make schemas and
    /// fixtures with it. On SQLite it runs on the connection that writes.
    #[doc(hidden)]
    pub async fn run_script(&self, sql: &str) -> Result<(), Error> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => {
                let sql = sql.to_owned();
                sqlite.exclusive(move |connection| Ok(connection.execute_batch(&sql)?)).await
            }
            Backend::Postgres(postgres) => Ok(postgres.dedicated().await?.batch_execute(sql).await?),
        }
    }

    /// Runs one short SELECT on what is committed now.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read<T: FromRow>(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        self.read_text(sql, params).await
    }

    /// Like [`Db::read`], for at most one row; the first if there are more.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read_one<T: FromRow>(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Option<T>, Error> {
        Ok(self.read_text(sql, params).await?.into_iter().next())
    }

    /// Runs one SELECT that may take long (a sweep, an export, a count of a growing table) where it holds up
    /// nobody else. Ended after 30 seconds.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn scan<T: FromRow + Send + 'static>(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<T>, Error> {
        self.scan_text(sql, params).await
    }

    pub(crate) async fn read_text<T: FromRow>(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<T>, Error> {
        statements::record(sql, false);
        match &*self.backend {
            // In place: a read from the page cache is shorter than a switch to another thread.
            Backend::Sqlite(sqlite) => sqlite.read(sql, params),
            Backend::Postgres(postgres) => postgres.read(sql, params).await,
        }
    }

    pub(crate) async fn scan_text<T: FromRow + Send + 'static>(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<T>, Error> {
        statements::record(sql, true);
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.scan(sql, params).await,
            Backend::Postgres(postgres) => postgres.scan(sql, params).await,
        }
    }

    /// Begins a transaction; [`transaction!`](crate::transaction) is the way to call it.
    #[doc(hidden)]
    pub async fn begin(&self) -> Result<Tx, Error> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => Ok(Tx::sqlite(sqlite.begin().await?)),
            Backend::Postgres(postgres) => Ok(Tx::postgres(postgres.begin().await?)),
        }
    }

    /// Ends gracefully: finishes what is being committed, folds the WAL into the database file, and refuses
    /// everything from then on.
    pub async fn close(&self) {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close(),
        }
    }

    /// Whether the database answers, for readiness probes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.read::<i64>("SELECT 1", &[]).map(drop),
            Backend::Postgres(postgres) => postgres.ping().await,
        }
    }

    /// Prepares a statement without running it, for the test over [`statements`](crate::statements()).
    ///
    /// # Errors
    /// [`Error::Other`] when the engine does not take it.
    pub async fn prepare(&self, sql: &str) -> Result<(), Error> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.prepare(sql),
            Backend::Postgres(postgres) => postgres.prepare(sql).await,
        }
    }

    /// SQLite's query plan, a line per step; empty on PostgreSQL.
    ///
    /// # Errors
    /// [`Error::Other`] when the engine does not take the statement.
    pub async fn plan(&self, sql: &str) -> Result<Vec<String>, Error> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.plan(sql),
            Backend::Postgres(_) => Ok(Vec::new()),
        }
    }
}
