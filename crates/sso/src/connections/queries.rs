use kernel::ids::{ConnectionId, EnvironmentId, OrganizationDomainId, OrganizationId};
use kernel::{App, Timestamp};
use store::{Db, Error, FromRow, Keyed, Keyset, Page, PageRequest, Row, Select, Tx, params};

use super::{
    Binding, Connection, ConnectionDomain, ConnectionView, Oidc, OidcClient, Saml, ServiceProvider, Settings,
    State, TokenAuthenticationMethod, protocol_of,
};
use crate::connection_types::{ConnectionType, Protocol};

/// Columns of a whole connection, of one whose organization (if it has one) is alive.
macro_rules! select_connection {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.environment_id, c.organization_id, c.connection_type, c.name, c.state, \
             c.external_id, c.external_key, c.attribute_map, c.protocol, c.idp_entity_id, c.idp_sso_url, \
             c.idp_sso_binding, c.idp_metadata_url, c.acs_url, c.sp_entity_id, c.discovery_endpoint, \
             c.client_id, c.client_secret, c.redirect_uri, c.pkce, c.token_authentication_method, \
             c.id_token_signature_algorithm, c.fetch_user_info, c.created_at, c.updated_at \
             FROM connections c LEFT JOIN organizations o ON o.id = c.organization_id \
             WHERE c.deleted_at IS NULL AND o.deleted_at IS NULL AND ",
            $rest
        )
    };
}

impl FromRow for Connection {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        let id = row.next()?;
        let environment = row.next()?;
        let organization_id = row.next()?;
        let connection_type = row.next()?;
        let name = row.next()?;
        let state = row.next()?;
        let external_id = row.next()?;
        let external_key = row.next()?;
        let attribute_map = serde_json::from_str(&row.next::<String>()?)
            .map_err(|error| Error::Row(format!("attribute_map: {error}")))?;
        let protocol: String = row.next()?;
        let saml = SamlColumns::from_row(row)?;
        let oidc = OidcColumns::from_row(row)?;
        let settings = if protocol == "saml" { saml.settings() } else { oidc.settings() };
        Ok(Self {
            id,
            environment,
            organization_id,
            connection_type,
            name,
            state,
            external_id,
            external_key,
            attribute_map,
            settings,
            created_at: row.next()?,
            updated_at: row.next()?,
        })
    }
}

struct SamlColumns {
    idp_entity_id: Option<String>,
    idp_sso_url: Option<String>,
    binding: Option<String>,
    idp_metadata_url: Option<String>,
    acs_url: Option<String>,
    sp_entity_id: Option<String>,
}

impl SamlColumns {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            idp_entity_id: row.next()?,
            idp_sso_url: row.next()?,
            binding: row.next()?,
            idp_metadata_url: row.next()?,
            acs_url: row.next()?,
            sp_entity_id: row.next()?,
        })
    }

    fn settings(self) -> Settings {
        Settings::Saml(Saml {
            idp_entity_id: self.idp_entity_id,
            idp_sso_url: self.idp_sso_url,
            idp_sso_binding: if self.binding.as_deref() == Some("post") {
                Binding::Post
            } else {
                Binding::Redirect
            },
            idp_metadata_url: self.idp_metadata_url,
            acs_url: self.acs_url.unwrap_or_default(),
            sp_entity_id: self.sp_entity_id.unwrap_or_default(),
        })
    }
}

struct OidcColumns {
    discovery_endpoint: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Vec<u8>>,
    redirect_uri: Option<String>,
    pkce: bool,
    method: Option<String>,
    algorithm: Option<String>,
    fetch_user_info: bool,
}

impl OidcColumns {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            discovery_endpoint: row.next()?,
            client_id: row.next()?,
            client_secret: row.next()?,
            redirect_uri: row.next()?,
            pkce: row.next()?,
            method: row.next()?,
            algorithm: row.next()?,
            fetch_user_info: row.next()?,
        })
    }

    fn settings(self) -> Settings {
        Settings::Oidc(Oidc {
            discovery_endpoint: self.discovery_endpoint,
            client_id: self.client_id,
            client_secret: self.client_secret,
            redirect_uri: self.redirect_uri.unwrap_or_default(),
            pkce: self.pkce,
            token_authentication_method: if self.method.as_deref() == Some("client_secret_post") {
                TokenAuthenticationMethod::ClientSecretPost
            } else {
                TokenAuthenticationMethod::ClientSecretBasic
            },
            id_token_signature_algorithm: self.algorithm,
            fetch_user_info: self.fetch_user_info,
        })
    }
}

/// One connection.
pub(crate) async fn get(
    db: &Db,
    environment: EnvironmentId,
    id: ConnectionId,
) -> Result<Option<Connection>, Error> {
    db.read_one(select_connection!("c.environment_id = $1 AND c.id = $2"), params![environment, id]).await
}

/// As [`get`], within a transaction.
pub(crate) async fn get_in(
    tx: &mut Tx,
    environment: EnvironmentId,
    id: ConnectionId,
) -> Result<Option<Connection>, Error> {
    tx.query_one(select_connection!("c.environment_id = $1 AND c.id = $2"), params![environment, id]).await
}

/// The connection whose URLs carry this key; the key is what names the environment too.
pub(crate) async fn get_by_external_key(db: &Db, external_key: &str) -> Result<Option<Connection>, Error> {
    db.read_one(select_connection!("c.external_key = $1"), params![external_key]).await
}

/// Whether this connection, deleted or not, has or had this key.
pub(crate) async fn had_external_key(
    db: &Db,
    environment: EnvironmentId,
    id: ConnectionId,
    external_key: &str,
) -> Result<bool, Error> {
    let found: Option<i64> = db
        .read_one(
            "SELECT 1 FROM connections WHERE environment_id = $1 AND id = $2 AND external_key = $3",
            params![environment, id, external_key],
        )
        .await?;
    Ok(found.is_some())
}

pub(super) async fn get_by_external_id(
    tx: &mut Tx,
    organization: OrganizationId,
    external_id: &str,
) -> Result<Option<Connection>, Error> {
    tx.query_one(
        select_connection!("c.organization_id = $1 AND c.external_id = $2"),
        params![organization, external_id],
    )
    .await
}

/// All connections of an organization, oldest first.
pub(crate) async fn list_by_organization(
    db: &Db,
    environment: EnvironmentId,
    organization: OrganizationId,
) -> Result<Vec<Connection>, Error> {
    db.read(
        select_connection!("c.environment_id = $1 AND c.organization_id = $2 ORDER BY c.created_at, c.id"),
        params![environment, organization],
    )
    .await
}

/// The environment's own connections of one type (for the `provider` selector).
pub(crate) async fn list_by_provider(
    db: &Db,
    environment: EnvironmentId,
    provider: ConnectionType,
) -> Result<Vec<Connection>, Error> {
    db.read(
        select_connection!(
            "c.environment_id = $1 AND c.organization_id IS NULL AND c.connection_type = $2 \
             ORDER BY c.created_at, c.id"
        ),
        params![environment, provider],
    )
    .await
}

/// What a list of connections is narrowed by.
#[derive(Debug, Default)]
pub(super) struct Filter<'a> {
    pub connection_type: Option<ConnectionType>,
    pub organization: Option<OrganizationId>,
    pub domain: Option<&'a str>,
    pub search: Option<&'a str>,
}

impl Keyed for Connection {
    fn key(&self) -> String {
        self.id.to_string()
    }
}

pub(super) async fn list(
    db: &Db,
    environment: EnvironmentId,
    filter: Filter<'_>,
    page: &PageRequest,
) -> Result<Page<ConnectionView>, Error> {
    let mut select = Select::new(select_connection!("c.environment_id = ?"), [environment.into()]);
    if let Some(connection_type) = filter.connection_type {
        select = select.and("c.connection_type = ?", [connection_type.into()]);
    }
    if let Some(organization) = filter.organization {
        select = select.and("c.organization_id = ?", [organization.into()]);
    }
    if let Some(domain) = filter.domain {
        select = select.and(
            "c.organization_id IN (SELECT d.organization_id FROM organization_domains d \
             WHERE d.environment_id = c.environment_id AND d.domain = ?)",
            [domain.into()],
        );
    }
    if let Some(search) = filter.search {
        select = select.and("LOWER(c.name) LIKE ? ESCAPE '\\'", [store::contains(search).into()]);
    }
    let page: Page<Connection> =
        select.page(db, Keyset::Created { created: "c.created_at", id: "c.id" }, page).await?;
    let owned =
        domains(db, environment, page.data.iter().filter_map(|connection| connection.organization_id))
            .await?;
    let data = page
        .data
        .iter()
        .map(|connection| {
            let own = owned.iter().filter(|(owner, _)| Some(*owner) == connection.organization_id);
            ConnectionView::brief(connection, own.map(|(_, domain)| domain.clone()).collect())
        })
        .collect();
    Ok(Page { data, before: page.before, after: page.after })
}

struct DomainRow(OrganizationId, ConnectionDomain);

impl FromRow for DomainRow {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        let organization = row.next()?;
        let id: OrganizationDomainId = row.next()?;
        Ok(Self(organization, ConnectionDomain { object: "connection_domain", id, domain: row.next()? }))
    }
}

/// The domains of some organizations, oldest first.
pub(super) async fn domains(
    db: &Db,
    environment: EnvironmentId,
    organizations: impl IntoIterator<Item = OrganizationId>,
) -> Result<Vec<(OrganizationId, ConnectionDomain)>, Error> {
    let rows: Vec<DomainRow> = Select::new(
        "SELECT organization_id, id, domain FROM organization_domains WHERE environment_id = ?",
        [environment.into()],
    )
    .and_in("organization_id", organizations)
    .order("created_at, id")
    .all(db)
    .await?;
    Ok(rows.into_iter().map(|DomainRow(organization, domain)| (organization, domain)).collect())
}

/// As [`domains`] for one organization, within a transaction.
pub(super) async fn domains_in(
    tx: &mut Tx,
    organization: Option<OrganizationId>,
) -> Result<Vec<ConnectionDomain>, Error> {
    let rows: Vec<DomainRow> = tx
        .query(
            "SELECT organization_id, id, domain FROM organization_domains WHERE organization_id = $1 \
             ORDER BY created_at, id",
            params![organization],
        )
        .await?;
    Ok(rows.into_iter().map(|DomainRow(_, domain)| domain).collect())
}

pub(super) async fn insert(tx: &mut Tx, connection: &Connection) -> Result<(), Error> {
    let (saml, oidc) = (connection.saml(), connection.oidc());
    tx.execute(
        "INSERT INTO connections (id, environment_id, organization_id, connection_type, protocol, name, state, \
         external_id, external_key, attribute_map, idp_entity_id, idp_sso_url, idp_sso_binding, \
         idp_metadata_url, acs_url, sp_entity_id, discovery_endpoint, client_id, client_secret, redirect_uri, \
         pkce, token_authentication_method, id_token_signature_algorithm, fetch_user_info, created_at, \
         updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22, $23, $24, $25, $26)",
        params![
            connection.id,
            connection.environment,
            connection.organization_id,
            connection.connection_type,
            if protocol_of(&connection.settings) == Protocol::Saml { "saml" } else { "oidc" },
            &connection.name,
            connection.state,
            connection.external_id.as_deref(),
            &connection.external_key,
            attribute_map(connection),
            saml.and_then(|saml| saml.idp_entity_id.as_deref()),
            saml.and_then(|saml| saml.idp_sso_url.as_deref()),
            saml.map(binding),
            saml.and_then(|saml| saml.idp_metadata_url.as_deref()),
            saml.map(|saml| saml.acs_url.as_str()),
            saml.map(|saml| saml.sp_entity_id.as_str()),
            oidc.and_then(|oidc| oidc.discovery_endpoint.as_deref()),
            oidc.and_then(|oidc| oidc.client_id.as_deref()),
            oidc.and_then(|oidc| oidc.client_secret.as_deref()),
            oidc.map(|oidc| oidc.redirect_uri.as_str()),
            oidc.is_some_and(|oidc| oidc.pkce),
            oidc.map(method),
            oidc.and_then(|oidc| oidc.id_token_signature_algorithm.as_deref()),
            oidc.is_some_and(|oidc| oidc.fetch_user_info),
            connection.created_at,
            connection.updated_at
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn update(tx: &mut Tx, connection: &Connection) -> Result<(), Error> {
    let (saml, oidc) = (connection.saml(), connection.oidc());
    tx.execute(
        "UPDATE connections SET name = $1, state = $2, external_id = $3, attribute_map = $4, \
         idp_entity_id = $5, idp_sso_url = $6, idp_sso_binding = $7, idp_metadata_url = $8, acs_url = $9, \
         sp_entity_id = $10, discovery_endpoint = $11, client_id = $12, client_secret = $13, \
         redirect_uri = $14, pkce = $15, token_authentication_method = $16, \
         id_token_signature_algorithm = $17, fetch_user_info = $18, updated_at = $19 \
         WHERE environment_id = $20 AND id = $21",
        params![
            &connection.name,
            connection.state,
            connection.external_id.as_deref(),
            attribute_map(connection),
            saml.and_then(|saml| saml.idp_entity_id.as_deref()),
            saml.and_then(|saml| saml.idp_sso_url.as_deref()),
            saml.map(binding),
            saml.and_then(|saml| saml.idp_metadata_url.as_deref()),
            saml.map(|saml| saml.acs_url.as_str()),
            saml.map(|saml| saml.sp_entity_id.as_str()),
            oidc.and_then(|oidc| oidc.discovery_endpoint.as_deref()),
            oidc.and_then(|oidc| oidc.client_id.as_deref()),
            oidc.and_then(|oidc| oidc.client_secret.as_deref()),
            oidc.map(|oidc| oidc.redirect_uri.as_str()),
            oidc.is_some_and(|oidc| oidc.pkce),
            oidc.map(method),
            oidc.and_then(|oidc| oidc.id_token_signature_algorithm.as_deref()),
            oidc.is_some_and(|oidc| oidc.fetch_user_info),
            connection.updated_at,
            connection.environment,
            connection.id
        ],
    )
    .await
    .map(drop)
}

fn attribute_map(connection: &Connection) -> String {
    serde_json::json!(connection.attribute_map).to_string()
}

fn binding(saml: &Saml) -> &'static str {
    if saml.idp_sso_binding == Binding::Post { "post" } else { "redirect" }
}

fn method(oidc: &Oidc) -> &'static str {
    match oidc.token_authentication_method {
        TokenAuthenticationMethod::ClientSecretBasic => "client_secret_basic",
        TokenAuthenticationMethod::ClientSecretPost => "client_secret_post",
    }
}

/// `false` if the connection isn't in state `from` any more.
pub(super) async fn set_state(tx: &mut Tx, connection: &Connection, from: State) -> Result<bool, Error> {
    let updated = tx
        .execute(
            "UPDATE connections SET state = $1, updated_at = $2 \
             WHERE environment_id = $3 AND id = $4 AND state = $5 AND deleted_at IS NULL",
            params![connection.state, connection.updated_at, connection.environment, connection.id, from],
        )
        .await?;
    Ok(updated == 1)
}

pub(super) async fn set_deleted(
    tx: &mut Tx,
    environment: EnvironmentId,
    id: ConnectionId,
    now: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "UPDATE connections SET deleted_at = $1, client_secret = NULL WHERE environment_id = $2 AND id = $3",
        params![now, environment, id],
    )
    .await?;
    tx.execute("DELETE FROM saml_idp_certificates WHERE connection_id = $1", params![id]).await.map(drop)
}

/// The connection that presents itself to identity providers under this entity id.
pub async fn by_sp_entity_id(
    app: &App,
    environment: EnvironmentId,
    sp_entity_id: &str,
) -> kernel::Result<Option<ServiceProvider>> {
    let found: Option<Connection> = app
        .db
        .read_one(
            select_connection!("c.environment_id = $1 AND c.sp_entity_id = $2"),
            params![environment, sp_entity_id],
        )
        .await?;
    Ok(found.and_then(|connection| match connection.settings {
        Settings::Saml(saml) => Some(ServiceProvider {
            connection_id: connection.id,
            connection_name: connection.name,
            organization_id: connection.organization_id,
            acs_url: saml.acs_url,
            sp_entity_id: saml.sp_entity_id,
        }),
        Settings::Oidc(_) => None,
    }))
}

/// The connection that uses this client id at its OpenID provider.
pub async fn by_oidc_client(
    app: &App,
    environment: EnvironmentId,
    client_id: &str,
) -> kernel::Result<Option<OidcClient>> {
    let found: Option<Connection> = app
        .db
        .read_one(
            select_connection!("c.environment_id = $1 AND c.client_id = $2"),
            params![environment, client_id],
        )
        .await?;
    let Some(connection) = found else { return Ok(None) };
    let Some(client_secret) = connection.client_secret(app)? else { return Ok(None) };
    Ok(match connection.settings {
        Settings::Oidc(oidc) => Some(OidcClient {
            connection_id: connection.id,
            connection_name: connection.name,
            organization_id: connection.organization_id,
            redirect_uri: oidc.redirect_uri,
            client_secret,
        }),
        Settings::Saml(_) => None,
    })
}
