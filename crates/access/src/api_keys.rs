//! Secret keys of an environment: made, rotated and revoked by the operator's command line.

use std::fmt;

use kernel::crypto::hash_token;
use kernel::ids::{ApiKeyId, EnvironmentId};
use kernel::{App, Error, Result, Timestamp};
use store::{Db, FromRow, Row, Tx, params};
use zeroize::Zeroizing;

use crate::Kind;

const SECRET_LENGTH: usize = 40;

/// A key just made; the only time its secret is to be had.
pub struct NewApiKey {
    pub id: ApiKeyId,
    pub secret: Zeroizing<String>,
}

impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A key as it is listed.
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    /// The secret's last four characters.
    pub suffix: String,
    pub created_at: Timestamp,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
}

impl FromRow for ApiKey {
    fn from_row(row: &mut Row<'_>) -> Result<Self, store::Error> {
        Ok(Self {
            id: row.next()?,
            name: row.next()?,
            suffix: row.next()?,
            created_at: row.next()?,
            expires_at: row.next()?,
            revoked_at: row.next()?,
        })
    }
}

/// Makes a key with a random secret.
pub async fn create(
    tx: &mut Tx,
    app: &App,
    environment: EnvironmentId,
    kind: Kind,
    name: &str,
) -> Result<NewApiKey> {
    let secret =
        Zeroizing::new(format!("{}{}", kind.secret_prefix(), app.random.alphanumeric(SECRET_LENGTH)));
    insert(tx, app, environment, name, secret).await
}

/// Makes a key whose secret is already known; only for `portcullis dev`.
pub async fn create_known(
    tx: &mut Tx,
    app: &App,
    environment: EnvironmentId,
    name: &str,
    secret: &str,
) -> Result<NewApiKey> {
    if !app.config.is_dev() {
        return Err(Error::internal("known keys exist only in development"));
    }
    insert(tx, app, environment, name, Zeroizing::new(secret.to_owned())).await
}

async fn insert(
    tx: &mut Tx,
    app: &App,
    environment: EnvironmentId,
    name: &str,
    secret: Zeroizing<String>,
) -> Result<NewApiKey> {
    let id = ApiKeyId::generate(app);
    let suffix = secret.get(secret.len().saturating_sub(4)..).unwrap_or_default();
    tx.execute(
        "INSERT INTO api_keys (id, environment_id, name, secret_hash, suffix, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        params![id, environment, name, hash_token(&secret), suffix, app.clock.now()],
    )
    .await?;
    Ok(NewApiKey { id, secret })
}

/// Makes a new key with the old one's name; the old one stops after `overlap` milliseconds, or when it would
/// have stopped anyway.
pub async fn rotate(
    tx: &mut Tx,
    app: &App,
    environment: EnvironmentId,
    kind: Kind,
    id: ApiKeyId,
    overlap: i64,
) -> Result<NewApiKey> {
    let now = app.clock.now();
    let name: Option<String> = tx
        .query_one(
            "UPDATE api_keys SET expires_at = CASE WHEN expires_at < $1 THEN expires_at ELSE $1 END \
             WHERE environment_id = $2 AND id = $3 AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $4) RETURNING name",
            params![now.plus(overlap), environment, id, now],
        )
        .await?;
    let name = name.ok_or_else(|| Error::not_found("API Key", id))?;
    create(tx, app, environment, kind, &name).await
}

/// Stops a key at once.
pub async fn revoke(tx: &mut Tx, app: &App, environment: EnvironmentId, id: ApiKeyId) -> Result<()> {
    let revoked = tx
        .execute(
            "UPDATE api_keys SET revoked_at = $1 WHERE environment_id = $2 AND id = $3 AND revoked_at IS NULL",
            params![app.clock.now(), environment, id],
        )
        .await?;
    if revoked == 0 { Err(Error::not_found("API Key", id)) } else { Ok(()) }
}

/// The keys of an environment, oldest first.
pub async fn list(db: &Db, environment: EnvironmentId) -> Result<Vec<ApiKey>> {
    Ok(db
        .read(
            "SELECT id, name, suffix, created_at, expires_at, revoked_at FROM api_keys \
             WHERE environment_id = $1 ORDER BY created_at, id",
            params![environment],
        )
        .await?)
}
