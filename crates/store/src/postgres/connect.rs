//! How a connection is made and set up.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Connect};
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::{CancelToken, Client, Config, NoTls};

use super::CONNECT_LIMIT;
use super::tls::{self, Tls};
use crate::Error;

/// What a connection is for, which decides how long its statements may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limits {
    /// Short reads that share a connection.
    Read,
    /// Transactions and long scans.
    Pooled,
    /// Migrations; they take what they take.
    Migration,
}

impl Limits {
    fn settings(self) -> &'static str {
        match self {
            // Read-only, as SQLite's read connections are: a write in the wrong place fails on both.
            Limits::Read => "SET statement_timeout = '5s'; SET default_transaction_read_only = on",
            Limits::Pooled => {
                "SET statement_timeout = '30s'; SET lock_timeout = '5s';
                 SET idle_in_transaction_session_timeout = '60s'"
            }
            Limits::Migration => "SET statement_timeout = 0; SET lock_timeout = 0",
        }
    }
}

#[derive(Clone)]
pub(crate) struct Connector {
    config: Arc<Config>,
    tls: Tls,
    /// Statements that set up every connection.
    settings: Arc<str>,
}

impl Connector {
    pub fn new(url: &str, schema: Option<&str>) -> Result<Self, Error> {
        let (mut config, tls) = tls::configure(url)?;
        if config.get_application_name().is_none() {
            config.application_name("portcullis");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_LIMIT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(30));
        }
        config.keepalives_idle(Duration::from_secs(30));
        config.keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3);
        let mut settings = String::from(
            // What is acknowledged is on disk, whatever the server's default; waiting for standbys too stays.
            "SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') <> 'remote_apply'",
        );
        if let Some(schema) = schema {
            settings.push_str(&format!("; SET search_path TO \"{}\"", schema.replace('"', "\"\"")));
        }
        Ok(Connector { config: Arc::new(config), tls, settings: settings.into() })
    }

    pub async fn connect(&self, limits: Limits) -> Result<ClientWrapper, Error> {
        let connected = tokio::time::timeout(CONNECT_LIMIT, self.connect_unbounded(limits)).await;
        let (client, task) = connected
            .map_err(|_| Error::unavailable("connecting to the database took too long"))?
            .map_err(refused)?;
        Ok(ClientWrapper::new(client, task))
    }

    /// Asks the server to stop what runs on another connection. Best effort: its time limits remain.
    pub async fn cancel(&self, token: CancelToken) {
        let cancelled = async {
            match &self.tls {
                Tls::Off => token.cancel_query(NoTls).await,
                Tls::On(tls) => token.cancel_query(tls.clone()).await,
            }
        };
        match tokio::time::timeout(CONNECT_LIMIT, cancelled).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a statement could not be cancelled"),
            Err(_) => tracing::debug!("cancelling a statement took too long"),
        }
    }

    async fn connect_unbounded(
        &self,
        limits: Limits,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let (client, task) = match &self.tls {
            Tls::Off => {
                let (client, connection) = self.config.connect(NoTls).await?;
                (client, tokio::spawn(drive(connection)))
            }
            Tls::On(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                (client, tokio::spawn(drive(connection)))
            }
        };
        client.batch_execute(&format!("{}; {}", self.settings, limits.settings())).await?;
        Ok((client, task))
    }
}

async fn drive<E: std::fmt::Display>(connection: impl Future<Output = Result<(), E>>) {
    if let Err(error) = connection.await {
        tracing::warn!(%error, "a database connection ended");
    }
}

impl Connect for Connector {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        Box::pin(self.connect_unbounded(Limits::Pooled))
    }
}

/// Whatever keeps a connection from being made (a wrong password, too): the database is unavailable.
pub(super) fn refused(error: tokio_postgres::Error) -> Error {
    Error::Unavailable(Arc::new(error))
}
