use kernel::Timestamp;
use kernel::ids::{EnvironmentId, RedirectUriId};
use store::{Db, Error, FromRow, Keyset, Page, PageRequest, Row, Select, Tx, params};

use super::RedirectUri;

impl FromRow for RedirectUri {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            object: "redirect_uri",
            id: row.next()?,
            uri: row.next()?,
            default: row.next()?,
            created_at: row.next()?,
            updated_at: row.next()?,
        })
    }
}

/// `false` if the environment already has this URI.
pub async fn insert(
    tx: &mut Tx,
    environment: EnvironmentId,
    redirect_uri: &RedirectUri,
    wildcard: bool,
) -> Result<bool, Error> {
    let inserted = tx
        .execute(
            "INSERT INTO redirect_uris \
             (id, environment_id, uri, is_default, has_wildcard, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            params![
                redirect_uri.id,
                environment,
                &redirect_uri.uri,
                redirect_uri.default,
                wildcard,
                redirect_uri.created_at,
                redirect_uri.updated_at
            ],
        )
        .await?;
    Ok(inserted == 1)
}

pub async fn clear_default(tx: &mut Tx, environment: EnvironmentId, now: Timestamp) -> Result<(), Error> {
    tx.execute(
        "UPDATE redirect_uris SET is_default = 0, updated_at = $1 WHERE environment_id = $2 AND is_default = 1",
        params![now, environment],
    )
    .await
    .map(drop)
}

pub async fn has_default(tx: &mut Tx, environment: EnvironmentId) -> Result<bool, Error> {
    let row: Option<i64> = tx
        .query_one(
            "SELECT 1 FROM redirect_uris WHERE environment_id = $1 AND is_default = 1",
            params![environment],
        )
        .await?;
    Ok(row.is_some())
}

pub async fn list(
    db: &Db,
    environment: EnvironmentId,
    page: &PageRequest,
) -> Result<Page<RedirectUri>, Error> {
    Select::new(
        "SELECT id, uri, is_default, created_at, updated_at FROM redirect_uris WHERE environment_id = ?",
        [environment.into()],
    )
    .page(db, Keyset::Created { created: "created_at", id: "id" }, page)
    .await
}

pub async fn exists(db: &Db, environment: EnvironmentId, uri: &str) -> Result<bool, Error> {
    let row: Option<i64> = db
        .read_one(
            "SELECT 1 FROM redirect_uris WHERE environment_id = $1 AND uri = $2 AND has_wildcard = 0",
            params![environment, uri],
        )
        .await?;
    Ok(row.is_some())
}

pub async fn wildcards(db: &Db, environment: EnvironmentId) -> Result<Vec<String>, Error> {
    db.read(
        "SELECT uri FROM redirect_uris WHERE environment_id = $1 AND has_wildcard = 1",
        params![environment],
    )
    .await
}

/// Deletes a URI and says whether it was the default.
pub async fn delete(
    tx: &mut Tx,
    environment: EnvironmentId,
    id: RedirectUriId,
) -> Result<Option<bool>, Error> {
    tx.query_one(
        "DELETE FROM redirect_uris WHERE environment_id = $1 AND id = $2 RETURNING is_default",
        params![environment, id],
    )
    .await
}
