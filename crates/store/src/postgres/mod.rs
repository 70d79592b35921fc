//! The PostgreSQL engine: pooled connections for transactions and long scans, a few shared ones for reads.

mod connect;
mod pipelines;
mod session;
mod tls;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use futures_util::TryStreamExt;

use crate::{Error, FromRow, Param, Row};
use connect::Connector;
use pipelines::Pipelines;
pub(crate) use session::Session;

/// How long a caller waits for a free connection of the pool.
const POOL_WAIT: Duration = Duration::from_secs(1);
/// How long a new connection may take, from name resolution to the last setting.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long anything at all may take before the connection counts as dead. The server's own limits
/// ([`connect::Limits`]) are shorter, so this is met only when it is silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(45);

/// How many connections that turn out to be dead a transaction tries to begin on.
const BEGIN_ATTEMPTS: u32 = 4;

pub(crate) struct Postgres {
    pool: Pool,
    pipelines: Pipelines,
    connector: Connector,
}

impl Postgres {
    pub async fn open(url: &str, pool_size: usize, schema: Option<&str>) -> Result<Self, Error> {
        let connector = Connector::new(url, schema)?;
        let manager = Manager::from_connect(
            tokio_postgres::Config::new(),
            connector.clone(),
            // Only whether the connection is open: a round trip per transaction would be paid for nothing, since
            // one may die at any later moment as well.
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(pool_size.max(1))
            .wait_timeout(Some(POOL_WAIT))
            .create_timeout(Some(CONNECT_LIMIT))
            .recycle_timeout(Some(CONNECT_LIMIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Other(Arc::new(error)))?;
        let postgres = Postgres { pool, pipelines: Pipelines::new(connector.clone()), connector };
        postgres.ping().await?;
        Ok(postgres)
    }

    pub async fn read<T: FromRow>(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        self.pipelines.read(sql, params).await
    }

    pub async fn scan<T: FromRow>(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        self.session().await?.query(sql, params).await
    }

    pub async fn begin(&self) -> Result<Session, Error> {
        let mut attempt = 1;
        loop {
            let mut session = self.session().await?;
            match session.begin().await {
                Ok(()) => return Ok(session),
                // A connection that died in the pool; nothing has happened yet, so another one will do.
                Err(error) if connection_lost(&error) && attempt < BEGIN_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn session(&self) -> Result<Session, Error> {
        Ok(Session::new(self.client().await?, self.connector.clone()))
    }

    pub async fn ping(&self) -> Result<(), Error> {
        self.pipelines.read::<i64>("SELECT 1", &[]).await.map(drop)
    }

    pub async fn prepare(&self, sql: &str) -> Result<(), Error> {
        let client = self.client().await?;
        bounded(async { Ok(client.prepare(sql).await.map(drop)?) }).await
    }

    /// A connection of its own without time limits, for migrations.
    pub async fn dedicated(&self) -> Result<ClientWrapper, Error> {
        self.connector.connect(connect::Limits::Migration).await
    }

    pub fn close(&self) {
        self.pool.close();
        self.pipelines.close();
    }

    async fn client(&self) -> Result<Object, Error> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => connect::refused(error),
            other => Error::Unavailable(Arc::new(other)),
        })
    }
}

/// Whether the connection itself is gone, so that the request may be made on another one if it may be made twice.
fn connection_lost(error: &Error) -> bool {
    let Error::Unavailable(cause) = error else { return false };
    let Some(error) = cause.downcast_ref::<tokio_postgres::Error>() else { return false };
    match error.code() {
        // 57P01 to 57P03 are the server's shutdown, class 08 is the connection.
        Some(state) => state.code().starts_with("57P0") || state.code().starts_with("08"),
        None => true,
    }
}

/// Ends the wait for a server that is silent.
async fn bounded<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(SILENCE_LIMIT, work)
        .await
        .unwrap_or_else(|_| Err(Error::unavailable("the database server is silent")))
}

async fn query<T: FromRow>(client: &ClientWrapper, sql: &str, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
    let statement = client.prepare_cached(sql).await?;
    check_count(&statement, params)?;
    let mut rows = pin!(client.query_raw(&statement, params.iter()).await?);
    let mut result = Vec::new();
    while let Some(row) = rows.try_next().await? {
        result.push(T::from_row(&mut Row::postgres(&row))?);
    }
    Ok(result)
}

async fn execute(client: &ClientWrapper, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
    let statement = client.prepare_cached(sql).await?;
    check_count(&statement, params)?;
    Ok(client.execute_raw(&statement, params.iter()).await?)
}

fn check_count(statement: &tokio_postgres::Statement, params: &[Param<'_>]) -> Result<(), Error> {
    let expected = statement.params().len();
    if expected == params.len() {
        Ok(())
    } else {
        Err(Error::other(format!("{expected} placeholders, {} values", params.len())))
    }
}
