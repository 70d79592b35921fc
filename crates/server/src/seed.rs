//! What `portcullis dev` begins with: an environment with a known key, an organization with test
//! connections, and whatever a seed file adds.
//!
//! The file has the schema of WorkOS's emulator, in YAML or JSON. What of it has no counterpart here yet is
//! named in a warning; what is no part of the schema is an error.

use std::collections::BTreeMap;
use std::path::Path;

use access::{Caller, Kind, api_keys, environments, redirect_uris};
use anyhow::{Context, anyhow, bail};
use kernel::App;
use kernel::events::{Actor, Scope};
use kernel::ids::{ConnectionId, EnvironmentId, OrganizationId};
use login::{Demo, DemoState};
use organizations::domains::DomainState;
use organizations::organizations::{CreateOrganization, DomainData};
use serde::Deserialize;
use serde_json::{Map, Value};
use sso::connections::{self, CreateConnection, OidcOptions, SamlOptions, State};
use zeroize::Zeroizing;

use crate::output::fault;

/// The key of every `portcullis dev`, as of WorkOS's emulator.
pub const API_KEY: &str = "sk_test_default";
/// Marks what we seeded, so that a restart finds it again.
const EXTERNAL_ID: &str = "portcullis-dev";

/// Ids of what was seeded.
#[derive(Clone, Debug)]
pub struct Seeded {
    pub environment: EnvironmentId,
    pub client_id: String,
    pub organization: OrganizationId,
    pub test_idp_connection: ConnectionId,
    pub saml_connection: ConnectionId,
    pub oidc_connection: ConnectionId,
}

/// A seed file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedFile {
    organizations: Vec<SeedOrganization>,
    connections: Vec<SeedConnection>,
    #[serde(rename = "apiKeys")]
    api_keys: Option<SeedApiKeys>,
    /// An addition of ours: where sign-ins may end.
    #[serde(rename = "redirectUris")]
    redirect_uris: Vec<String>,
    users: Vec<Value>,
    #[serde(rename = "pipeConnections")]
    pipe_connections: Vec<Value>,
    invitations: Vec<Value>,
    roles: Vec<Value>,
    permissions: Vec<Value>,
    #[serde(rename = "webhookEndpoints")]
    webhook_endpoints: Vec<Value>,
    #[serde(rename = "connectApplications")]
    connect_applications: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct SeedOrganization {
    name: String,
    external_id: Option<String>,
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    domains: Vec<SeedDomain>,
    #[serde(default)]
    memberships: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct SeedDomain {
    domain: String,
    state: Option<DomainState>,
}

#[derive(Clone, Debug, Deserialize)]
struct SeedConnection {
    name: String,
    connection_type: Option<String>,
    /// Name of the organization.
    organization: String,
    state: Option<State>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum SeedApiKeys {
    /// Value to environment.
    Allowed(BTreeMap<String, Value>),
    Keys(Vec<SeedApiKey>),
}

#[derive(Clone, Debug, Deserialize)]
struct SeedApiKey {
    name: String,
    value: Option<String>,
}

/// Reads a seed file.
pub fn read(path: &Path) -> Result<SeedFile, anyhow::Error> {
    let text = std::fs::read_to_string(path).with_context(|| format!("the seed file {}", path.display()))?;
    // JSON is YAML.
    serde_saphyr::from_str(&text).map_err(|error| {
        // The lines after the first show the place in the file.
        let error = error.to_string();
        let error = error.lines().next().unwrap_or_default();
        anyhow!("the seed file {}: {}", path.display(), error.strip_prefix("error: ").unwrap_or(error))
    })
}

fn scope(environment: EnvironmentId) -> Scope<'static> {
    const SYSTEM: Actor = Actor::System;
    Scope { environment, organization: None, actor: &SYSTEM }
}

/// Makes what isn't there yet.
pub async fn apply(app: &App, file: Option<&SeedFile>) -> Result<Seeded, anyhow::Error> {
    let (environment, first_start) = environment(app).await?;
    let organization = organization(app, environment).await?;
    let client_id = environments::queries::get(&app.db, environment).await?;
    let client_id = client_id.context("the seeded environment")?.client_id.to_string();
    let test_idp = saml(app, environment, organization, "TestIdp", "Test identity provider").await?;
    let saml = saml(app, environment, organization, "GenericSAML", "Demo SAML").await?;
    let oidc = oidc(app, environment, organization).await?;
    let seeded = Seeded {
        environment,
        client_id,
        organization,
        test_idp_connection: test_idp,
        saml_connection: saml,
        oidc_connection: oidc,
    };
    redirect_uri(app, environment, &login::demo_redirect_uri(app)).await?;
    match file {
        Some(file) if first_start => apply_file(app, environment, file).await?,
        Some(_) => tracing::warn!("the seed file is applied at the first start only; this isn't one"),
        None => {}
    }
    let demo = Demo {
        client_id: seeded.client_id.clone(),
        api_key: API_KEY.into(),
        saml_connection: seeded.saml_connection,
        oidc_connection: seeded.oidc_connection,
    };
    let state: &DemoState = app.state().map_err(fault)?;
    if state.0.set(demo).is_err() {
        bail!("seeded twice");
    }
    Ok(seeded)
}

/// The environment of the known key; `true` if it was just made.
async fn environment(app: &App) -> Result<(EnvironmentId, bool), anyhow::Error> {
    if let Some(caller) = Caller::from_secret(app, API_KEY).await.map_err(fault)? {
        return Ok((caller.environment, false));
    }
    let id = kernel::transaction!(app, |tx| {
        let staging = environments::create(tx, app, "Staging", Kind::Staging).await?;
        environments::create(tx, app, "Production", Kind::Production).await?;
        api_keys::create_known(tx, app, staging.id, "Development", API_KEY).await?;
        Ok(staging.id)
    });
    Ok((id.map_err(fault)?, true))
}

async fn organization(app: &App, environment: EnvironmentId) -> Result<OrganizationId, anyhow::Error> {
    let present = organizations::organizations::get_by_external_id(&app.db, environment, EXTERNAL_ID).await?;
    if let Some(present) = present {
        return Ok(present.id);
    }
    let create = CreateOrganization {
        name: "Test Organization".into(),
        external_id: Some(EXTERNAL_ID.into()),
        domain_data: Some(vec![DomainData { domain: "example.com".into(), state: DomainState::Verified }]),
        ..CreateOrganization::default()
    };
    make_organization(app, environment, create).await
}

async fn make_organization(
    app: &App,
    environment: EnvironmentId,
    create: CreateOrganization,
) -> Result<OrganizationId, anyhow::Error> {
    let made = kernel::transaction!(app, |tx| {
        organizations::organizations::create(tx, app, scope(environment), create.clone()).await
    });
    made.map(|organization| organization.id).map_err(fault)
}

/// A connection to the built-in identity provider's SAML side.
async fn saml(
    app: &App,
    environment: EnvironmentId,
    organization: OrganizationId,
    connection_type: &str,
    name: &str,
) -> Result<ConnectionId, anyhow::Error> {
    let metadata = login::saml_metadata(app, environment).await.map_err(fault)?;
    let create = CreateConnection {
        organization_id: Some(organization.to_string()),
        connection_type: Some(connection_type.into()),
        name: Some(name.into()),
        external_id: Some(external_id(app, connection_type)),
        saml_options: Some(SamlOptions { idp_metadata_xml: Some(metadata), ..SamlOptions::default() }),
        ..CreateConnection::default()
    };
    make_connection(app, environment, create, State::Active).await
}

/// A connection to the built-in identity provider's OpenID Connect side.
async fn oidc(
    app: &App,
    environment: EnvironmentId,
    organization: OrganizationId,
) -> Result<ConnectionId, anyhow::Error> {
    let create = CreateConnection {
        organization_id: Some(organization.to_string()),
        connection_type: Some("GenericOIDC".into()),
        name: Some("Demo OpenID Connect".into()),
        external_id: Some(external_id(app, "GenericOIDC")),
        oidc_options: Some(oidc_options(app, environment)),
        ..CreateConnection::default()
    };
    make_connection(app, environment, create, State::Active).await
}

fn oidc_options(app: &App, environment: EnvironmentId) -> OidcOptions {
    OidcOptions {
        discovery_endpoint: Some(login::oidc_discovery_url(app, environment)),
        client_id: Some(format!("portcullis-{}", app.random.alphanumeric(12))),
        client_secret: Some(Zeroizing::new(app.random.alphanumeric(40))),
        ..OidcOptions::default()
    }
}

/// Connections keep the URLs they were made with, so each origin (port) has its own.
fn external_id(app: &App, connection_type: &str) -> String {
    format!("{EXTERNAL_ID}-{connection_type}-{}", app.config.listen.port())
}

async fn make_connection(
    app: &App,
    environment: EnvironmentId,
    create: CreateConnection,
    state: State,
) -> Result<ConnectionId, anyhow::Error> {
    let made = connections::create(app, scope(environment), environment, create).await.map_err(fault)?;
    connections::enter_state(app, scope(environment), made.clone(), state).await.map_err(fault)?;
    Ok(made.id)
}

async fn redirect_uri(app: &App, environment: EnvironmentId, uri: &str) -> Result<(), anyhow::Error> {
    if redirect_uris::is_allowed(app, environment, uri).await.map_err(fault)? {
        return Ok(());
    }
    let made = kernel::transaction!(app, |tx| {
        redirect_uris::create(tx, app, environment, Kind::Staging, uri, false).await
    });
    made.map(drop).map_err(fault)
}

async fn apply_file(app: &App, environment: EnvironmentId, file: &SeedFile) -> Result<(), anyhow::Error> {
    warn_of_unsupported(file);
    let mut by_name = BTreeMap::new();
    for organization in &file.organizations {
        let data = organization.domains.iter().map(|domain| DomainData {
            domain: domain.domain.clone(),
            state: domain.state.unwrap_or(DomainState::Verified),
        });
        let create = CreateOrganization {
            name: organization.name.clone(),
            external_id: organization.external_id.clone(),
            metadata: organization.metadata.clone(),
            domain_data: Some(data.collect()),
            ..CreateOrganization::default()
        };
        let id = make_organization(app, environment, create)
            .await
            .with_context(|| format!("seeding the organization {}", organization.name))?;
        by_name.insert(organization.name.as_str(), id);
    }
    for connection in &file.connections {
        let organization = by_name
            .get(connection.organization.as_str())
            .with_context(|| format!("the connection {} names no seeded organization", connection.name))?;
        seed_connection(app, environment, *organization, connection)
            .await
            .with_context(|| format!("seeding the connection {}", connection.name))?;
    }
    for uri in &file.redirect_uris {
        redirect_uri(app, environment, uri).await?;
    }
    for (name, value) in keys(file) {
        if !value.starts_with("sk_") {
            bail!("the API key {name} must begin with sk_");
        }
        if Caller::from_secret(app, &value).await.map_err(fault)?.is_none() {
            kernel::transaction!(app, |tx| {
                api_keys::create_known(tx, app, environment, &name, &value).await
            })
            .map_err(fault)?;
        }
    }
    Ok(())
}

/// A seeded connection signs in through the built-in identity provider.
async fn seed_connection(
    app: &App,
    environment: EnvironmentId,
    organization: OrganizationId,
    connection: &SeedConnection,
) -> Result<(), anyhow::Error> {
    let connection_type = connection.connection_type.clone().unwrap_or_else(|| "GenericSAML".into());
    let is_oidc = connection_type.to_ascii_uppercase().ends_with("OIDC");
    let saml_options = if is_oidc {
        None
    } else {
        let metadata = login::saml_metadata(app, environment).await.map_err(fault)?;
        Some(SamlOptions { idp_metadata_xml: Some(metadata), ..SamlOptions::default() })
    };
    let create = CreateConnection {
        organization_id: Some(organization.to_string()),
        connection_type: Some(connection_type),
        name: Some(connection.name.clone()),
        saml_options,
        oidc_options: is_oidc.then(|| oidc_options(app, environment)),
        ..CreateConnection::default()
    };
    make_connection(app, environment, create, connection.state.unwrap_or(State::Active)).await.map(drop)
}

fn keys(file: &SeedFile) -> Vec<(String, String)> {
    match &file.api_keys {
        None => Vec::new(),
        Some(SeedApiKeys::Allowed(values)) => {
            values.keys().map(|value| ("Seeded".to_owned(), value.clone())).collect()
        }
        Some(SeedApiKeys::Keys(keys)) => {
            keys.iter().filter_map(|key| Some((key.name.clone(), key.value.clone()?))).collect()
        }
    }
}

fn warn_of_unsupported(file: &SeedFile) {
    let sections = [
        ("users", file.users.len()),
        ("pipeConnections", file.pipe_connections.len()),
        ("invitations", file.invitations.len()),
        ("roles", file.roles.len()),
        ("permissions", file.permissions.len()),
        ("webhookEndpoints", file.webhook_endpoints.len()),
        ("connectApplications", file.connect_applications.len()),
        ("organizations[].memberships", file.organizations.iter().map(|o| o.memberships.len()).sum()),
    ];
    for (section, count) in sections.into_iter().filter(|(_, count)| *count > 0) {
        tracing::warn!(section, count, "this section of the seed file has no counterpart here yet");
    }
}
