use kernel::Timestamp;
use kernel::ids::{EnvironmentId, OrganizationId};
use serde_json::{Map, Value};
use store::{Db, Error, FromRow, Keyset, Page, PageRequest, Row, Select, Tx, params};

use super::Organization;
use crate::domains;

impl FromRow for Organization {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            object: "organization",
            id: row.next()?,
            name: row.next()?,
            allow_profiles_outside_organization: row.next()?,
            domains: Vec::new(),
            metadata: metadata(&row.next::<String>()?)?,
            external_id: row.next()?,
            stripe_customer_id: row.next()?,
            created_at: row.next()?,
            updated_at: row.next()?,
        })
    }
}

fn metadata(text: &str) -> Result<Map<String, Value>, Error> {
    serde_json::from_str(text).map_err(|error| Error::Row(format!("metadata: {error}")))
}

fn metadata_text(organization: &Organization) -> String {
    Value::Object(organization.metadata.clone()).to_string()
}

/// One live organization with its domains.
pub async fn get(
    db: &Db,
    environment: EnvironmentId,
    id: OrganizationId,
) -> Result<Option<Organization>, Error> {
    let found = db
        .read_one(
            "SELECT id, name, allow_profiles_outside_organization, metadata, external_id, stripe_customer_id, \
             created_at, updated_at FROM organizations \
             WHERE environment_id = $1 AND id = $2 AND deleted_at IS NULL",
            params![environment, id],
        )
        .await?;
    with_domains(db, found).await
}

/// One live organization by the id its owner gave it.
pub async fn get_by_external_id(
    db: &Db,
    environment: EnvironmentId,
    external_id: &str,
) -> Result<Option<Organization>, Error> {
    let found = db
        .read_one(
            "SELECT id, name, allow_profiles_outside_organization, metadata, external_id, stripe_customer_id, \
             created_at, updated_at FROM organizations \
             WHERE environment_id = $1 AND external_id = $2 AND deleted_at IS NULL",
            params![environment, external_id],
        )
        .await?;
    with_domains(db, found).await
}

async fn with_domains(db: &Db, found: Option<Organization>) -> Result<Option<Organization>, Error> {
    let Some(mut organization) = found else { return Ok(None) };
    organization.domains = domains::queries::list(db, organization.id).await?;
    Ok(Some(organization))
}

/// As [`get`], within a transaction.
pub(super) async fn get_in(
    tx: &mut Tx,
    environment: EnvironmentId,
    id: OrganizationId,
) -> Result<Option<Organization>, Error> {
    let found: Option<Organization> = tx
        .query_one(
            "SELECT id, name, allow_profiles_outside_organization, metadata, external_id, stripe_customer_id, \
             created_at, updated_at FROM organizations \
             WHERE environment_id = $1 AND id = $2 AND deleted_at IS NULL",
            params![environment, id],
        )
        .await?;
    let Some(mut organization) = found else { return Ok(None) };
    organization.domains = domains::queries::list_in(tx, id).await?;
    Ok(Some(organization))
}

/// Locks an organization's row for this transaction; `false` if it is deleted or another environment's.
pub async fn lock_live(tx: &mut Tx, environment: EnvironmentId, id: OrganizationId) -> Result<bool, Error> {
    tx.lock("organizations", &id.to_string()).await?;
    let live: Option<i64> = tx
        .query_one(
            "SELECT 1 FROM organizations WHERE environment_id = $1 AND id = $2 AND deleted_at IS NULL",
            params![environment, id],
        )
        .await?;
    Ok(live.is_some())
}

/// One page of the live organizations. Of `domains` (in normal form) one suffices.
pub(super) async fn list(
    db: &Db,
    environment: EnvironmentId,
    domains: &[String],
    search: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Organization>, Error> {
    let mut select = if domains.is_empty() {
        Select::new(
            "SELECT o.id, o.name, o.allow_profiles_outside_organization, o.metadata, o.external_id, \
             o.stripe_customer_id, o.created_at, o.updated_at FROM organizations o \
             WHERE o.environment_id = ? AND o.deleted_at IS NULL",
            [environment.into()],
        )
    } else {
        // LEFT, so that cursors are found among all organizations; DISTINCT, as several domains may match.
        Select::new(
            "SELECT DISTINCT o.id, o.name, o.allow_profiles_outside_organization, o.metadata, o.external_id, \
             o.stripe_customer_id, o.created_at, o.updated_at FROM organizations o \
             LEFT JOIN organization_domains d ON d.environment_id = o.environment_id AND d.organization_id = o.id \
             WHERE o.environment_id = ? AND o.deleted_at IS NULL",
            [environment.into()],
        )
        .and_in("d.domain", domains.iter().map(String::as_str))
    };
    if let Some(search) = search {
        select = select.and("LOWER(o.name) LIKE ? ESCAPE '\\'", [store::contains(search).into()]);
    }
    let mut page: Page<Organization> =
        select.page(db, Keyset::Created { created: "o.created_at", id: "o.id" }, page).await?;
    let ids = page.data.iter().map(|organization| organization.id);
    let mut owned = domains::queries::list_for(db, environment, ids).await?;
    for organization in &mut page.data {
        organization.domains =
            owned.extract_if(.., |domain| domain.organization_id == organization.id).collect();
    }
    Ok(page)
}

pub(super) async fn insert(
    tx: &mut Tx,
    environment: EnvironmentId,
    organization: &Organization,
) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO organizations (id, environment_id, name, external_id, stripe_customer_id, metadata, \
         allow_profiles_outside_organization, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        params![
            organization.id,
            environment,
            &organization.name,
            organization.external_id.as_deref(),
            organization.stripe_customer_id.as_deref(),
            metadata_text(organization),
            organization.allow_profiles_outside_organization,
            organization.created_at,
            organization.updated_at
        ],
    )
    .await
    .map(drop)
}

/// Apart from [`update`], so that a conflict names its column.
pub(super) async fn set_external_id(
    tx: &mut Tx,
    environment: EnvironmentId,
    organization: &Organization,
) -> Result<(), Error> {
    tx.execute(
        "UPDATE organizations SET external_id = $1 WHERE environment_id = $2 AND id = $3",
        params![organization.external_id.as_deref(), environment, organization.id],
    )
    .await
    .map(drop)
}

pub(super) async fn update(
    tx: &mut Tx,
    environment: EnvironmentId,
    organization: &Organization,
) -> Result<(), Error> {
    tx.execute(
        "UPDATE organizations SET name = $1, stripe_customer_id = $2, metadata = $3, \
         allow_profiles_outside_organization = $4, updated_at = $5 WHERE environment_id = $6 AND id = $7",
        params![
            &organization.name,
            organization.stripe_customer_id.as_deref(),
            metadata_text(organization),
            organization.allow_profiles_outside_organization,
            organization.updated_at,
            environment,
            organization.id
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn set_deleted(
    tx: &mut Tx,
    environment: EnvironmentId,
    id: OrganizationId,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "UPDATE organizations SET deleted_at = $1 WHERE environment_id = $2 AND id = $3",
        params![now, environment, id],
    )
    .await
    .map(drop)
}
