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

use crate::seed::{self, Seeded};
use crate::{assembly, listen, logging};

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
    let app = open(folder, port).await?;
    let seeded = seed::apply(&app, seed_file.as_ref()).await?;
    announce(&app, &seeded, options.json);
    listen::serve(listeners, assembly::router(app.clone())).await?;
    app.db.close().await;
    drop(app);
    if let Some(temporary) = temporary {
        temporary.close().context("removing the temporary folder")?;
    }
    Ok(())
}

/// Opens the app of a development folder, making what isn't there.
async fn open(folder: &Path, port: u16) -> Result<App, anyhow::Error> {
    std::fs::create_dir_all(folder).with_context(|| format!("the folder {}", folder.display()))?;
    let random = Random::system();
    let master_key = master_key(&folder.join("master.key"), &random)?;
    let config = Config {
        mode: Mode::Dev,
        public_url: Url::parse(&format!("http://localhost:{port}"))?,
        listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
        database: store::Config::Sqlite { path: folder.join("portcullis.db") },
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

fn announce(app: &App, seeded: &Seeded, as_json: bool) {
    let url = app.config.public_origin();
    if as_json {
        let line = json!({
            "url": url,
            "api_key": seed::API_KEY,
            "client_id": seeded.client_id,
            "environment_id": seeded.environment,
            "organization_id": seeded.organization,
            "test_idp_connection_id": seeded.test_idp_connection,
            "saml_connection_id": seeded.saml_connection,
            "oidc_connection_id": seeded.oidc_connection,
        });
        println!("{line}");
        return;
    }
    println!("Sign in at {url}/demo");
    println!();
    println!("  API            {url}");
    println!("  API key        {}", seed::API_KEY);
    println!("  Client ID      {}", seeded.client_id);
    println!("  Organization   {}  (example.com)", seeded.organization);
    println!("  Connections    {}  Test identity provider", seeded.test_idp_connection);
    println!("                 {}  SAML", seeded.saml_connection);
    println!("                 {}  OpenID Connect", seeded.oidc_connection);
    println!();
    println!("Point an SDK here:");
    println!(
        "  Node     new WorkOS('{}', {{ apiHostname: 'localhost', port: {}, https: false }})",
        seed::API_KEY,
        app.config.listen.port()
    );
    println!("  Python   WorkOSClient(api_key='{}', client_id='…', base_url='{url}/')", seed::API_KEY);
    println!();
    println!("Press Ctrl+C to stop.");
}
