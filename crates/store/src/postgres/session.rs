//! One use of a pooled connection: a transaction or a long scan.

use std::time::Duration;

use deadpool_postgres::Object;

use super::connect::Connector;
use super::{bounded, execute, query};
use crate::{Error, FromRow, Param};

/// How long a rollback may take after which its connection is thrown away.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(5);

/// A connection in use. However that ends (a future dropped half way, too), it goes back to the pool only when nothing
/// is left open on it.
pub(crate) struct Session {
    /// `None` once it has been given back.
    client: Option<Object>,
    connector: Connector,
    /// Whether a transaction is open.
    open: bool,
    /// Whether a statement runs, or the last one was not seen to end.
    busy: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("open", &self.open).field("busy", &self.busy).finish_non_exhaustive()
    }
}

impl Session {
    pub fn new(client: Object, connector: Connector) -> Self {
        Session { client: Some(client), connector, open: false, busy: false }
    }

    pub async fn begin(&mut self) -> Result<(), Error> {
        self.open = true;
        self.run(async |client| Ok(client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?)).await
    }

    pub async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
        self.run(async |client| execute(client, sql, params).await).await
    }

    pub async fn query<T: FromRow>(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        self.run(async |client| query(client, sql, params).await).await
    }

    /// Commits. After [`Error::Unavailable`] the outcome is unknown, as the answer may be what was lost.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.run(async |client| Ok(client.batch_execute("COMMIT").await?)).await?;
        self.open = false;
        Ok(())
    }

    pub async fn roll_back(mut self) {
        if !self.busy
            && let Some(client) = self.client.take()
        {
            end(client).await;
        }
    }

    async fn run<T>(&mut self, work: impl AsyncFnOnce(&Object) -> Result<T, Error>) -> Result<T, Error> {
        let client = self.client.as_ref().ok_or_else(|| Error::other("the transaction is over"))?;
        self.busy = true;
        let result = bounded(work(client)).await;
        self.busy = matches!(result, Err(Error::Unavailable(_)));
        result
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let runtime = tokio::runtime::Handle::try_current();
        if self.busy {
            // The server goes on with a statement whose answer nobody waits for, until it is told. The request to
            // stop may arrive late and hit what runs by then, so this connection is not used again.
            let cancel = client.cancel_token();
            drop(Object::take(client));
            if let Ok(runtime) = runtime {
                let connector = self.connector.clone();
                drop(runtime.spawn(async move { connector.cancel(cancel).await }));
            }
        } else if self.open {
            match runtime {
                Ok(runtime) => drop(runtime.spawn(end(client))),
                Err(_) => drop(Object::take(client)),
            }
        }
    }
}

/// Rolls back and gives the connection back, or throws it away: the server then rolls back itself.
async fn end(client: Object) {
    let rolled_back = tokio::time::timeout(ROLLBACK_LIMIT, client.batch_execute("ROLLBACK")).await;
    if !matches!(rolled_back, Ok(Ok(()))) {
        drop(Object::take(client));
    }
}
