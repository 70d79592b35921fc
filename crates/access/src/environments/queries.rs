use kernel::Timestamp;
use kernel::ids::{ClientId, EnvironmentId, ProjectId, TeamId};
use store::{Db, Error, FromRow, Row, Tx, params};

use super::Environment;

impl FromRow for Environment {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.next()?,
            project_id: row.next()?,
            name: row.next()?,
            kind: row.next()?,
            client_id: row.next()?,
            publishable_key: row.next()?,
            created_at: row.next()?,
        })
    }
}

struct ProjectRow(ProjectId);

impl FromRow for ProjectRow {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        row.next().map(Self)
    }
}

pub(super) async fn first_project(tx: &mut Tx) -> Result<Option<ProjectId>, Error> {
    let row: Option<ProjectRow> =
        tx.query_one("SELECT id FROM projects ORDER BY id LIMIT 1", params![]).await?;
    Ok(row.map(|row| row.0))
}

pub(super) async fn insert_team(tx: &mut Tx, id: TeamId, name: &str, now: Timestamp) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO teams (id, name, created_at, updated_at) VALUES ($1, $2, $3, $4)",
        params![id, name, now, now],
    )
    .await
    .map(drop)
}

pub(super) async fn insert_project(
    tx: &mut Tx,
    id: ProjectId,
    team: TeamId,
    name: &str,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO projects (id, team_id, name, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)",
        params![id, team, name, now, now],
    )
    .await
    .map(drop)
}

/// `false` if the project already has an environment of this name.
pub(super) async fn insert(tx: &mut Tx, environment: &Environment) -> Result<bool, Error> {
    let inserted = tx
        .execute(
            "INSERT INTO environments \
             (id, project_id, name, kind, client_id, publishable_key, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
            params![
                environment.id,
                environment.project_id,
                &environment.name,
                environment.kind,
                environment.client_id,
                &environment.publishable_key,
                environment.created_at,
                environment.created_at
            ],
        )
        .await?;
    Ok(inserted == 1)
}

/// All environments, oldest first.
pub async fn list(db: &Db) -> Result<Vec<Environment>, Error> {
    db.read(
        "SELECT id, project_id, name, kind, client_id, publishable_key, created_at \
         FROM environments WHERE deleted_at IS NULL ORDER BY created_at, id",
        params![],
    )
    .await
}

/// One environment.
pub async fn get(db: &Db, id: EnvironmentId) -> Result<Option<Environment>, Error> {
    db.read_one(
        "SELECT id, project_id, name, kind, client_id, publishable_key, created_at \
         FROM environments WHERE id = $1 AND deleted_at IS NULL",
        params![id],
    )
    .await
}

pub(super) async fn get_by_client_id(db: &Db, client_id: ClientId) -> Result<Option<Environment>, Error> {
    db.read_one(
        "SELECT id, project_id, name, kind, client_id, publishable_key, created_at \
         FROM environments WHERE client_id = $1 AND deleted_at IS NULL",
        params![client_id],
    )
    .await
}

pub(super) async fn get_by_publishable_key(db: &Db, key: &str) -> Result<Option<Environment>, Error> {
    db.read_one(
        "SELECT id, project_id, name, kind, client_id, publishable_key, created_at \
         FROM environments WHERE publishable_key = $1 AND deleted_at IS NULL",
        params![key],
    )
    .await
}
