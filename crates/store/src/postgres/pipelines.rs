//! Shared connections for reads.
//!
//! Requests of many callers travel down one connection without waiting for each other's answers. The server answers
//! them in order, which is why only short reads go here.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::ClientWrapper;
use tokio::sync::Semaphore;

use super::connect::{Connector, Limits};
use super::{POOL_WAIT, bounded, connection_lost, query};
use crate::{Error, FromRow, Param};

/// Connections that reads share.
const CONNECTIONS: usize = 4;
/// Reads on their way at one time over all connections; more than that wait, and then fail.
const IN_FLIGHT: usize = 512;

pub(super) struct Pipelines {
    connector: Connector,
    slots: [Slot; CONNECTIONS],
    permits: Semaphore,
    closed: AtomicBool,
}

#[derive(Default)]
struct Slot {
    client: Mutex<Option<Arc<ClientWrapper>>>,
    /// Held while a dead connection is replaced, so that it is replaced once.
    connecting: tokio::sync::Mutex<()>,
    in_flight: AtomicUsize,
}

/// Counts a read as long as it runs, also when its future is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pipelines {
    pub fn new(connector: Connector) -> Self {
        Pipelines {
            connector,
            slots: Default::default(),
            permits: Semaphore::new(IN_FLIGHT),
            closed: AtomicBool::new(false),
        }
    }

    pub async fn read<T: FromRow>(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<T>, Error> {
        let _permit = match self.permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => tokio::time::timeout(POOL_WAIT, self.permits.acquire())
                .await
                .map_err(|_| Error::unavailable("too many reads are waiting"))?
                .map_err(|_| Error::unavailable("the database is closed"))?,
        };
        let slot = self
            .slots
            .iter()
            .min_by_key(|slot| slot.in_flight.load(Ordering::Relaxed))
            .ok_or_else(|| Error::other("no connections for reads"))?;
        slot.in_flight.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&slot.in_flight);

        let client = self.client(slot).await?;
        let result = bounded(query(&client, sql, params)).await;
        match result {
            // It died under the read, perhaps long ago: a server restart, a failover. A read may be repeated.
            Err(error) if client.is_closed() || connection_lost(&error) => {
                slot.forget(&client);
                let client = self.client(slot).await?;
                bounded(query(&client, sql, params)).await
            }
            result => result,
        }
    }

    async fn client(&self, slot: &Slot) -> Result<Arc<ClientWrapper>, Error> {
        if let Some(client) = slot.living() {
            return Ok(client);
        }
        let _connecting = slot.connecting.lock().await;
        if let Some(client) = slot.living() {
            return Ok(client);
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::unavailable("the database is closed"));
        }
        let client = Arc::new(self.connector.connect(Limits::Read).await?);
        *slot.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&client));
        Ok(client)
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.permits.close();
        for slot in &self.slots {
            let client = slot.client.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(client);
        }
    }
}

impl Slot {
    fn forget(&self, dead: &Arc<ClientWrapper>) {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if client.as_ref().is_some_and(|client| Arc::ptr_eq(client, dead)) {
            *client = None;
        }
    }

    fn living(&self) -> Option<Arc<ClientWrapper>> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.as_ref().filter(|client| !client.is_closed()).cloned()
    }
}
