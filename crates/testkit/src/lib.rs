//! What the API tests stand on: the real router on a real database, without sockets, and fake identity
//! providers for it to meet.
//!
//! Each [`TestApp`] has a database of its own: a fresh SQLite file, or, with `PORTCULLIS_TEST_DATABASE=postgres`,
//! a fresh schema in the cluster that `PORTCULLIS_TEST_POSTGRES` names. The clock stands still until a test
//! moves it, and ids come from a seed. An answer with a 5xx status fails the test that didn't ask for it.
//! With `PORTCULLIS_RECORD` set, every JSON answer is written there, to be measured by the API document.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test harness fails by panicking"
)]

mod app;
mod browser;
pub mod forge;
mod logs;
mod loopback;
pub mod oidc_provider;
mod person;
mod request;
mod saml_idp;

pub use app::{CALLBACK, Environment, TestApp};
pub use browser::{Browser, authorize_path};
pub use logs::Logs;
pub use loopback::{Canary, Loopback};
pub use oidc_provider::OidcProvider;
pub use person::Person;
pub use request::{Answer, Request};
pub use saml_idp::{Asked, SamlIdp};
