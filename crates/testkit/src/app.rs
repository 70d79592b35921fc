use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use access::{Kind, api_keys, environments, redirect_uris};
use axum::Router;
use http::Method;
use kernel::config::{Config, LogConfig, Mode, OutboundConfig};
use kernel::crypto::MasterKey;
use kernel::ids::EnvironmentId;
use kernel::random::Random;
use kernel::{App, Clock, Timestamp};
use serde_json::{Value, json};
use store::Db;
use tempfile::TempDir;
use url::Url;

use crate::{Answer, Request};

/// The application's callback in tests; registered in both environments.
pub const CALLBACK: &str = "https://app.example.com/callback";

/// An environment with a key.
#[derive(Clone, Debug)]
pub struct Environment {
    pub id: EnvironmentId,
    pub client_id: String,
    pub secret: String,
}

/// The whole application over a database of its own.
pub struct TestApp {
    pub app: App,
    /// The environment requests are made in unless they say otherwise.
    pub a: Environment,
    /// Another environment of the same deployment.
    pub b: Environment,
    router: Router,
    master_key: MasterKey,
    /// Where SQLite's file is; gone with the last node that uses it.
    folder: Arc<TempDir>,
}

impl fmt::Debug for TestApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestApp").field("a", &self.a).finish_non_exhaustive()
    }
}

impl TestApp {
    /// A production app at `https://auth.example.com` that may reach this machine, where fakes listen.
    pub async fn new() -> Self {
        Self::start(Mode::Serve, "https://auth.example.com", OutboundConfig::loopback()).await
    }

    /// A production app that may reach public addresses only, as one does without configuration.
    pub async fn guarded() -> Self {
        Self::start(Mode::Serve, "https://auth.example.com", OutboundConfig::default()).await
    }

    /// A development app at `http://localhost:4100`, with its built-in identity provider.
    pub async fn dev() -> Self {
        Self::start(Mode::Dev, "http://localhost:4100", OutboundConfig::loopback()).await
    }

    async fn start(mode: Mode, public_url: &str, outbound: OutboundConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            mode,
            public_url: Url::parse(public_url).unwrap(),
            listen: SocketAddr::from(([127, 0, 0, 1], 4100)),
            database: database(&folder).await,
            outbound,
            log: LogConfig::default(),
        };
        let random = Random::seeded(7);
        let master_key = MasterKey::generate(&random);
        let clock = Clock::manual(now());
        let app = server::assembly::app(config, &master_key, clock, random).await.unwrap();
        let a = environment(&app, "A", Kind::Staging).await;
        let b = environment(&app, "B", Kind::Staging).await;
        let router = server::assembly::router(app.clone());
        Self { router, app, a, b, master_key, folder: Arc::new(folder) }
    }

    /// Another process on the same database and by the same clock: a second node, or the first one after a
    /// restart, which remembers nothing but what is stored.
    pub async fn another_node(&self) -> Self {
        let random = Random::seeded(u64::from_be_bytes(self.app.random.bytes()));
        let (config, clock) = (self.app.config.clone(), self.app.clock.clone());
        let app = server::assembly::app(config, &self.master_key, clock, random).await.unwrap();
        Self {
            router: server::assembly::router(app.clone()),
            app,
            a: self.a.clone(),
            b: self.b.clone(),
            master_key: self.master_key.clone(),
            folder: self.folder.clone(),
        }
    }

    /// Moves the clock on by `millis`.
    pub fn advance(&self, millis: i64) {
        self.app.clock.advance(millis);
    }

    /// A request with environment A's key.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request {
        let host = Url::parse(&self.app.config.public_origin()).unwrap();
        let host = host[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        Request::new(self.router.clone(), host, method, path.into()).key(&self.a.secret)
    }

    /// `GET` with environment A's key.
    pub async fn get(&self, path: impl Into<String>) -> Answer {
        self.request(Method::GET, path).send().await
    }

    /// `POST` of JSON with environment A's key.
    pub async fn post(&self, path: impl Into<String>, body: Value) -> Answer {
        self.request(Method::POST, path).json(&body).send().await
    }

    /// `PUT` of JSON with environment A's key.
    pub async fn put(&self, path: impl Into<String>, body: Value) -> Answer {
        self.request(Method::PUT, path).json(&body).send().await
    }

    /// `PATCH` of JSON with environment A's key.
    pub async fn patch(&self, path: impl Into<String>, body: Value) -> Answer {
        self.request(Method::PATCH, path).json(&body).send().await
    }

    /// `DELETE` with environment A's key.
    pub async fn delete(&self, path: impl Into<String>) -> Answer {
        self.request(Method::DELETE, path).send().await
    }

    /// Makes an organization with verified domains and gives its id.
    pub async fn organization(&self, name: &str, domains: &[&str]) -> String {
        let data: Vec<Value> =
            domains.iter().map(|domain| json!({ "domain": domain, "state": "verified" })).collect();
        let made = self.post("/organizations", json!({ "name": name, "domain_data": data })).await;
        made.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// The events of environment A so far, oldest first: type and data.
    pub async fn events(&self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        let mut path = "/events?limit=100".to_owned();
        loop {
            let page = self.get(path).await.expect(200);
            for event in page["data"].as_array().unwrap() {
                events.push((event["event"].as_str().unwrap().to_owned(), event["data"].clone()));
            }
            match page["list_metadata"]["after"].as_str() {
                Some(after) => path = format!("/events?limit=100&after={after}"),
                None => return events,
            }
        }
    }

    /// The types of the events of environment A so far, oldest first.
    pub async fn event_types(&self) -> Vec<String> {
        self.events().await.into_iter().map(|(name, _)| name).collect()
    }
}

/// Real certificates and documents carry real times, so tests begin now and stand still from then on.
#[expect(clippy::disallowed_methods, reason = "the one place where a test looks at the wall clock")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

async fn database(folder: &TempDir) -> store::Config {
    match std::env::var("PORTCULLIS_TEST_DATABASE").as_deref() {
        Ok("postgres") => {
            let url = std::env::var("PORTCULLIS_TEST_POSTGRES")
                .expect("PORTCULLIS_TEST_POSTGRES names the cluster");
            let schema = format!("t_{}", Random::system().alphanumeric(16).to_ascii_lowercase());
            let public = store::Config::Postgres { url: url.clone(), pool_size: 2, schema: None };
            let db = Db::open(&public).await.unwrap();
            db.run_script(&format!("CREATE SCHEMA {schema}")).await.unwrap();
            db.close().await;
            store::Config::Postgres { url, pool_size: 8, schema: Some(schema) }
        }
        Ok("sqlite") | Err(_) => store::Config::Sqlite { path: folder.path().join("test.db") },
        Ok(other) => panic!("PORTCULLIS_TEST_DATABASE is sqlite or postgres, not {other}"),
    }
}

async fn environment(app: &App, name: &str, kind: Kind) -> Environment {
    let made: kernel::Result<_> = kernel::transaction!(app, |tx| {
        let environment = environments::create(tx, app, name, kind).await?;
        let key = api_keys::create(tx, app, environment.id, kind, "Test").await?;
        redirect_uris::create(tx, app, environment.id, kind, CALLBACK, false).await?;
        Ok((environment, key))
    });
    let (environment, key) = made.unwrap();
    Environment {
        id: environment.id,
        client_id: environment.client_id.to_string(),
        secret: key.secret.as_str().to_owned(),
    }
}
