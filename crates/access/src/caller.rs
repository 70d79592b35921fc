//! The caller of an API request: whoever holds a secret key of an environment.

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use kernel::crypto::hash_token;
use kernel::events::{Actor, Scope};
use kernel::ids::{ApiKeyId, EnvironmentId};
use kernel::{App, Error, Result};
use store::{FromRow, Row, params};

use crate::Kind;

/// An authenticated caller. Asking for it is the check: without a valid key the answer is 401.
#[derive(Clone, Debug)]
pub struct Caller {
    pub environment: EnvironmentId,
    pub kind: Kind,
    actor: Actor,
}

impl Caller {
    /// The scope of events this caller causes.
    pub fn scope(&self) -> Scope<'_> {
        Scope { environment: self.environment, organization: None, actor: &self.actor }
    }

    /// The environment whose secret key this is; `None` if there is no such key, or it is revoked, expired
    /// or of a deleted environment.
    pub async fn from_secret(app: &App, secret: &str) -> Result<Option<Self>> {
        let row: Option<CallerRow> = app
            .db
            .read_one(
                "SELECT k.id, k.name, e.id, e.kind FROM api_keys k \
                 JOIN environments e ON e.id = k.environment_id AND e.deleted_at IS NULL \
                 WHERE k.secret_hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2)",
                params![hash_token(secret), app.clock.now()],
            )
            .await?;
        Ok(row.map(|row| Self {
            environment: row.environment,
            kind: row.kind,
            actor: Actor::ApiKey { id: row.key.to_string(), name: row.name },
        }))
    }
}

struct CallerRow {
    key: ApiKeyId,
    name: String,
    environment: EnvironmentId,
    kind: Kind,
}

impl FromRow for CallerRow {
    fn from_row(row: &mut Row<'_>) -> Result<Self, store::Error> {
        Ok(Self { key: row.next()?, name: row.next()?, environment: row.next()?, kind: row.next()? })
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let secret = bearer(parts).ok_or_else(Error::unauthorized)?;
        Self::from_secret(app, secret).await?.ok_or_else(Error::unauthorized)
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750 §2.1). More than one such header is none.
pub fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
