//! Making and changing connections: from a metadata URL or document, from manual fields, from an OpenID
//! discovery URL.

use std::collections::BTreeMap;

use http::StatusCode;
use kernel::error::FieldError;
use kernel::events::{Scope, emit};
use kernel::ids::{ConnectionId, EnvironmentId, OrganizationId};
use kernel::outbound::OutboundError;
use kernel::{App, Error, Result};
use saml::certificate::Certificate;
use saml::metadata::{IdpMetadata, parse_idp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{OnConflict, Tx};
use url::Url;
use zeroize::Zeroizing;

use super::certificates::{self, MAX_CERTIFICATES};
use super::events::ConnectionActivated;
use super::{Binding, Connection, Oidc, Saml, Settings, State, TokenAuthenticationMethod, queries};
use crate::connection_types::{ConnectionType, Protocol};

const MAX_NAME: usize = 255;
const MAX_EXTERNAL_ID: usize = 128;
const MAX_ENTITY_ID: usize = 1024;
const MAX_URL: usize = 2048;
const EXTERNAL_KEY_LENGTH: usize = 25;
const STANDARD_ATTRIBUTES: [&str; 6] = ["idp_id", "email", "first_name", "last_name", "name", "groups"];

/// `POST /connections`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct CreateConnection {
    #[serde(default, alias = "organizationId")]
    pub organization_id: Option<String>,
    #[serde(default, alias = "connectionType")]
    pub connection_type: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default, alias = "externalId")]
    pub external_id: Option<String>,
    #[serde(default, alias = "samlOptions")]
    pub saml_options: Option<SamlOptions>,
    #[serde(default, alias = "oidcOptions")]
    pub oidc_options: Option<OidcOptions>,
    #[serde(default, alias = "attributeMaps")]
    pub attribute_maps: Option<AttributeMaps>,
}

/// `PATCH /connections/{id}`: absent stays, `null` clears or reverts to the default.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct UpdateConnection {
    #[serde(default)]
    pub connection_type: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "kernel::http::nullable")]
    pub external_id: Option<Option<String>>,
    #[serde(default)]
    pub saml_options: Option<SamlOptions>,
    #[serde(default)]
    pub oidc_options: Option<OidcOptions>,
    #[serde(default)]
    pub attribute_maps: Option<AttributeMaps>,
    /// `active` or `inactive`: an addition of ours, for switching a connection off and on.
    #[serde(default)]
    pub state: Option<State>,
}

/// `saml_options` of a request.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SamlOptions {
    #[serde(default, deserialize_with = "kernel::http::nullable")]
    pub idp_metadata_url: Option<Option<String>>,
    /// The document itself, for identity providers without a URL: an addition of ours.
    #[serde(default)]
    pub idp_metadata_xml: Option<String>,
    #[serde(default)]
    pub idp_entity_id: Option<String>,
    #[serde(default)]
    pub idp_sso_url: Option<String>,
    #[serde(default)]
    pub idp_signing_certs: Option<Vec<String>>,
    #[serde(default, deserialize_with = "kernel::http::nullable")]
    pub acs_url: Option<Option<String>>,
    #[serde(default, deserialize_with = "kernel::http::nullable")]
    pub sp_entity_id: Option<Option<String>>,
}

/// `oidc_options` of a request.
#[derive(Clone, Default, Deserialize)]
pub struct OidcOptions {
    #[serde(default)]
    pub discovery_endpoint: Option<String>,
    #[serde(default)]
    pub client_id: Option<String>,
    #[serde(default)]
    pub client_secret: Option<Zeroizing<String>>,
    #[serde(default, deserialize_with = "kernel::http::nullable")]
    pub redirect_uri: Option<Option<String>>,
    #[serde(default)]
    pub pkce: Option<bool>,
    #[serde(default)]
    pub token_authentication_method: Option<TokenAuthenticationMethod>,
    #[serde(default)]
    pub id_token_signature_algorithm: Option<String>,
    #[serde(default)]
    pub fetch_user_info: Option<bool>,
}

impl std::fmt::Debug for OidcOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcOptions").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// `attribute_maps`: overrides of where standard attributes are found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AttributeMaps {
    #[serde(default)]
    pub standard_attributes: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub custom_attributes: Map<String, Value>,
}

impl AttributeMaps {
    /// The map in force: the type's names with the connection's overrides.
    pub(super) fn shown(connection: &Connection) -> Self {
        let names = connection.connection_type.attribute_names();
        let defaults =
            [names.idp_id, names.email, names.first_name, names.last_name, names.name, names.groups];
        let standard_attributes = STANDARD_ATTRIBUTES
            .iter()
            .zip(defaults)
            .map(|(attribute, default)| {
                let source = connection.attribute_map.get(*attribute).map_or(default, String::as_str);
                ((*attribute).to_owned(), Some(source.to_owned()))
            })
            .collect();
        Self { standard_attributes, custom_attributes: Map::new() }
    }

    fn checked(self) -> Result<BTreeMap<String, String>> {
        if let Some(name) = self.custom_attributes.keys().next() {
            let name: String = name.chars().take(100).collect();
            return Err(Error::bad_request(
                "custom_attribute_not_found",
                format!("There is no custom attribute '{name}' in this environment."),
            ));
        }
        let mut map = BTreeMap::new();
        for (attribute, source) in self.standard_attributes {
            let field = format!("attribute_maps.standard_attributes.{attribute}");
            if !STANDARD_ATTRIBUTES.contains(&attribute.as_str()) {
                return Err(Error::invalid(field));
            }
            match source {
                None => {}
                Some(source) if (1..=MAX_ENTITY_ID).contains(&source.len()) => {
                    map.insert(attribute, source);
                }
                Some(_) => return Err(Error::invalid(field)),
            }
        }
        Ok(map)
    }
}

/// What was fetched and checked before the transaction begins.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    metadata: Option<IdpMetadata>,
    certificates: Option<Vec<Certificate>>,
}

/// Reads metadata and certificates named by `options`; this is where the network is used.
pub(super) async fn fetch(app: &App, options: Option<&SamlOptions>) -> Result<Fetched> {
    let Some(options) = options else { return Ok(Fetched::default()) };
    let url = options.idp_metadata_url.as_ref().and_then(Option::as_ref);
    let manual = options.idp_entity_id.is_some()
        || options.idp_sso_url.is_some()
        || options.idp_signing_certs.is_some();
    if [url.is_some(), options.idp_metadata_xml.is_some(), manual].iter().filter(|given| **given).count() > 1
    {
        return Err(Error::validation(vec![FieldError {
            code: "exclusive",
            field: "saml_options.idp_metadata_url".into(),
        }]));
    }
    if let Some(url) = url {
        if url.len() > MAX_URL {
            return Err(Error::invalid("saml_options.idp_metadata_url"));
        }
        let answer = app.outbound.get(url, &[]).await.map_err(|error| unreachable_metadata(&error))?;
        if answer.status != 200 {
            let message = format!("The metadata URL answered with status {}.", answer.status);
            return Err(Error::bad_request("metadata_not_found", message));
        }
        return from_metadata(app, &answer.body);
    }
    if let Some(xml) = &options.idp_metadata_xml {
        return from_metadata(app, xml.as_bytes());
    }
    let certificates = options.idp_signing_certs.as_ref().map(|texts| manual_certificates(app, texts));
    Ok(Fetched { metadata: None, certificates: certificates.transpose()? })
}

fn unreachable_metadata(error: &OutboundError) -> Error {
    Error::bad_request(error.code(), format!("The metadata could not be fetched: {error}."))
}

fn from_metadata(app: &App, xml: &[u8]) -> Result<Fetched> {
    let now = app.clock.now().0;
    let mut metadata = parse_idp(xml, now)
        .map_err(|error| Error::bad_request(error.code(), format!("The metadata can't be used: {error}")))?;
    if metadata.sso_redirect_url.is_none() && metadata.sso_post_url.is_none() {
        let message = "The metadata names no single sign-on service with HTTP-Redirect or HTTP-POST.";
        return Err(Error::bad_request("metadata_without_sso_service", message));
    }
    metadata.signing_certificates.retain(|certificate| certificate.not_after() > now);
    if metadata.signing_certificates.is_empty() || metadata.signing_certificates.len() > MAX_CERTIFICATES {
        let message = "The metadata has no signing certificate that is still valid, or too many.";
        return Err(Error::bad_request("invalid_certificate", message));
    }
    let certificates = metadata.signing_certificates.clone();
    Ok(Fetched { metadata: Some(metadata), certificates: Some(certificates) })
}

fn manual_certificates(app: &App, texts: &[String]) -> Result<Vec<Certificate>> {
    let refuse = |why: String| Error::bad_request("invalid_certificate", why);
    if texts.is_empty() || texts.len() > MAX_CERTIFICATES {
        return Err(refuse(format!("Between 1 and {MAX_CERTIFICATES} certificates are needed.")));
    }
    texts
        .iter()
        .map(|text| {
            let certificate = Certificate::parse_base64(text)
                .map_err(|error| refuse(format!("A certificate can't be used: {error}")))?;
            if certificate.not_after() <= app.clock.now().0 {
                return Err(refuse("A certificate has expired.".into()));
            }
            Ok(certificate)
        })
        .collect()
}

/// Makes a connection. The same `external_id` in the same organization gives the one that is there.
pub async fn create(
    app: &App,
    scope: Scope<'_>,
    environment: EnvironmentId,
    create: CreateConnection,
) -> Result<Connection> {
    if create.saml_options.is_some() && create.oidc_options.is_some() {
        return Err(Error::validation(vec![FieldError { code: "exclusive", field: "oidc_options".into() }]));
    }
    let connection_type = connection_type(&create)?;
    let organization_id = organization(&create, connection_type)?;
    let name = create.name.clone().unwrap_or_else(|| connection_type.as_str().to_owned());
    let external_id = create.external_id.clone().map(checked_external_id).transpose()?;
    let attribute_map = create.attribute_maps.clone().unwrap_or_default().checked()?;
    let fetched = fetch(app, create.saml_options.as_ref()).await?;

    let id = ConnectionId::generate(app);
    let external_key = app.random.alphanumeric(EXTERNAL_KEY_LENGTH);
    let mut settings = default_settings(app, connection_type, &external_key)?;
    apply_saml(app, &mut settings, create.saml_options.as_ref(), &fetched, &external_key)?;
    apply_oidc(app, &mut settings, create.oidc_options.as_ref(), id, &external_key)?;
    let now = app.clock.now();
    let mut connection = Connection {
        id,
        environment,
        organization_id,
        connection_type,
        name: checked_name(name)?,
        state: State::Draft,
        external_id,
        external_key,
        attribute_map,
        settings,
        created_at: now,
        updated_at: now,
    };
    let certificates = fetched.certificates.unwrap_or_default();
    let configured = connection.is_configured() && (connection.oidc().is_some() || !certificates.is_empty());
    if !configured && (create.saml_options.is_some() || create.oidc_options.is_some()) {
        return Err(missing_options(&connection, certificates.is_empty()));
    }
    if configured {
        let is_test = connection_type.as_str() == "TestIdp";
        connection.state = if is_test { State::Active } else { State::Validating };
    }

    kernel::transaction!(app, |tx| { insert(tx, app, scope, &connection, &certificates).await })
}

async fn insert(
    tx: &mut Tx,
    app: &App,
    scope: Scope<'_>,
    connection: &Connection,
    certificates: &[Certificate],
) -> Result<Connection> {
    if let Some(organization) = connection.organization_id {
        if !organizations::organizations::lock_live(tx, connection.environment, organization).await? {
            return Err(Error::not_found("Organization", organization));
        }
        if let Some(external_id) = &connection.external_id
            && let Some(present) = queries::get_by_external_id(tx, organization, external_id).await?
        {
            return Ok(present);
        }
    }
    queries::insert(tx, connection).await?;
    certificates::replace(tx, app, connection.environment, connection.id, certificates).await?;
    if connection.state == State::Active {
        let domains = queries::domains_in(tx, connection.organization_id).await?;
        let event = ConnectionActivated::new(connection, domains);
        emit(tx, app, connection.scope(scope), &event).await?;
    }
    Ok(connection.clone())
}

/// Applies a partial update.
pub(super) async fn update(
    app: &App,
    scope: Scope<'_>,
    environment: EnvironmentId,
    id: ConnectionId,
    update: UpdateConnection,
) -> Result<Connection> {
    let missing = || Error::not_found("Connection", id);
    // Read once before the network is used, so that a foreign id fetches nothing.
    let present = queries::get(&app.db, environment, id).await?.ok_or_else(missing)?;
    if let Some(wanted) = &update.connection_type
        && ConnectionType::find(wanted) != Some(present.connection_type)
    {
        return Err(Error::validation(vec![FieldError {
            code: "immutable",
            field: "connection_type".into(),
        }]));
    }
    let foreign_options = match present.settings {
        Settings::Saml(_) => update.oidc_options.is_some().then_some("oidc_options"),
        Settings::Oidc(_) => update.saml_options.is_some().then_some("saml_options"),
    };
    if let Some(field) = foreign_options {
        return Err(Error::invalid(field));
    }
    let fetched = fetch(app, update.saml_options.as_ref()).await?;

    kernel::transaction!(app, |tx| {
        tx.lock("connections", &id.to_string()).await?;
        let mut connection = queries::get_in(tx, environment, id).await?.ok_or_else(missing)?;
        change(app, &mut connection, &update, &fetched)?;
        queries::update(tx, &connection).await.on_conflict(|| {
            let code = "external_id_already_used";
            Error::coded(StatusCode::CONFLICT, code, "That external_id is already in use.")
        })?;
        if let Some(certificates) = &fetched.certificates {
            certificates::replace(tx, app, environment, id, certificates).await?;
        }
        let has_certificates = connection.oidc().is_some() || certificates::any(tx, id).await?;
        let complete = connection.is_configured() && has_certificates;
        if let Some(state) = next_state(&connection, update.state, complete)? {
            super::set_state(tx, app, scope, &mut connection, state).await?;
        }
        Ok(connection)
    })
}

/// The state an update leads to; `None` if it stays.
fn next_state(connection: &Connection, asked: Option<State>, complete: bool) -> Result<Option<State>> {
    match asked {
        None if connection.state == State::Draft && complete => Ok(Some(State::Validating)),
        None => Ok(None),
        Some(State::Inactive) => Ok(Some(State::Inactive)),
        Some(State::Active) if complete => Ok(Some(State::Active)),
        Some(_) => Err(Error::invalid("state")),
    }
}

fn change(
    app: &App,
    connection: &mut Connection,
    update: &UpdateConnection,
    fetched: &Fetched,
) -> Result<()> {
    connection.updated_at = app.clock.now();
    if let Some(name) = &update.name {
        connection.name = checked_name(name.clone())?;
    }
    if let Some(external_id) = &update.external_id {
        connection.external_id = external_id.clone().map(checked_external_id).transpose()?;
    }
    if let Some(maps) = &update.attribute_maps {
        connection.attribute_map = maps.clone().checked()?;
    }
    let external_key = connection.external_key.clone();
    apply_saml(app, &mut connection.settings, update.saml_options.as_ref(), fetched, &external_key)?;
    apply_oidc(app, &mut connection.settings, update.oidc_options.as_ref(), connection.id, &external_key)
}

fn connection_type(create: &CreateConnection) -> Result<ConnectionType> {
    let found = match create.connection_type.as_deref() {
        // The names of the two protocols, as older SDK samples use them.
        Some("SAML") => ConnectionType::generic_saml(),
        Some("OIDC") => ConnectionType::generic_oidc(),
        Some(name) => ConnectionType::find(name),
        None if create.saml_options.is_some() => ConnectionType::generic_saml(),
        None if create.oidc_options.is_some() => ConnectionType::generic_oidc(),
        None => return Err(Error::validation(vec![FieldError::required("connection_type")])),
    };
    let found = found.ok_or_else(|| Error::invalid("connection_type"))?;
    let fits = match found.protocol() {
        Protocol::Saml => create.oidc_options.is_none(),
        Protocol::Oidc => create.saml_options.is_none(),
        // A provider of the environment that speaks OpenID Connect, given its discovery endpoint.
        Protocol::OAuth => create.oidc_options.is_some(),
        Protocol::Other => false,
    };
    fits.then_some(found).ok_or_else(|| Error::invalid("connection_type"))
}

fn organization(create: &CreateConnection, kind: ConnectionType) -> Result<Option<OrganizationId>> {
    match (&create.organization_id, kind.protocol()) {
        (None, Protocol::OAuth) => Ok(None),
        (None, _) => Err(Error::validation(vec![FieldError::required("organization_id")])),
        (Some(_), Protocol::OAuth) => Err(Error::invalid("organization_id")),
        (Some(id), _) => id.parse().map(Some).map_err(|_| Error::not_found("Organization", id)),
    }
}

fn missing_options(connection: &Connection, no_certificates: bool) -> Error {
    let fields: Vec<&str> = match &connection.settings {
        Settings::Saml(saml) => [
            (saml.idp_entity_id.is_none(), "saml_options.idp_entity_id"),
            (saml.idp_sso_url.is_none(), "saml_options.idp_sso_url"),
            (no_certificates, "saml_options.idp_signing_certs"),
        ]
        .into_iter()
        .filter_map(|(missing, field)| missing.then_some(field))
        .collect(),
        Settings::Oidc(oidc) => [
            (oidc.discovery_endpoint.is_none(), "oidc_options.discovery_endpoint"),
            (oidc.client_id.is_none(), "oidc_options.client_id"),
        ]
        .into_iter()
        .filter_map(|(missing, field)| missing.then_some(field))
        .collect(),
    };
    Error::validation(fields.into_iter().map(FieldError::required).collect())
}

fn default_settings(app: &App, kind: ConnectionType, external_key: &str) -> Result<Settings> {
    Ok(match kind.protocol() {
        Protocol::Saml => Settings::Saml(Saml {
            idp_entity_id: None,
            idp_sso_url: None,
            idp_sso_binding: Binding::Redirect,
            idp_metadata_url: None,
            acs_url: default_acs_url(app, external_key),
            sp_entity_id: default_sp_entity_id(app, external_key),
        }),
        Protocol::Oidc | Protocol::OAuth => Settings::Oidc(Oidc {
            discovery_endpoint: None,
            client_id: None,
            client_secret: None,
            redirect_uri: default_redirect_uri(app, external_key),
            pkce: true,
            token_authentication_method: TokenAuthenticationMethod::ClientSecretBasic,
            id_token_signature_algorithm: None,
            fetch_user_info: false,
        }),
        Protocol::Other => return Err(Error::invalid("connection_type")),
    })
}

fn default_acs_url(app: &App, external_key: &str) -> String {
    app.url(&format!("/sso/saml/acs/{external_key}"))
}

fn default_sp_entity_id(app: &App, external_key: &str) -> String {
    app.url(&format!("/{external_key}"))
}

fn default_redirect_uri(app: &App, external_key: &str) -> String {
    app.url(&format!("/sso/oidc/{external_key}/callback"))
}

fn apply_saml(
    app: &App,
    settings: &mut Settings,
    options: Option<&SamlOptions>,
    fetched: &Fetched,
    external_key: &str,
) -> Result<()> {
    let (Settings::Saml(saml), Some(options)) = (settings, options) else { return Ok(()) };
    if let Some(metadata) = &fetched.metadata {
        saml.idp_entity_id = Some(checked_entity_id(&metadata.entity_id, "saml_options.idp_metadata_url")?);
        let (url, binding) = match (&metadata.sso_redirect_url, &metadata.sso_post_url) {
            (Some(url), _) => (Some(url), Binding::Redirect),
            (None, url) => (url.as_ref(), Binding::Post),
        };
        saml.idp_sso_url = url.map(|url| checked_url(url, "saml_options.idp_metadata_url")).transpose()?;
        saml.idp_sso_binding = binding;
    }
    if let Some(url) = &options.idp_metadata_url {
        saml.idp_metadata_url.clone_from(url);
    }
    if let Some(entity_id) = &options.idp_entity_id {
        saml.idp_entity_id = Some(checked_entity_id(entity_id, "saml_options.idp_entity_id")?);
    }
    if let Some(url) = &options.idp_sso_url {
        saml.idp_sso_url = Some(checked_url(url, "saml_options.idp_sso_url")?);
        saml.idp_sso_binding = Binding::Redirect;
    }
    match &options.acs_url {
        None => {}
        Some(None) => saml.acs_url = default_acs_url(app, external_key),
        Some(Some(url)) => saml.acs_url = checked_url(url, "saml_options.acs_url")?,
    }
    match &options.sp_entity_id {
        None => {}
        Some(None) => saml.sp_entity_id = default_sp_entity_id(app, external_key),
        Some(Some(id)) => saml.sp_entity_id = checked_entity_id(id, "saml_options.sp_entity_id")?,
    }
    Ok(())
}

fn apply_oidc(
    app: &App,
    settings: &mut Settings,
    options: Option<&OidcOptions>,
    id: ConnectionId,
    external_key: &str,
) -> Result<()> {
    let (Settings::Oidc(oidc), Some(options)) = (settings, options) else { return Ok(()) };
    if let Some(endpoint) = &options.discovery_endpoint {
        oidc.discovery_endpoint = Some(checked_discovery_endpoint(app, endpoint)?);
    }
    if let Some(client_id) = &options.client_id {
        oidc.client_id = Some(checked_entity_id(client_id, "oidc_options.client_id")?);
    }
    if let Some(secret) = &options.client_secret {
        if secret.is_empty() || secret.len() > MAX_ENTITY_ID {
            return Err(Error::invalid("oidc_options.client_secret"));
        }
        let identity = Connection::secret_identity(id);
        oidc.client_secret = Some(app.keyring.seal(&app.random, &identity, secret.as_bytes())?);
    }
    if oidc.client_secret.is_none() {
        return Err(Error::validation(vec![FieldError::required("oidc_options.client_secret")]));
    }
    match &options.redirect_uri {
        None => {}
        Some(None) => oidc.redirect_uri = default_redirect_uri(app, external_key),
        Some(Some(uri)) => oidc.redirect_uri = checked_url(uri, "oidc_options.redirect_uri")?,
    }
    if let Some(pkce) = options.pkce {
        oidc.pkce = pkce;
    }
    if let Some(method) = options.token_authentication_method {
        oidc.token_authentication_method = method;
    }
    if let Some(algorithm) = &options.id_token_signature_algorithm {
        // HS* is known to the API and refused on purpose: a client secret must not be able to make identities.
        if algorithm.parse::<oidc::Algorithm>().is_err() {
            return Err(Error::invalid("oidc_options.id_token_signature_algorithm"));
        }
        oidc.id_token_signature_algorithm = Some(algorithm.clone());
    }
    if let Some(fetch) = options.fetch_user_info {
        oidc.fetch_user_info = fetch;
    }
    Ok(())
}

fn checked_discovery_endpoint(app: &App, endpoint: &str) -> Result<String> {
    if endpoint.len() > MAX_URL {
        return Err(Error::invalid("oidc_options.discovery_endpoint"));
    }
    app.outbound.check(endpoint).map_err(|error| {
        Error::bad_request(error.code(), format!("The discovery endpoint can't be used: {error}."))
    })?;
    oidc::discovery::issuer_of(endpoint)
        .map_err(|error| Error::bad_request(error.code(), format!("The discovery endpoint: {error}.")))?;
    Ok(endpoint.to_owned())
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

fn checked_entity_id(text: &str, field: &str) -> Result<String> {
    let good = !text.is_empty() && text.len() <= MAX_ENTITY_ID && !text.chars().any(char::is_control);
    if good { Ok(text.to_owned()) } else { Err(Error::invalid(field)) }
}

/// An address browsers are sent to: http(s), without credentials or fragment.
fn checked_url(text: &str, field: &str) -> Result<String> {
    let good = Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    });
    if good && text.len() <= MAX_URL { Ok(text.to_owned()) } else { Err(Error::invalid(field)) }
}
