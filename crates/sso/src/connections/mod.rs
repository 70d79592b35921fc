//! Connections: how one organization's people sign in.

mod certificates;
mod events;
pub(crate) mod queries;
mod routes;
mod setup;

pub(crate) use certificates::Cache as CertificateCache;
pub use certificates::trusted;
pub use queries::{by_oidc_client, by_sp_entity_id};
pub use routes::router;
pub use setup::{AttributeMaps, CreateConnection, OidcOptions, SamlOptions, create};

use std::collections::BTreeMap;

use kernel::events::{Scope, emit};
use kernel::ids::{ConnectionId, EnvironmentId, OrganizationDomainId, OrganizationId};
use kernel::{App, Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Column, FromColumn, Keyed, Param, Tx};
use zeroize::Zeroizing;

use crate::connection_types::{ConnectionType, Protocol};
use events::{ConnectionActivated, ConnectionDeactivated, ConnectionDeleted};

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not configured yet.
    Draft,
    /// Configured, usable, and waiting for its first successful sign-in.
    Validating,
    Active,
    /// Switched off: no sign-in begins or ends through it.
    Inactive,
}

impl State {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Validating => "validating",
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }

    /// Whether people can sign in through it.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Validating | Self::Active)
    }
}

impl From<State> for Param<'_> {
    fn from(state: State) -> Self {
        Param::Text(state.as_str().into())
    }
}

impl FromColumn for State {
    fn from_column(value: Column<'_>) -> Result<Self, store::Error> {
        match String::from_column(value)?.as_str() {
            "draft" => Ok(Self::Draft),
            "validating" => Ok(Self::Validating),
            "active" => Ok(Self::Active),
            "inactive" => Ok(Self::Inactive),
            other => Err(store::Error::Row(format!("{other:?} is not a connection state"))),
        }
    }
}

/// How the authentication request reaches the identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    Redirect,
    Post,
}

/// The SAML half of a connection.
#[derive(Clone, Debug)]
pub struct Saml {
    pub idp_entity_id: Option<String>,
    pub idp_sso_url: Option<String>,
    pub idp_sso_binding: Binding,
    pub idp_metadata_url: Option<String>,
    pub acs_url: String,
    pub sp_entity_id: String,
}

/// The OpenID Connect half of a connection.
#[derive(Clone, Debug)]
pub struct Oidc {
    pub discovery_endpoint: Option<String>,
    pub client_id: Option<String>,
    /// Sealed; [`Connection::client_secret`] opens it.
    pub client_secret: Option<Vec<u8>>,
    pub redirect_uri: String,
    pub pkce: bool,
    pub token_authentication_method: TokenAuthenticationMethod,
    pub id_token_signature_algorithm: Option<String>,
    pub fetch_user_info: bool,
}

/// How we show the token endpoint who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenAuthenticationMethod {
    ClientSecretBasic,
    ClientSecretPost,
}

/// What a connection speaks, with its settings.
#[derive(Clone, Debug)]
pub enum Settings {
    Saml(Saml),
    Oidc(Oidc),
}

/// A connection as it is stored.
#[derive(Clone, Debug)]
pub struct Connection {
    pub id: ConnectionId,
    pub environment: EnvironmentId,
    /// `None`: a provider of the whole environment.
    pub organization_id: Option<OrganizationId>,
    pub connection_type: ConnectionType,
    pub name: String,
    pub state: State,
    pub external_id: Option<String>,
    pub external_key: String,
    /// Overrides of the type's attribute names.
    pub attribute_map: BTreeMap<String, String>,
    pub settings: Settings,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Connection {
    /// What the sealed client secret is bound to.
    pub(crate) fn secret_identity(id: ConnectionId) -> String {
        format!("connection_client_secret:{id}")
    }

    /// The client secret in the clear.
    pub fn client_secret(&self, app: &App) -> Result<Option<Zeroizing<String>>> {
        let Settings::Oidc(Oidc { client_secret: Some(sealed), .. }) = &self.settings else {
            return Ok(None);
        };
        let secret = app.keyring.open_sealed(&Self::secret_identity(self.id), sealed)?;
        let text = std::str::from_utf8(&secret).map_err(|_| Error::internal("client secret is not UTF-8"))?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    pub(crate) fn saml(&self) -> Option<&Saml> {
        match &self.settings {
            Settings::Saml(saml) => Some(saml),
            Settings::Oidc(_) => None,
        }
    }

    pub(crate) fn oidc(&self) -> Option<&Oidc> {
        match &self.settings {
            Settings::Oidc(oidc) => Some(oidc),
            Settings::Saml(_) => None,
        }
    }

    /// Whether everything is there that a sign-in needs (certificates aside, which setup demands).
    fn is_configured(&self) -> bool {
        match &self.settings {
            Settings::Saml(saml) => saml.idp_entity_id.is_some() && saml.idp_sso_url.is_some(),
            Settings::Oidc(oidc) => oidc.discovery_endpoint.is_some() && oidc.client_id.is_some(),
        }
    }

    /// The scope of events about this connection.
    pub(crate) fn scope<'a>(&self, scope: Scope<'a>) -> Scope<'a> {
        Scope { organization: self.organization_id, ..scope }
    }
}

/// A domain as a connection shows it: its organization's.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionDomain {
    pub object: &'static str,
    pub id: OrganizationDomainId,
    pub domain: String,
}

/// A connection as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionView {
    pub object: &'static str,
    pub id: ConnectionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
    pub connection_type: ConnectionType,
    pub name: String,
    pub state: State,
    /// Deprecated twin of `state`.
    pub status: &'static str,
    pub external_id: Option<String>,
    pub domains: Vec<ConnectionDomain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saml_options: Option<SamlView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc_options: Option<OidcView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_maps: Option<AttributeMaps>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// `saml_options` of an answer.
#[derive(Clone, Debug, Serialize)]
pub struct SamlView {
    pub acs_url: String,
    pub sp_entity_id: String,
    pub sp_metadata_url: String,
    pub idp_entity_id: Option<String>,
    pub idp_sso_url: Option<String>,
    pub idp_metadata_url: Option<String>,
    pub idp_signing_certs: Vec<String>,
}

/// `oidc_options` of an answer; never with the secret.
#[derive(Clone, Debug, Serialize)]
pub struct OidcView {
    pub redirect_uri: String,
    pub discovery_endpoint: Option<String>,
    pub client_id: Option<String>,
    pub pkce: bool,
    pub token_authentication_method: TokenAuthenticationMethod,
}

impl Keyed for ConnectionView {
    fn key(&self) -> String {
        self.id.to_string()
    }
}

impl ConnectionView {
    /// What lists and events show.
    pub(crate) fn brief(connection: &Connection, domains: Vec<ConnectionDomain>) -> Self {
        Self {
            object: "connection",
            id: connection.id,
            organization_id: connection.organization_id,
            connection_type: connection.connection_type,
            name: connection.name.clone(),
            state: connection.state,
            status: if connection.state.is_usable() { "linked" } else { "unlinked" },
            external_id: connection.external_id.clone(),
            domains,
            saml_options: None,
            oidc_options: None,
            attribute_maps: None,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
        }
    }

    /// What one connection's own answer shows: its settings too.
    pub(crate) async fn full(app: &App, connection: &Connection) -> Result<Self> {
        let domains = domains(app, connection).await?;
        let mut view = Self::brief(connection, domains);
        view.attribute_maps = Some(AttributeMaps::shown(connection));
        match &connection.settings {
            Settings::Saml(saml) => {
                view.saml_options = Some(SamlView {
                    acs_url: saml.acs_url.clone(),
                    sp_entity_id: saml.sp_entity_id.clone(),
                    sp_metadata_url: app.url(&format!("/sso/saml/{}/metadata.xml", connection.external_key)),
                    idp_entity_id: saml.idp_entity_id.clone(),
                    idp_sso_url: saml.idp_sso_url.clone(),
                    idp_metadata_url: saml.idp_metadata_url.clone(),
                    idp_signing_certs: certificates::pems(&app.db, connection.id).await?,
                });
            }
            Settings::Oidc(oidc) => {
                view.oidc_options = Some(OidcView {
                    redirect_uri: oidc.redirect_uri.clone(),
                    discovery_endpoint: oidc.discovery_endpoint.clone(),
                    client_id: oidc.client_id.clone(),
                    pkce: oidc.pkce,
                    token_authentication_method: oidc.token_authentication_method,
                });
            }
        }
        Ok(view)
    }
}

/// A service provider of ours, as an identity provider sees it.
#[derive(Clone, Debug)]
pub struct ServiceProvider {
    pub connection_id: ConnectionId,
    pub connection_name: String,
    pub organization_id: Option<OrganizationId>,
    pub acs_url: String,
    pub sp_entity_id: String,
}

/// A client of ours at an OpenID provider, as that provider sees it. The secret isn't in its `Debug`.
#[derive(Clone)]
pub struct OidcClient {
    pub connection_id: ConnectionId,
    pub connection_name: String,
    pub organization_id: Option<OrganizationId>,
    pub redirect_uri: String,
    pub client_secret: Zeroizing<String>,
}

impl std::fmt::Debug for OidcClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcClient").field("connection_id", &self.connection_id).finish_non_exhaustive()
    }
}

/// The domains of the connection's organization.
pub(crate) async fn domains(app: &App, connection: &Connection) -> Result<Vec<ConnectionDomain>> {
    match connection.organization_id {
        Some(organization) => Ok(queries::domains(&app.db, connection.environment, [organization])
            .await?
            .into_iter()
            .map(|(_, domain)| domain)
            .collect()),
        None => Ok(Vec::new()),
    }
}

/// Moves a connection to `state`, with the event that belongs to the change.
pub(crate) async fn set_state(
    tx: &mut Tx,
    app: &App,
    scope: Scope<'_>,
    connection: &mut Connection,
    state: State,
) -> Result<()> {
    let before = std::mem::replace(&mut connection.state, state);
    if before == state {
        return Ok(());
    }
    connection.updated_at = app.clock.now();
    if !queries::set_state(tx, connection, before).await? {
        // Somebody else moved it meanwhile, and told of it.
        return Ok(());
    }
    let domains = queries::domains_in(tx, connection.organization_id).await?;
    let scope = connection.scope(scope);
    if state == State::Active {
        emit(tx, app, scope, &ConnectionActivated::new(connection, domains)).await?;
    } else if state == State::Inactive {
        emit(tx, app, scope, &ConnectionDeactivated::new(connection, domains)).await?;
    }
    Ok(())
}

/// Deletes a connection; no sign-in begins or ends through it from here on.
async fn delete(tx: &mut Tx, app: &App, scope: Scope<'_>, id: ConnectionId) -> Result<()> {
    let missing = || Error::not_found("Connection", id);
    tx.lock("connections", &id.to_string()).await?;
    let connection = queries::get_in(tx, scope.environment, id).await?.ok_or_else(missing)?;
    queries::set_deleted(tx, scope.environment, id, app.clock.now()).await?;
    emit(tx, app, connection.scope(scope), &ConnectionDeleted::new(&connection)).await?;
    Ok(())
}

/// The protocol column's value of a type.
pub(crate) fn protocol_of(settings: &Settings) -> Protocol {
    match settings {
        Settings::Saml(_) => Protocol::Saml,
        Settings::Oidc(_) => Protocol::Oidc,
    }
}

/// Moves a connection to `state` in a transaction of its own, with its event; for seeds.
pub async fn enter_state(
    app: &App,
    scope: Scope<'_>,
    connection: Connection,
    state: State,
) -> Result<Connection> {
    kernel::transaction!(app, |tx| {
        let mut connection = connection.clone();
        set_state(tx, app, scope, &mut connection, state).await?;
        Ok(connection)
    })
}
