//! Environments, keys and redirect URIs, through the front door.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod api_keys;
mod redirect_uris;

use access::{Environment, Kind, api_keys as keys, environments};
use kernel::App;

/// An environment without redirect URIs, with one key.
async fn environment(app: &App, name: &str, kind: Kind) -> (Environment, keys::NewApiKey) {
    let made: kernel::Result<_> = kernel::transaction!(app, |tx| {
        let environment = environments::create(tx, app, name, kind).await?;
        let key = keys::create(tx, app, environment.id, kind, "Key").await?;
        Ok((environment, key))
    });
    made.unwrap()
}
