//! The application's state, handed to every handler.

use std::ops::Deref;
use std::sync::Arc;

use http::Extensions;
use store::Db;
use tokio::sync::Notify;

use crate::config::Config;
use crate::crypto::Keyring;
use crate::ids::Rising;
use crate::outbound::Outbound;
use crate::random::Random;
use crate::{Clock, Error, Result};

/// Shared state; cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<State>);

/// What [`App`] holds.
#[derive(Debug)]
pub struct State {
    pub config: Config,
    pub db: Db,
    pub clock: Clock,
    pub random: Random,
    pub keyring: Keyring,
    pub outbound: Outbound,
    pub(crate) event_ids: Rising,
    /// Wakes this process's worker when a job was enqueued; other nodes find it when they look.
    pub(crate) jobs_wanted: Notify,
    /// State that one area owns (for example its cache of parsed keys), found by its type.
    extensions: Extensions,
}

impl App {
    /// Puts the pieces together; `extensions` holds each area's own state.
    pub fn new(
        config: Config,
        db: Db,
        clock: Clock,
        random: Random,
        keyring: Keyring,
        extensions: Extensions,
    ) -> Result<Self> {
        let outbound = Outbound::new(&config.outbound)?;
        Ok(Self(Arc::new(State {
            config,
            db,
            clock,
            random,
            keyring,
            outbound,
            event_ids: Rising::default(),
            jobs_wanted: Notify::new(),
            extensions,
        })))
    }

    /// An area's own state, registered (in an `Arc`) when the app was put together.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<&T> {
        self.extensions
            .get::<Arc<T>>()
            .map(AsRef::as_ref)
            .ok_or_else(|| Error::internal(format!("{} was not registered", std::any::type_name::<T>())))
    }

    /// An absolute URL of this deployment; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.public_origin())
    }
}

impl Deref for App {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}
