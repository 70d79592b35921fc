use std::net::SocketAddr;
use std::sync::Arc;

use access::{Kind, environments, redirect_uris};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use kernel::config::{Config, LogConfig, Mode, OutboundConfig};
use kernel::crypto::{Keyring, MasterKey};
use kernel::events::{Actor, Scope};
use kernel::ids::{EnvironmentId, OrganizationId};
use kernel::random::Random;
use kernel::{App, Clock, Timestamp};
use login::{Demo, DemoState};
use organizations::domains::DomainState;
use organizations::organizations::{CreateOrganization, DomainData};
use sso::connections::{self, Connection, CreateConnection, OidcOptions, SamlOptions, Settings};
use store::Db;
use tempfile::TempDir;
use tower::ServiceExt;
use url::Url;
use zeroize::Zeroizing;

pub const ORIGIN: &str = "http://localhost:4100";
pub const CLIENT_SECRET: &str = "a secret: with % signs & more";

/// A development server with one organization, and a connection by each protocol to its own identity provider.
pub struct Fixture {
    pub app: App,
    pub environment: EnvironmentId,
    /// Another staging environment, and a production one.
    pub other: EnvironmentId,
    pub production: EnvironmentId,
    pub organization: OrganizationId,
    pub saml: Connection,
    pub oidc: Connection,
    router: Router,
    _folder: TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The parameters of the redirect, which must go to `target`.
    pub fn redirected_to(&self, target: &str) -> Vec<(String, String)> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        let location = Url::parse(self.header(header::LOCATION)).unwrap();
        let mut bare = location.clone();
        bare.set_query(None);
        assert_eq!(bare.as_str(), target);
        location.query_pairs().into_owned().collect()
    }

    /// Whether this is a redirect to exactly `path`.
    pub fn redirected_to_path(&self, path: &str) -> bool {
        self.status == StatusCode::SEE_OTHER && self.header(header::LOCATION) == path
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The value of one parameter.
pub fn value<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Form encoding.
pub fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Fixture {
    pub async fn new() -> Self {
        Self::named("Acme", "Acme SSO").await
    }

    /// With an organization and connections of these names.
    pub async fn named(organization: &str, connection: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = store::Config::Sqlite { path: folder.path().join("portcullis.db") };
        let db = Db::open(&database).await.unwrap();
        db.migrate().await.unwrap();
        let random = Random::seeded(1);
        let clock = Clock::manual(Timestamp(1_795_000_000_000));
        let keyring = Keyring::open(&db, &MasterKey::generate(&random), &clock, &random).await.unwrap();
        let config = Config {
            mode: Mode::Dev,
            public_url: Url::parse(ORIGIN).unwrap(),
            listen: SocketAddr::from(([127, 0, 0, 1], 4100)),
            database,
            outbound: OutboundConfig::loopback(),
            log: LogConfig::default(),
        };
        let mut extensions = http::Extensions::new();
        extensions.insert(Arc::new(access::signing_keys::Cache::default()));
        extensions.insert(Arc::new(sso::ProviderCache::default()));
        extensions.insert(Arc::new(DemoState::default()));
        let app = App::new(config, db, clock, random, keyring, extensions).unwrap();

        let environment = environment(&app, "A", Kind::Staging).await;
        let other = environment_only(&app, "B", Kind::Staging).await;
        let production = environment_only(&app, "C", Kind::Production).await;
        let organization = make_organization(&app, environment, organization).await;
        let saml = connect_saml(&app, environment, organization, connection, None).await;
        let oidc = connect_oidc(&app, environment, organization, connection).await;
        let routes = login::router().merge(login::dev_router()).merge(sso::router());
        let router = kernel::http::assemble(app.clone(), routes);
        Self { app, environment, other, production, organization, saml, oidc, router, _folder: folder }
    }

    pub fn settle_demo(&self, client_id: &str) {
        let demo = Demo {
            client_id: client_id.to_owned(),
            api_key: "sk_test_secret".to_owned(),
            saml_connection: self.saml.id,
            oidc_connection: self.oidc.id,
        };
        assert!(!format!("{demo:?}").contains("sk_test_secret"));
        self.app.state::<DemoState>().unwrap().0.set(demo).unwrap();
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], String::new()).await
    }

    pub async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, &[], encoded(pairs)).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let path = path.strip_prefix(ORIGIN).unwrap_or(path);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost:4100");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub fn provider(&self, path: &str) -> String {
        format!("/_idp/{}/{path}", self.environment)
    }

    pub fn acs_url(&self) -> &str {
        acs_url(&self.saml)
    }

    pub fn sp_entity_id(&self) -> &str {
        let Settings::Saml(saml) = &self.saml.settings else { panic!("not a SAML connection") };
        &saml.sp_entity_id
    }

    pub fn client_id(&self) -> &str {
        let Settings::Oidc(oidc) = &self.oidc.settings else { panic!("not an OIDC connection") };
        oidc.client_id.as_deref().unwrap()
    }

    pub fn client_redirect_uri(&self) -> &str {
        let Settings::Oidc(oidc) = &self.oidc.settings else { panic!("not an OIDC connection") };
        &oidc.redirect_uri
    }
}

pub fn acs_url(connection: &Connection) -> &str {
    let Settings::Saml(saml) = &connection.settings else { panic!("not a SAML connection") };
    &saml.acs_url
}

async fn environment_only(app: &App, name: &str, kind: Kind) -> EnvironmentId {
    kernel::transaction!(app, |tx| { environments::create(tx, app, name, kind).await }).unwrap().id
}

async fn environment(app: &App, name: &str, kind: Kind) -> EnvironmentId {
    let id = environment_only(app, name, kind).await;
    kernel::transaction!(app, |tx| {
        redirect_uris::create(tx, app, id, kind, "https://app.example.com/callback", false).await
    })
    .unwrap();
    id
}

fn scope(environment: EnvironmentId) -> Scope<'static> {
    const SYSTEM: Actor = Actor::System;
    Scope { environment, organization: None, actor: &SYSTEM }
}

async fn make_organization(app: &App, environment: EnvironmentId, name: &str) -> OrganizationId {
    let create = CreateOrganization {
        name: name.to_owned(),
        domain_data: Some(vec![DomainData { domain: "acme.test".into(), state: DomainState::Verified }]),
        ..CreateOrganization::default()
    };
    kernel::transaction!(app, |tx| {
        organizations::organizations::create(tx, app, scope(environment), create.clone()).await
    })
    .unwrap()
    .id
}

/// A SAML connection by the given metadata, or to the built-in identity provider.
pub async fn connect_saml(
    app: &App,
    environment: EnvironmentId,
    organization: OrganizationId,
    name: &str,
    metadata: Option<String>,
) -> Connection {
    let metadata = match metadata {
        Some(metadata) => metadata,
        None => login::saml_metadata(app, environment).await.unwrap(),
    };
    let create = CreateConnection {
        organization_id: Some(organization.to_string()),
        connection_type: Some("GenericSAML".into()),
        name: Some(name.to_owned()),
        saml_options: Some(SamlOptions { idp_metadata_xml: Some(metadata), ..SamlOptions::default() }),
        ..CreateConnection::default()
    };
    activated(app, environment, create).await
}

async fn connect_oidc(
    app: &App,
    environment: EnvironmentId,
    organization: OrganizationId,
    name: &str,
) -> Connection {
    let create = CreateConnection {
        organization_id: Some(organization.to_string()),
        connection_type: Some("GenericOIDC".into()),
        name: Some(name.to_owned()),
        oidc_options: Some(OidcOptions {
            discovery_endpoint: Some(login::oidc_discovery_url(app, environment)),
            client_id: Some("client one".into()),
            client_secret: Some(Zeroizing::new(CLIENT_SECRET.to_owned())),
            ..OidcOptions::default()
        }),
        ..CreateConnection::default()
    };
    activated(app, environment, create).await
}

async fn activated(app: &App, environment: EnvironmentId, create: CreateConnection) -> Connection {
    let made = connections::create(app, scope(environment), environment, create).await.unwrap();
    connections::enter_state(app, scope(environment), made, connections::State::Active).await.unwrap()
}
