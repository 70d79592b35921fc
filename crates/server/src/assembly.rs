//! The app and its router, from the areas' parts.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::Extensions;
use kernel::config::Config;
use kernel::crypto::{Keyring, MasterKey};
use kernel::http::Json;
use kernel::jobs::Registry;
use kernel::random::Random;
use kernel::{App, Clock, Error, Result};
use login::DemoState;
use serde_json::{Value, json};
use store::Db;

/// Opens the database, brings it up to date, unlocks its secrets.
pub async fn app(
    config: Config,
    master_key: &MasterKey,
    clock: Clock,
    random: Random,
) -> Result<App, anyhow::Error> {
    let db = Db::open(&config.database).await?;
    db.migrate().await?;
    let keyring = Keyring::open(&db, master_key, &clock, &random).await?;
    let mut extensions = Extensions::new();
    extensions.insert(Arc::new(access::signing_keys::Cache::default()));
    extensions.insert(Arc::new(sso::ProviderCache::default()));
    extensions.insert(Arc::new(DemoState::default()));
    App::new(config, db, clock, random, keyring, extensions).map_err(|error| anyhow::anyhow!("{error}"))
}

/// Every job this process can do.
pub fn jobs() -> Arc<Registry> {
    Arc::new(webhooks::jobs(sso::jobs(Registry::default())))
}

/// Every route this process answers.
pub fn router(app: App) -> Router {
    let mut routes = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .merge(access::router())
        .merge(organizations::router())
        .merge(sso::router())
        .merge(webhooks::router())
        .merge(login::router());
    if app.config.is_dev() {
        routes = routes.merge(login::dev_router());
    }
    kernel::http::assemble(app, routes)
}

/// `GET /health`: the process is up.
async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /ready`: the process can do its work, so a balancer may send requests.
async fn ready(State(app): State<App>) -> Result<Json<Value>> {
    match app.db.ping().await {
        Ok(()) => Ok(Json(json!({ "status": "ok" }))),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(Error::unavailable())
        }
    }
}
