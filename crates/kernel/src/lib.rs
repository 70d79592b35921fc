//! The floor every product area stands on: application state, configuration, clock, randomness,
//! encryption, errors, HTTP conventions, typed ids, events and guarded outbound requests.
//!
//! Nothing here knows a product noun except as an id. Time and chance come from [`App`], so that tests
//! are deterministic; every error a caller sees is made by [`Error`], so that the families are never mixed.

pub mod app;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod error;
pub mod events;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod outbound;
pub mod random;

pub use app::App;
pub use clock::{Clock, Timestamp};
pub use error::{Error, Result};

#[doc(hidden)]
pub use store as __store;

/// One atomic transaction on the app's database, with [`Error`] as its error:
/// `transaction!(app, |tx| { .. Ok(value) })`. See [`store::transaction!`]: the body may run again, and may
/// await nothing but `tx`.
#[macro_export]
macro_rules! transaction {
    ($app:expr, |$tx:ident| $body:block) => {{
        let result: $crate::Result<_> = $crate::__store::transaction!($app.db, |$tx| $body);
        result
    }};
}
