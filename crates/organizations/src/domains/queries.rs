use kernel::ids::{EnvironmentId, OrganizationDomainId, OrganizationId};
use store::{Column, Db, Error, FromColumn, FromRow, Param, Row, Select, Tx, params};

use super::{DomainState, OrganizationDomain, Strategy};

impl From<DomainState> for Param<'_> {
    fn from(state: DomainState) -> Self {
        Param::Text(
            match state {
                DomainState::Pending => "pending",
                DomainState::Verified => "verified",
                DomainState::Failed => "failed",
            }
            .into(),
        )
    }
}

impl FromColumn for DomainState {
    fn from_column(value: Column<'_>) -> Result<Self, Error> {
        match String::from_column(value)?.as_str() {
            "pending" => Ok(Self::Pending),
            "verified" => Ok(Self::Verified),
            "failed" => Ok(Self::Failed),
            other => Err(Error::Row(format!("{other:?} is not a domain state"))),
        }
    }
}

impl From<Strategy> for Param<'_> {
    fn from(strategy: Strategy) -> Self {
        Param::Text(if strategy == Strategy::Dns { "dns" } else { "manual" }.into())
    }
}

impl FromColumn for Strategy {
    fn from_column(value: Column<'_>) -> Result<Self, Error> {
        Ok(if String::from_column(value)? == "dns" { Self::Dns } else { Self::Manual })
    }
}

impl FromRow for OrganizationDomain {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            object: "organization_domain",
            id: row.next()?,
            organization_id: row.next()?,
            domain: row.next()?,
            state: row.next()?,
            verification_strategy: row.next()?,
            verification_prefix: row.next()?,
            verification_token: row.next()?,
            created_at: row.next()?,
            updated_at: row.next()?,
        })
    }
}

/// One domain.
pub async fn get(
    db: &Db,
    environment: EnvironmentId,
    id: OrganizationDomainId,
) -> Result<Option<OrganizationDomain>, Error> {
    db.read_one(
        "SELECT id, organization_id, domain, state, verification_strategy, verification_prefix, \
         verification_token, created_at, updated_at FROM organization_domains \
         WHERE environment_id = $1 AND id = $2",
        params![environment, id],
    )
    .await
}

/// As [`get`], within a transaction.
pub async fn get_in(
    tx: &mut Tx,
    environment: EnvironmentId,
    id: OrganizationDomainId,
) -> Result<Option<OrganizationDomain>, Error> {
    tx.query_one(
        "SELECT id, organization_id, domain, state, verification_strategy, verification_prefix, \
         verification_token, created_at, updated_at FROM organization_domains \
         WHERE environment_id = $1 AND id = $2",
        params![environment, id],
    )
    .await
}

/// An organization's domains, oldest first.
pub async fn list(db: &Db, organization: OrganizationId) -> Result<Vec<OrganizationDomain>, Error> {
    db.read(
        "SELECT id, organization_id, domain, state, verification_strategy, verification_prefix, \
         verification_token, created_at, updated_at FROM organization_domains \
         WHERE organization_id = $1 ORDER BY created_at, id",
        params![organization],
    )
    .await
}

/// As [`list`], within a transaction.
pub async fn list_in(tx: &mut Tx, organization: OrganizationId) -> Result<Vec<OrganizationDomain>, Error> {
    tx.query(
        "SELECT id, organization_id, domain, state, verification_strategy, verification_prefix, \
         verification_token, created_at, updated_at FROM organization_domains \
         WHERE organization_id = $1 ORDER BY created_at, id",
        params![organization],
    )
    .await
}

/// The domains of several organizations, oldest first.
pub async fn list_for(
    db: &Db,
    environment: EnvironmentId,
    organizations: impl IntoIterator<Item = OrganizationId>,
) -> Result<Vec<OrganizationDomain>, Error> {
    Select::new(
        "SELECT id, organization_id, domain, state, verification_strategy, verification_prefix, \
         verification_token, created_at, updated_at FROM organization_domains WHERE environment_id = ?",
        [environment.into()],
    )
    .and_in("organization_id", organizations)
    .order("created_at, id")
    .all(db)
    .await
}

/// The organization that holds `domain` (in normal form) verified.
pub async fn owner(
    db: &Db,
    environment: EnvironmentId,
    domain: &str,
) -> Result<Option<OrganizationId>, Error> {
    let id: Option<String> = db
        .read_one(
            "SELECT organization_id FROM organization_domains \
             WHERE environment_id = $1 AND domain = $2 AND state = 'verified'",
            params![environment, domain],
        )
        .await?;
    id.map(|id| id.parse().map_err(|_| Error::Row("organization_id".into()))).transpose()
}

/// Whether `organization` holds `domain` (in normal form) verified.
pub async fn is_verified_for(tx: &mut Tx, organization: OrganizationId, domain: &str) -> Result<bool, Error> {
    let found: Option<i64> = tx
        .query_one(
            "SELECT 1 FROM organization_domains \
             WHERE organization_id = $1 AND domain = $2 AND state = 'verified'",
            params![organization, domain],
        )
        .await?;
    Ok(found.is_some())
}

pub(super) async fn insert(
    tx: &mut Tx,
    environment: EnvironmentId,
    domain: &OrganizationDomain,
) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO organization_domains (id, environment_id, organization_id, domain, state, \
         verification_strategy, verification_prefix, verification_token, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        params![
            domain.id,
            environment,
            domain.organization_id,
            &domain.domain,
            domain.state,
            domain.verification_strategy,
            &domain.verification_prefix,
            &domain.verification_token,
            domain.created_at,
            domain.updated_at
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn update(tx: &mut Tx, domain: &OrganizationDomain) -> Result<(), Error> {
    tx.execute(
        "UPDATE organization_domains SET state = $1, verification_strategy = $2, updated_at = $3 \
         WHERE organization_id = $4 AND id = $5",
        params![
            domain.state,
            domain.verification_strategy,
            domain.updated_at,
            domain.organization_id,
            domain.id
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn delete(
    tx: &mut Tx,
    environment: EnvironmentId,
    id: OrganizationDomainId,
) -> Result<(), Error> {
    tx.execute(
        "DELETE FROM organization_domains WHERE environment_id = $1 AND id = $2",
        params![environment, id],
    )
    .await
    .map(drop)
}

pub(super) async fn delete_all(tx: &mut Tx, organization: OrganizationId) -> Result<(), Error> {
    tx.execute("DELETE FROM organization_domains WHERE organization_id = $1", params![organization])
        .await
        .map(drop)
}
