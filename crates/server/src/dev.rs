//! `portcullis dev`: everything on this machine, seeded, with a known key. Listens on loopback only.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use kernel::config::{Config, LogConfig, LogFormat, Mode, OutboundConfig};
use kernel::crypto::MasterKey;
use kernel::random::Random;
use kernel::{App, Clock};
use serde_json::json;
use url::Url;

use crate::listen::{self, Stop};
use crate::seed::{self, Seeded};
use crate::{assembly, logging, output};

/// Files of the folder.
const DATABASE: &str = "portcullis.db";
const MASTER_KEY: &str = "master.key";

/// What `dev` was asked for.
#[derive(Debug)]
pub struct Options {
    pub port: u16,
    /// A temporary folder, removed at exit, instead of `data`.
    pub ephemeral: bool,
    pub data: PathBuf,
    pub seed: Option<PathBuf>,
    /// One JSON line instead of text for a person.
    pub json: bool,
}

/// Runs until interrupted.
pub async fn run(options: Options) -> Result<(), anyhow::Error> {
    let level = if options.json { "warn" } else { "warn,kernel=info" };
    logging::init(&LogConfig { format: LogFormat::Text, level: level.into() })?;
    let stop = Stop::on_signals()?;
    let seed_file = options.seed.as_deref().map(seed::read).transpose()?;
    let listener = listen::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), options.port)).await?;
    let port = listener.local_addr()?.port();
    let mut listeners = vec![listener];
    listeners.extend(listen::bind_loopback_v6(port).await);

    let temporary = if options.ephemeral {
        Some(tempfile::Builder::new().prefix("portcullis-").tempdir().context("a temporary folder")?)
    } else {
        None
    };
    let folder = temporary.as_ref().map_or(options.data.as_path(), |temporary| temporary.path());
    let is_new = !folder.join(DATABASE).exists();
    let app = open(folder, port).await?;
    let seeded = match seed::apply(&app, seed_file.as_ref()).await {
        Ok(seeded) => seeded,
        Err(error) => {
            app.db.close().await;
            if is_new {
                forget(folder);
            }
            return Err(error);
        }
    };
    output::print(&if options.json { line(&app, &seeded) } else { welcome(&app, &seeded) })?;
    listen::run(&app, listeners, stop).await;
    app.db.close().await;
    drop(app);
    if let Some(temporary) = temporary {
        temporary.close().context("removing the temporary folder")?;
    }
    Ok(())
}

/// Removes what a first start made before it failed, so that a mended seed file begins anew.
fn forget(folder: &Path) {
    for file in [DATABASE, "portcullis.db-wal", "portcullis.db-shm"] {
        // What isn't there need not go; what can't go is found at the next start.
        let _removed = std::fs::remove_file(folder.join(file));
    }
}

/// Opens the app of a development folder, making what isn't there.
async fn open(folder: &Path, port: u16) -> Result<App, anyhow::Error> {
    std::fs::create_dir_all(folder).with_context(|| format!("the folder {}", folder.display()))?;
    let random = Random::system();
    let master_key = master_key(&folder.join(MASTER_KEY), &random)?;
    let config = Config {
        mode: Mode::Dev,
        public_url: Url::parse(&format!("http://localhost:{port}"))?,
        listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
        database: store::Config::Sqlite { path: folder.join(DATABASE) },
        outbound: OutboundConfig::loopback(),
        log: LogConfig::default(),
    };
    assembly::app(config, &master_key, Clock::System, random).await
}

fn master_key(path: &Path, random: &Random) -> Result<MasterKey, anyhow::Error> {
    use std::io::Write;
    if path.exists() {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        return MasterKey::parse(&text);
    }
    let key = MasterKey::generate(random);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.encode().as_bytes())?;
    file.sync_all()?;
    Ok(key)
}

/// What a program that started us needs to know, in one line.
fn line(app: &App, seeded: &Seeded) -> String {
    let line = json!({
        "url": app.config.public_origin(),
        "api_key": seed::API_KEY,
        "client_id": seeded.client_id,
        "environment_id": seeded.environment,
        "organization_id": seeded.organization,
        "test_idp_connection_id": seeded.test_idp_connection,
        "saml_connection_id": seeded.saml_connection,
        "oidc_connection_id": seeded.oidc_connection,
    });
    format!("{line}\n")
}

fn welcome(app: &App, seeded: &Seeded) -> String {
    let url = app.config.public_origin();
    let port = app.config.listen.port();
    let key = seed::API_KEY;
    let Seeded { client_id, organization, test_idp_connection, saml_connection, oidc_connection, .. } =
        seeded;
    format!(
        "\
Sign in at {url}/demo

  API            {url}
  API key        {key}
  Client ID      {client_id}
  Organization   {organization}  (example.com)
  Connections    {test_idp_connection}  Test identity provider
                 {saml_connection}  SAML
                 {oidc_connection}  OpenID Connect

Point an SDK here:
  Node     new WorkOS('{key}', {{ apiHostname: 'localhost', port: {port}, https: false }})
  Python   WorkOSClient(api_key='{key}', client_id='…', base_url='{url}/')

Press Ctrl+C to stop.
"
    )
}
