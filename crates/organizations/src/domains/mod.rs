//! Domains of an organization. A verified one lets people of that domain sign in through the organization's
//! connections; no two organizations of an environment can hold the same one verified.

mod events;
pub(crate) mod queries;
mod routes;
mod rules;

pub use queries::{is_verified_for, owner};
pub use routes::router;
pub use rules::normalized;

use kernel::events::{Scope, emit};
use kernel::ids::{OrganizationDomainId, OrganizationId};
use kernel::{App, Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use store::{OnConflict, Tx};

use events::{DomainCreated, DomainDeleted, DomainUpdated, DomainVerified};

const TOKEN_LENGTH: usize = 25;
const PREFIX_LENGTH: usize = 6;
const MAX_DOMAINS: usize = 100;

/// Whether ownership of a domain is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DomainState {
    Pending,
    Verified,
    Failed,
}

/// How ownership is proven: by a DNS record, or by the word of whoever holds an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    Dns,
    Manual,
}

/// A domain of an organization.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OrganizationDomain {
    pub object: &'static str,
    pub id: OrganizationDomainId,
    pub organization_id: OrganizationId,
    pub domain: String,
    pub state: DomainState,
    pub verification_strategy: Strategy,
    pub verification_prefix: String,
    pub verification_token: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A domain an organization is to have, in normal form.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub domain: String,
    pub verified: bool,
}

/// Checks a list of domains and brings them to normal form. Naming one twice is refused.
pub fn wanted(pairs: Vec<(String, DomainState)>) -> Result<Vec<Wanted>> {
    if pairs.len() > MAX_DOMAINS {
        return Err(Error::invalid("domain_data"));
    }
    let mut wanted: Vec<Wanted> = Vec::with_capacity(pairs.len());
    for (domain, state) in pairs {
        let domain = rules::checked(&domain)?;
        if wanted.iter().any(|other| other.domain == domain) {
            return Err(Error::unprocessable(format!("The domain {domain} is given twice.")));
        }
        let verified = match state {
            DomainState::Pending => false,
            DomainState::Verified => true,
            DomainState::Failed => return Err(Error::invalid("domain_data.state")),
        };
        wanted.push(Wanted { domain, verified });
    }
    Ok(wanted)
}

/// What [`replace`] did; its events come after the organization's own.
#[derive(Debug, Default)]
pub struct Changes {
    /// All domains of the organization, as they are now.
    pub domains: Vec<OrganizationDomain>,
    created: Vec<OrganizationDomain>,
    verified: Vec<OrganizationDomain>,
    deleted: Vec<OrganizationDomain>,
}

impl Changes {
    /// Emits one event per change.
    pub async fn emit(&self, tx: &mut Tx, app: &App, scope: Scope<'_>) -> Result<()> {
        for domain in &self.deleted {
            emit(tx, app, scope, &DomainDeleted(domain)).await?;
        }
        for domain in &self.created {
            emit(tx, app, scope, &DomainCreated(domain)).await?;
        }
        for domain in &self.verified {
            emit(tx, app, scope, &DomainVerified(domain)).await?;
        }
        Ok(())
    }
}

/// Makes an organization's domains exactly `wanted`. A domain already verified stays verified.
pub async fn replace(
    tx: &mut Tx,
    app: &App,
    scope: Scope<'_>,
    organization: OrganizationId,
    wanted: &[Wanted],
) -> Result<Changes> {
    let mut present = queries::list_in(tx, organization).await?;
    let mut changes = Changes {
        deleted: present.extract_if(.., |domain| !wanted.iter().any(|w| w.domain == domain.domain)).collect(),
        ..Changes::default()
    };
    for domain in &changes.deleted {
        queries::delete(tx, scope.environment, domain.id).await?;
    }
    for wanted in wanted {
        let domain = match present.iter().find(|domain| domain.domain == wanted.domain) {
            Some(domain) if !wanted.verified || domain.state == DomainState::Verified => domain.clone(),
            Some(domain) => {
                let domain = verified(domain.clone(), app.clock.now());
                queries::update(tx, &domain).await.on_conflict(|| taken(&domain.domain))?;
                changes.verified.push(domain.clone());
                domain
            }
            None => {
                let domain = new(app, organization, wanted);
                queries::insert(tx, scope.environment, &domain)
                    .await
                    .on_conflict(|| taken(&domain.domain))?;
                changes.created.push(domain.clone());
                if wanted.verified {
                    changes.verified.push(domain.clone());
                }
                domain
            }
        };
        changes.domains.push(domain);
    }
    Ok(changes)
}

/// Adds one pending domain.
pub async fn create(
    tx: &mut Tx,
    app: &App,
    scope: Scope<'_>,
    organization: OrganizationId,
    domain: &str,
) -> Result<OrganizationDomain> {
    if !crate::organizations::lock_live(tx, scope.environment, organization).await? {
        return Err(Error::not_found("Organization", organization));
    }
    // Under the lock, so that nobody adds one meanwhile.
    if queries::list_in(tx, organization).await?.len() >= MAX_DOMAINS {
        return Err(Error::unprocessable(format!("An organization can have {MAX_DOMAINS} domains at most.")));
    }
    let scope = scope.of(organization);
    let domain = new(app, organization, &Wanted { domain: rules::checked(domain)?, verified: false });
    queries::insert(tx, scope.environment, &domain).await.on_conflict(|| {
        let code = "domain_already_exists";
        Error::coded(http::StatusCode::CONFLICT, code, "Domain already exists for this organization.")
    })?;
    emit(tx, app, scope, &DomainCreated(&domain)).await?;
    Ok(domain)
}

/// Begins verification again: the domain is pending, with the token it has.
pub async fn restart_verification(
    tx: &mut Tx,
    app: &App,
    scope: Scope<'_>,
    id: OrganizationDomainId,
) -> Result<OrganizationDomain> {
    let mut domain = get_locked(tx, scope, id).await?;
    if domain.state == DomainState::Verified {
        return Err(Error::bad_request("domain_already_verified", "Domain is already verified."));
    }
    domain.state = DomainState::Pending;
    domain.verification_strategy = Strategy::Dns;
    domain.updated_at = app.clock.now();
    queries::update(tx, &domain).await?;
    emit(tx, app, scope.of(domain.organization_id), &DomainUpdated(&domain)).await?;
    Ok(domain)
}

/// Removes one domain.
pub async fn delete(tx: &mut Tx, app: &App, scope: Scope<'_>, id: OrganizationDomainId) -> Result<()> {
    let domain = get_locked(tx, scope, id).await?;
    queries::delete(tx, scope.environment, id).await?;
    emit(tx, app, scope.of(domain.organization_id), &DomainDeleted(&domain)).await?;
    Ok(())
}

/// A domain whose organization is locked for this transaction: whoever changes the set of an organization's
/// domains takes that lock first, so that nobody decides on a set that is no longer there.
async fn get_locked(tx: &mut Tx, scope: Scope<'_>, id: OrganizationDomainId) -> Result<OrganizationDomain> {
    let missing = || Error::not_found("Organization Domain", id);
    let seen = queries::get_in(tx, scope.environment, id).await?.ok_or_else(missing)?;
    if !crate::organizations::lock_live(tx, scope.environment, seen.organization_id).await? {
        return Err(missing());
    }
    queries::get_in(tx, scope.environment, id).await?.ok_or_else(missing)
}

/// Frees all domains of an organization that is going.
pub(crate) async fn delete_all(tx: &mut Tx, organization: OrganizationId) -> Result<()> {
    Ok(queries::delete_all(tx, organization).await?)
}

fn new(app: &App, organization: OrganizationId, wanted: &Wanted) -> OrganizationDomain {
    let now = app.clock.now();
    let suffix = app.random.alphanumeric(PREFIX_LENGTH).to_ascii_lowercase();
    OrganizationDomain {
        object: "organization_domain",
        id: OrganizationDomainId::generate(app),
        organization_id: organization,
        domain: wanted.domain.clone(),
        state: if wanted.verified { DomainState::Verified } else { DomainState::Pending },
        verification_strategy: if wanted.verified { Strategy::Manual } else { Strategy::Dns },
        verification_prefix: format!("portcullis-domain-verification-{suffix}"),
        verification_token: app.random.alphanumeric(TOKEN_LENGTH),
        created_at: now,
        updated_at: now,
    }
}

fn verified(mut domain: OrganizationDomain, now: Timestamp) -> OrganizationDomain {
    domain.state = DomainState::Verified;
    domain.verification_strategy = Strategy::Manual;
    domain.updated_at = now;
    domain
}

fn taken(domain: &str) -> Error {
    Error::conflict(format!("An Organization with the domain {domain} already exists."))
}
