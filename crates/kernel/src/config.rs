//! Typed configuration: a TOML file, then `PORTCULLIS_*` variables on top. Unknown keys refuse to start.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use ipnet::IpNet;
use serde::Deserialize;
use toml::{Table, Value};
use url::Url;
use zeroize::Zeroizing;

/// Prefix of every environment variable we read.
const PREFIX: &str = "PORTCULLIS_";

/// Variable suffix and the setting it sets.
const VARIABLES: [(&str, &[&str]); 10] = [
    ("PUBLIC_URL", &["public_url"]),
    ("LISTEN", &["listen"]),
    ("DATABASE_URL", &["database", "url"]),
    ("DATABASE_POOL_SIZE", &["database", "pool_size"]),
    ("MASTER_KEY", &["master_key"]),
    ("MASTER_KEY_FILE", &["master_key_file"]),
    ("OUTBOUND_ALLOW", &["outbound", "allow"]),
    ("OUTBOUND_ALLOW_HTTP", &["outbound", "allow_http"]),
    ("LOG_FORMAT", &["log", "format"]),
    ("LOG_LEVEL", &["log", "level"]),
];

/// Variables of ours that aren't settings: where the file is.
const NOT_SETTINGS: [&str; 1] = ["CONFIG"];

/// How the process was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `portcullis dev`: loopback only, known key, demo page, built-in identity provider.
    Dev,
    /// `portcullis serve`: production; has none of those doors.
    Serve,
}

/// Settings of a running process.
#[derive(Clone, Debug)]
pub struct Config {
    pub mode: Mode,
    /// The origin people and identity providers reach us at; every absolute URL begins with it.
    pub public_url: Url,
    pub listen: SocketAddr,
    pub database: store::Config,
    pub outbound: OutboundConfig,
    pub log: LogConfig,
}

impl Config {
    /// `scheme://host[:port]`, without a trailing slash.
    pub fn public_origin(&self) -> String {
        self.public_url.origin().ascii_serialization()
    }

    /// Whether the doors of `portcullis dev` exist.
    pub fn is_dev(&self) -> bool {
        self.mode == Mode::Dev
    }
}

/// Which targets our own requests may reach beyond public addresses over https.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundConfig {
    /// Networks that may be reached although they aren't public, for example `10.20.0.0/16`.
    pub allow: Vec<IpNet>,
    /// Whether plain http may be used.
    pub allow_http: bool,
}

impl OutboundConfig {
    /// What `portcullis dev` uses: this machine may be reached, over http too.
    pub fn loopback() -> Self {
        let v4 = IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8);
        let v6 = IpNet::from(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST));
        Self { allow: vec![v4, v6], allow_http: true }
    }
}

/// How log lines look.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    pub format: LogFormat,
    /// A `tracing` filter, for example `info` or `info,sso=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".into() }
    }
}

/// One JSON object a line, or text for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

/// The file as written, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    public_url: Option<Url>,
    #[serde(default = "default_listen")]
    listen: SocketAddr,
    #[serde(default)]
    database: DatabaseFile,
    master_key: Option<Zeroizing<String>>,
    master_key_file: Option<PathBuf>,
    #[serde(default)]
    outbound: OutboundConfig,
    #[serde(default)]
    log: LogConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DatabaseFile {
    url: String,
    pool_size: usize,
}

impl Default for DatabaseFile {
    fn default() -> Self {
        Self { url: "sqlite:portcullis-data/portcullis.db".into(), pool_size: 16 }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 4100))
}

/// Where the master key is to be had.
pub enum MasterKeySource {
    Value(Zeroizing<String>),
    File(PathBuf),
}

impl fmt::Debug for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(redacted)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl MasterKeySource {
    /// Reads the key's text.
    pub fn read(&self) -> Result<Zeroizing<String>, anyhow::Error> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::File(path) => std::fs::read_to_string(path)
                .map(Zeroizing::new)
                .with_context(|| format!("the master key file {}", path.display())),
        }
    }
}

/// This process's variables that are ours, as [`load`] takes them.
pub fn variables() -> Result<Vec<(String, String)>, anyhow::Error> {
    // Names and values of others may be anything, also no text.
    let ours = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    ours.map(|(name, value)| {
        let name = name.into_string().map_err(|name| anyhow!("unknown variable {}", name.display()))?;
        let value = value.into_string().map_err(|_| anyhow!("{name} is not valid UTF-8"))?;
        Ok((name, value))
    })
    .collect()
}

/// Reads the production configuration from the text of a TOML file and the environment's variables.
pub fn load(
    file: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(Config, MasterKeySource), anyhow::Error> {
    // Only the message: the error's own text shows the line, which may hold a secret.
    let mut table: Table = file.parse().map_err(|error: toml::de::Error| {
        anyhow!("the configuration file isn't TOML: {}", first_line(error.message()))
    })?;
    overlay(&mut table, variables)?;
    let file: File = table.try_into().map_err(|error: toml::de::Error| {
        anyhow!("the configuration can't be used: {}", first_line(error.message()))
    })?;

    let public_url =
        file.public_url.context("public_url is not set: the address people reach this server at")?;
    check_public_url(&public_url)?;
    let master_key = match (file.master_key, file.master_key_file) {
        (Some(value), None) => MasterKeySource::Value(value),
        (None, Some(path)) => MasterKeySource::File(path),
        (Some(_), Some(_)) => bail!("master_key and master_key_file are both set: keep one"),
        (None, None) => bail!(
            "no master key: set master_key_file (or PORTCULLIS_MASTER_KEY); `portcullis key master` prints a new one"
        ),
    };
    let config = Config {
        mode: Mode::Serve,
        public_url,
        listen: file.listen,
        database: database(&file.database.url, file.database.pool_size)?,
        outbound: file.outbound,
        log: file.log,
    };
    Ok((config, master_key))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn overlay(
    table: &mut Table,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(), anyhow::Error> {
    for (name, value) in variables {
        let Some(suffix) = name.strip_prefix(PREFIX) else { continue };
        if NOT_SETTINGS.contains(&suffix) {
            continue;
        }
        let path = VARIABLES
            .iter()
            .find_map(|(variable, path)| (*variable == suffix).then_some(*path))
            .ok_or_else(|| anyhow!("unknown variable {name}"))?;
        let value = match suffix {
            "DATABASE_POOL_SIZE" => Value::Integer(value.parse().with_context(|| name.clone())?),
            "OUTBOUND_ALLOW_HTTP" => Value::Boolean(value.parse().with_context(|| name.clone())?),
            "OUTBOUND_ALLOW" => Value::Array(
                value.split(',').map(|network| Value::String(network.trim().to_owned())).collect(),
            ),
            _ => Value::String(value),
        };
        set(table, path, value);
    }
    Ok(())
}

fn set(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [name] => {
            table.insert((*name).to_owned(), value);
        }
        [name, rest @ ..] => {
            let inner = table.entry((*name).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

fn check_public_url(url: &Url) -> Result<(), anyhow::Error> {
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        bail!("public_url must be an origin without a path: SDKs can't have a path prefix");
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("public_url must not hold credentials");
    }
    match url.scheme() {
        "https" => Ok(()),
        _ => bail!("public_url must be https: browsers and identity providers send secrets to it"),
    }
}

/// Reads `sqlite:PATH` or `postgres://…`.
pub fn database(url: &str, pool_size: usize) -> Result<store::Config, anyhow::Error> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        if path.is_empty() {
            bail!("database.url names no file: sqlite:PATH");
        }
        return Ok(store::Config::Sqlite { path: path.into() });
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(store::Config::Postgres { url: url.to_owned(), pool_size, schema: None });
    }
    bail!("database.url must begin with sqlite: or postgres://")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "public_url = 'https://auth.example.com'\nmaster_key_file = '/run/key'\n";

    fn refusal(file: &str, variables: &[(&str, &str)]) -> String {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        format!("{:#}", load(file, variables).unwrap_err())
    }

    #[test]
    fn variables_outrank_the_file() {
        let variables = [
            ("PORTCULLIS_DATABASE_URL", "postgres://db/p"),
            ("PORTCULLIS_OUTBOUND_ALLOW", "10.0.0.0/8, ::1/128"),
            ("HOME", "/root"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (config, _) = load(GOOD, variables).unwrap();
        assert!(matches!(config.database, store::Config::Postgres { .. }));
        assert_eq!(config.outbound.allow.len(), 2);
        assert_eq!(config.public_origin(), "https://auth.example.com");
    }

    #[test]
    fn unknown_keys_and_insecure_values_refuse_to_start() {
        assert!(refusal("", &[]).contains("public_url"));
        assert!(refusal("public_url = 'https://a.example'", &[]).contains("master key"));
        assert!(refusal("public_url = 'http://a.example'\nmaster_key = 'x'", &[]).contains("https"));
        assert!(refusal("public_url = 'https://a.example/x'\nmaster_key = 'x'", &[]).contains("path"));
        assert!(refusal(&format!("{GOOD}colour = 1"), &[]).contains("colour"));
        assert!(refusal(&format!("{GOOD}[outbound]\nallowed = []"), &[]).contains("allowed"));
        assert!(refusal(GOOD, &[("PORTCULLIS_COLOUR", "red")]).contains("PORTCULLIS_COLOUR"));
        assert!(refusal(GOOD, &[("PORTCULLIS_MASTER_KEY", "x")]).contains("both"));
        assert!(refusal(GOOD, &[("PORTCULLIS_DATABASE_URL", "mysql://x")]).contains("database.url"));
        assert!(refusal("public_url = 'nonsense'", &[]).contains("URL"));
    }

    #[test]
    fn refusals_are_one_line_and_show_no_secret() {
        for file in ["master_key = 'hunter2", "master_key = 'hunter2'\nmaster_key = 'hunter2'", "a = hunter2"]
        {
            let text = refusal(file, &[]);
            assert!(!text.contains("hunter2") && !text.contains('\n'), "{text}");
        }
    }
}
