//! What the API tests stand on: the real router on a real database, without sockets.
//!
//! Each [`TestApp`] has a database of its own: a fresh SQLite file, or, with `PORTCULLIS_TEST_DATABASE=postgres`,
//! a fresh schema in the cluster that `PORTCULLIS_TEST_POSTGRES` names. The clock stands still until a test
//! moves it, and ids come from a seed. An answer with a 5xx status fails the test that didn't ask for it.
//! With `PORTCULLIS_RECORD` set, every JSON answer is written there, to be measured by the API document.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test harness fails by panicking"
)]

mod app;
mod browser;
mod request;

pub use app::{CALLBACK, Environment, TestApp};
pub use browser::Browser;
pub use request::{Answer, Request};
