//! Who may call: environments, their secret keys, client ids and publishable keys, the [`Caller`]
//! extractor, redirect URIs, and the keys an environment signs with.
//!
//! Everything a key can reach belongs to its environment; a query takes the environment first. Secret keys
//! are stored as hashes and looked up with each request, so a revoked key stops at once on every node.

pub mod api_keys;
pub mod caller;
pub mod environments;
pub mod redirect_uris;
pub mod signing_keys;

use axum::Router;
use kernel::App;

pub use caller::Caller;
pub use environments::{Environment, Kind};

/// The routes of this area.
pub fn router() -> Router<App> {
    redirect_uris::router()
}
