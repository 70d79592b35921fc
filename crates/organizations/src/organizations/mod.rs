//! The organization resource and its rules.

mod events;
mod metadata;
mod queries;
mod routes;

pub use queries::{get, get_by_external_id, lock_live};
pub use routes::router;

use kernel::events::{Scope, emit, emit_update};
use kernel::ids::OrganizationId;
use kernel::{App, Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::{Keyed, OnConflict, Tx};

use crate::domains::{self, DomainState, OrganizationDomain, Wanted};
use events::{OrganizationCreated, OrganizationDeleted, OrganizationUpdated};

const MAX_NAME: usize = 255;
const MAX_EXTERNAL_ID: usize = 128;
const MAX_STRIPE_CUSTOMER_ID: usize = 255;

/// A customer organization.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Organization {
    pub object: &'static str,
    pub id: OrganizationId,
    pub name: String,
    pub allow_profiles_outside_organization: bool,
    pub domains: Vec<OrganizationDomain>,
    pub metadata: Map<String, Value>,
    pub external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stripe_customer_id: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Keyed for Organization {
    fn key(&self) -> String {
        self.id.to_string()
    }
}

/// One entry of `domain_data`.
#[derive(Clone, Debug, Deserialize)]
pub struct DomainData {
    pub domain: String,
    pub state: DomainState,
}

/// What a new organization is made of.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct CreateOrganization {
    pub name: String,
    #[serde(default)]
    pub allow_profiles_outside_organization: Option<bool>,
    #[serde(default)]
    pub domain_data: Option<Vec<DomainData>>,
    /// Deprecated: the same as `domain_data` with state `pending`.
    #[serde(default)]
    pub domains: Option<Vec<String>>,
    #[serde(default)]
    pub metadata: Option<Map<String, Value>>,
    #[serde(default)]
    pub external_id: Option<String>,
}

/// A partial update: what is absent stays, `null` clears.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct UpdateOrganization {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub allow_profiles_outside_organization: Option<bool>,
    #[serde(default)]
    pub domain_data: Option<Vec<DomainData>>,
    #[serde(default)]
    pub domains: Option<Vec<String>>,
    #[serde(default, deserialize_with = "kernel::http::nullable")]
    pub metadata: Option<Option<Map<String, Value>>>,
    #[serde(default, deserialize_with = "kernel::http::nullable")]
    pub external_id: Option<Option<String>>,
    #[serde(default, deserialize_with = "kernel::http::nullable")]
    pub stripe_customer_id: Option<Option<String>>,
}

/// Makes an organization with its domains, in the caller's transaction.
pub async fn create(
    tx: &mut Tx,
    app: &App,
    scope: Scope<'_>,
    create: CreateOrganization,
) -> Result<Organization> {
    let now = app.clock.now();
    let wanted = wanted_domains(create.domain_data, create.domains)?.unwrap_or_default();
    let mut organization = Organization {
        object: "organization",
        id: OrganizationId::generate(app),
        name: checked_name(create.name)?,
        allow_profiles_outside_organization: create.allow_profiles_outside_organization.unwrap_or(false),
        domains: Vec::new(),
        metadata: metadata::merge(Map::new(), create.metadata.unwrap_or_default())?,
        external_id: create.external_id.map(checked_external_id).transpose()?,
        stripe_customer_id: None,
        created_at: now,
        updated_at: now,
    };
    let scope = scope.of(organization.id);
    queries::insert(tx, scope.environment, &organization).await.on_conflict(external_id_taken)?;
    let changes = domains::replace(tx, app, scope, organization.id, &wanted).await?;
    organization.domains = changes.domains.clone();
    emit(tx, app, scope, &OrganizationCreated(&organization)).await?;
    changes.emit(tx, app, scope).await?;
    Ok(organization)
}

/// Applies an update, in the caller's transaction.
pub async fn update(
    tx: &mut Tx,
    app: &App,
    scope: Scope<'_>,
    id: OrganizationId,
    mut update: UpdateOrganization,
) -> Result<Organization> {
    let missing = || Error::not_found("Organization", id);
    if !lock_live(tx, scope.environment, id).await? {
        return Err(missing());
    }
    let before = queries::get_in(tx, scope.environment, id).await?.ok_or_else(missing)?;
    let wanted = wanted_domains(update.domain_data.take(), update.domains.take())?;
    let mut after = updated(before.clone(), update, app.clock.now())?;

    queries::set_external_id(tx, scope.environment, &after).await.on_conflict(external_id_taken)?;
    queries::update(tx, scope.environment, &after).await.on_conflict(|| {
        Error::bad_request("stripe_customer_id_already_used", "That stripe_customer_id is already in use.")
    })?;
    let scope = scope.of(id);
    let changes = match &wanted {
        Some(wanted) => Some(domains::replace(tx, app, scope, id, wanted).await?),
        None => None,
    };
    if let Some(changes) = &changes {
        after.domains = changes.domains.clone();
    }
    emit_update(tx, app, scope, &OrganizationUpdated(&after), &previous(&before, &after)).await?;
    if let Some(changes) = &changes {
        changes.emit(tx, app, scope).await?;
    }
    Ok(after)
}

/// The organization with an update's fields; its domains are another matter.
fn updated(
    mut organization: Organization,
    update: UpdateOrganization,
    now: Timestamp,
) -> Result<Organization> {
    organization.updated_at = now;
    if let Some(name) = update.name {
        organization.name = checked_name(name)?;
    }
    if let Some(allow) = update.allow_profiles_outside_organization {
        organization.allow_profiles_outside_organization = allow;
    }
    match update.metadata {
        None => {}
        Some(None) => organization.metadata = Map::new(),
        Some(Some(patch)) => organization.metadata = metadata::merge(organization.metadata, patch)?,
    }
    if let Some(external_id) = update.external_id {
        organization.external_id = external_id.map(checked_external_id).transpose()?;
    }
    if let Some(stripe_customer_id) = update.stripe_customer_id {
        organization.stripe_customer_id = stripe_customer_id.filter(|id| !id.is_empty());
        if organization.stripe_customer_id.as_ref().is_some_and(|id| id.len() > MAX_STRIPE_CUSTOMER_ID) {
            return Err(Error::invalid("stripe_customer_id"));
        }
    }
    Ok(organization)
}

/// Deletes an organization: it answers 404 from here on, and its domains are free for others.
pub async fn delete(tx: &mut Tx, app: &App, scope: Scope<'_>, id: OrganizationId) -> Result<()> {
    let missing = || Error::not_found("Organization", id);
    if !lock_live(tx, scope.environment, id).await? {
        return Err(missing());
    }
    let organization = queries::get_in(tx, scope.environment, id).await?.ok_or_else(missing)?;
    domains::delete_all(tx, id).await?;
    queries::set_deleted(tx, scope.environment, id, app.clock.now()).await?;
    emit(tx, app, scope.of(id), &OrganizationDeleted(&organization)).await?;
    Ok(())
}

fn external_id_taken() -> Error {
    Error::bad_request("external_id_already_used", "That external_id is already in use.")
}

fn checked_name(name: String) -> Result<String> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME {
        return Err(Error::invalid("name"));
    }
    Ok(name)
}

fn checked_external_id(external_id: String) -> Result<String> {
    if external_id.is_empty() || external_id.len() > MAX_EXTERNAL_ID || !external_id.is_ascii() {
        return Err(Error::invalid("external_id"));
    }
    Ok(external_id)
}

/// `domain_data` outranks the deprecated `domains`.
fn wanted_domains(
    data: Option<Vec<DomainData>>,
    domains: Option<Vec<String>>,
) -> Result<Option<Vec<Wanted>>> {
    let pairs: Vec<(String, DomainState)> = match (data, domains) {
        (Some(data), _) => data.into_iter().map(|entry| (entry.domain, entry.state)).collect(),
        (None, Some(domains)) => domains.into_iter().map(|domain| (domain, DomainState::Pending)).collect(),
        (None, None) => return Ok(None),
    };
    domains::wanted(pairs).map(Some)
}

/// What the changed fields held before; `null` for one that wasn't there.
fn previous(before: &Organization, after: &Organization) -> Value {
    let (Value::Object(mut before), Value::Object(mut after)) = (json!(before), json!(after)) else {
        return json!({});
    };
    // Domains have events of their own.
    for untold in ["domains", "updated_at"] {
        before.remove(untold);
        after.remove(untold);
    }
    let mut previous = Map::new();
    for (key, now) in after {
        let held = before.remove(&key).unwrap_or_default();
        if held != now {
            previous.insert(key, held);
        }
    }
    previous.append(&mut before);
    Value::Object(previous)
}
