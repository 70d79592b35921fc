//! Profiles: people as their identity provider described them at their last sign-in.

use kernel::ids::{ConnectionId, EnvironmentId, OrganizationId, ProfileId, SignInId};
use kernel::{App, Result};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{Db, FromRow, Row, Tx, params};

use crate::attributes::Identity;
use crate::connection_types::ConnectionType;
use crate::connections::Connection;

/// A profile as the API shows it.
#[derive(Clone, Serialize)]
pub(crate) struct Profile {
    pub object: &'static str,
    pub id: ProfileId,
    pub organization_id: Option<OrganizationId>,
    pub connection_id: ConnectionId,
    pub connection_type: ConnectionType,
    pub idp_id: String,
    pub email: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub name: Option<String>,
    /// Roles come with the authorization area; until then nobody has one.
    pub role: Option<Value>,
    pub roles: Option<Value>,
    pub groups: Vec<String>,
    pub custom_attributes: Map<String, Value>,
    pub raw_attributes: Map<String, Value>,
}

impl FromRow for Profile {
    fn from_row(row: &mut Row<'_>) -> Result<Self, store::Error> {
        let broken = |error: serde_json::Error| store::Error::Row(format!("profile: {error}"));
        Ok(Self {
            object: "profile",
            id: row.next()?,
            organization_id: row.next()?,
            connection_id: row.next()?,
            connection_type: row.next()?,
            idp_id: row.next()?,
            email: row.next()?,
            first_name: row.next()?,
            last_name: row.next()?,
            name: row.next()?,
            role: None,
            roles: None,
            groups: serde_json::from_str(&row.next::<String>()?).map_err(broken)?,
            custom_attributes: Map::new(),
            raw_attributes: serde_json::from_str(&row.next::<String>()?).map_err(broken)?,
        })
    }
}

struct IdRow(ProfileId);

impl FromRow for IdRow {
    fn from_row(row: &mut Row<'_>) -> Result<Self, store::Error> {
        row.next().map(Self)
    }
}

/// Stores what the identity provider said; the same person keeps the same profile.
pub(crate) async fn upsert(
    tx: &mut Tx,
    app: &App,
    connection: &Connection,
    identity: &Identity,
) -> Result<ProfileId> {
    let now = app.clock.now();
    let id = ProfileId::generate(app);
    let groups = serde_json::json!(identity.groups).to_string();
    let raw = serde_json::json!(identity.raw_attributes).to_string();
    let row: Option<IdRow> = tx
        .query_one(
            "INSERT INTO profiles (id, environment_id, organization_id, connection_id, connection_type, idp_id, \
             email, first_name, last_name, name, groups, raw_attributes, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
             ON CONFLICT (connection_id, idp_id) DO UPDATE SET email = excluded.email, \
             first_name = excluded.first_name, last_name = excluded.last_name, name = excluded.name, \
             groups = excluded.groups, raw_attributes = excluded.raw_attributes, \
             updated_at = excluded.updated_at RETURNING id",
            params![
                id,
                connection.environment,
                connection.organization_id,
                connection.id,
                connection.connection_type,
                &identity.idp_id,
                &identity.email,
                identity.first_name.as_deref(),
                identity.last_name.as_deref(),
                identity.name.as_deref(),
                groups,
                raw,
                now,
                now
            ],
        )
        .await?;
    Ok(row.map_or(id, |row| row.0))
}

/// One profile, within a transaction.
pub(crate) async fn get_in(
    tx: &mut Tx,
    environment: EnvironmentId,
    id: ProfileId,
) -> Result<Option<Profile>, store::Error> {
    tx.query_one(
        "SELECT id, organization_id, connection_id, connection_type, idp_id, email, first_name, last_name, \
         name, groups, raw_attributes FROM profiles WHERE environment_id = $1 AND id = $2",
        params![environment, id],
    )
    .await
}

/// The profile a token is for: the token's sign-in must have succeeded and not been revoked, and its
/// connection and organization must still be there and in use.
pub(crate) async fn get_for_token(
    db: &Db,
    environment: EnvironmentId,
    sign_in: SignInId,
    id: ProfileId,
) -> Result<Option<Profile>, store::Error> {
    db.read_one(
        "SELECT p.id, p.organization_id, p.connection_id, p.connection_type, p.idp_id, p.email, p.first_name, \
         p.last_name, p.name, p.groups, p.raw_attributes FROM sign_ins s \
         JOIN profiles p ON p.id = s.profile_id JOIN connections c ON c.id = p.connection_id \
         LEFT JOIN organizations o ON o.id = p.organization_id \
         WHERE s.environment_id = $1 AND s.id = $2 AND s.profile_id = $3 AND s.status = 'succeeded' \
         AND s.tokens_revoked_at IS NULL AND c.deleted_at IS NULL AND c.state IN ('active', 'validating') \
         AND o.deleted_at IS NULL",
        params![environment, sign_in, id],
    )
    .await
}
