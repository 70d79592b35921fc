//! One transaction on a pooled connection.

use std::time::Duration;

use deadpool_postgres::Object;

use super::{bounded, execute, query};
use crate::{Error, FromRow, Param};

/// How long a rollback may take after which its connection is thrown away.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(5);

/// An open transaction. Dropped half way, it is rolled back before its connection is used again.
pub(crate) struct Session {
    /// `None` once the transaction is over.
    client: Option<Object>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    pub async fn begin(client: Object) -> Result<Self, Error> {
        let session = Session { client: Some(client) };
        bounded(async { Ok(session.client()?.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?) })
            .await?;
        Ok(session)
    }

    pub async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, Error> {
        bounded(execute(self.client()?, sql, params)).await
    }

    pub async fn query<T: FromRow>(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        bounded(query(self.client()?, sql, params)).await
    }

    /// Commits. After [`Error::Unavailable`] the outcome is unknown, as the answer may be what was lost.
    pub async fn commit(mut self) -> Result<(), Error> {
        let committed = bounded(async { Ok(self.client()?.batch_execute("COMMIT").await?) }).await;
        if committed.is_ok() {
            // Back to the pool; otherwise `Drop` sees to the connection.
            drop(self.client.take());
        }
        committed
    }

    pub async fn roll_back(mut self) {
        if let Some(client) = self.client.take() {
            end(client).await;
        }
    }

    fn client(&self) -> Result<&Object, Error> {
        self.client.as_ref().ok_or_else(|| Error::other("the transaction is over"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(end(client))),
            Err(_) => drop(Object::take(client)),
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
