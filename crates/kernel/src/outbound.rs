//! The one way out: every request we make on somebody's word (metadata, discovery, keys, tokens) goes
//! through this client.
//!
//! It resolves names itself, refuses addresses that aren't public unless the configuration allows them,
//! connects only to the address that was checked, checks each redirect again, and bounds time and size.
//! That keeps a metadata URL from becoming a probe of the network we run in (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, header};
use url::{Host, Url};

use crate::config::OutboundConfig;
use crate::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 3;
/// Largest answer that is read, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// Why a request to another server didn't give an answer. Display is meant for operators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    #[error("{0} is not an address this server may fetch: only http and https URLs without credentials")]
    Url(String),
    #[error("{0} uses plain http; https is required (setting `outbound.allow_http`)")]
    PlainHttp(String),
    #[error(
        "{host} is not a public address; if it is yours and meant to be reached, add its network to `outbound.allow`"
    )]
    Private { host: String },
    #[error("{host} redirected more than {MAX_REDIRECTS} times")]
    Redirects { host: String },
    #[error("{host} sent more than {MAX_BODY} bytes")]
    TooLarge { host: String },
    #[error("{host} did not answer in time")]
    Timeout { host: String },
    #[error("{host} could not be reached")]
    Unreachable { host: String },
}

impl OutboundError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "url_not_allowed",
            Self::PlainHttp(_) => "plain_http_not_allowed",
            Self::Private { .. } => "address_not_allowed",
            Self::Redirects { .. } => "too_many_redirects",
            Self::TooLarge { .. } => "response_too_large",
            Self::Timeout { .. } => "timeout",
            Self::Unreachable { .. } => "unreachable",
        }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Fetched {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// The guarded client; cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: Client,
    policy: Arc<Guard>,
}

#[derive(Debug)]
struct Guard {
    allow: Vec<IpNet>,
    allow_http: bool,
}

impl Outbound {
    /// A client that reaches public addresses over https and what `config` adds to them.
    pub fn new(config: &OutboundConfig) -> Result<Self> {
        let policy = Arc::new(Guard { allow: config.allow.clone(), allow_http: config.allow_http });
        #[expect(clippy::disallowed_methods, reason = "this is the one client")]
        let client = Client::builder()
            .dns_resolver(GuardedResolver(policy.clone()))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("Portcullis/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Internal(error.into()))?;
        Ok(Self { client, policy })
    }

    /// Whether `url` may be fetched as far as can be told without resolving its name; used when a URL is
    /// saved.
    pub fn check(&self, url: &str) -> Result<Url, OutboundError> {
        self.policy.check(url)
    }

    /// GET, following up to three redirects, each checked again, within ten seconds in all.
    pub async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Fetched, OutboundError> {
        let first = self.policy.check(url)?;
        let fetched = tokio::time::timeout(TOTAL_TIMEOUT, self.follow(&first, headers)).await;
        fetched.unwrap_or_else(|_elapsed| Err(OutboundError::Timeout { host: host(&first) }))
    }

    async fn follow(&self, first: &Url, headers: &[(&str, &str)]) -> Result<Fetched, OutboundError> {
        let mut url = first.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.client.request(Method::GET, url.clone());
            // Credentials stay with the origin they were meant for.
            if url.origin() == first.origin() {
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
            }
            let response = request.send().await.map_err(|error| failure(&url, &error))?;
            let location = response.status().is_redirection().then(|| {
                let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
                url.join(location).ok()
            });
            match location.flatten() {
                Some(next) => url = self.policy.check(next.as_str())?,
                None => return read(&url, response).await,
            }
        }
        Err(OutboundError::Redirects { host: host(first) })
    }

    /// POST of a form. Redirects aren't followed: they would carry credentials elsewhere.
    pub async fn post_form(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Fetched, OutboundError> {
        let url = self.policy.check(url)?;
        let mut request = self
            .client
            .request(Method::POST, url.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.map_err(|error| failure(&url, &error))?;
        read(&url, response).await
    }
}

async fn read(url: &Url, mut response: reqwest::Response) -> Result<Fetched, OutboundError> {
    let status = response.status().as_u16();
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(ToOwned::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(url, &error))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(OutboundError::TooLarge { host: host(url) });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Fetched { status, content_type, body })
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn failure(url: &Url, error: &reqwest::Error) -> OutboundError {
    let host = host(url);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.downcast_ref::<NotPublic>().is_some() {
            return OutboundError::Private { host };
        }
        source = cause.source();
    }
    if error.is_timeout() { OutboundError::Timeout { host } } else { OutboundError::Unreachable { host } }
}

impl Guard {
    fn check(&self, text: &str) -> Result<Url, OutboundError> {
        let refused = || OutboundError::Url(text.chars().take(200).collect());
        let url = Url::parse(text).map_err(|_| refused())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused());
        }
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => return Err(OutboundError::PlainHttp(url.to_string())),
            _ => return Err(refused()),
        }
        let address = match url.host().ok_or_else(refused)? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        // A literal address never meets the resolver, so it is checked here.
        if address.is_some_and(|address| !self.allows(address)) {
            return Err(OutboundError::Private { host: host(&url) });
        }
        Ok(url)
    }

    fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.allow.iter().any(|network| network.contains(&address))
    }
}

/// The name has only addresses that may not be dialled.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no public address")]
struct NotPublic;

#[derive(Debug)]
struct GuardedResolver(Arc<Guard>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // What is returned here is what is dialled: there is no second resolution to rebind.
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| guard.allows(address.ip())).collect();
            if allowed.is_empty() {
                // Not boxed twice: `failure` looks for the type.
                return Err(NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public internet (IANA special-purpose registries, RFC 6890 and after).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    match segments {
        // Addresses that carry an IPv4 address (mapped, NAT64, 6to4) reach wherever that one does.
        [0, 0, 0, 0, 0, 0xffff, ..] => address.to_ipv4_mapped().is_some_and(is_public_v4),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(embedded(high, low)),
        [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        // Only 2000::/3 is global unicast; documentation, benchmarking, ORCHID and Teredo are carved out.
        [0x2001, 0xdb8, ..] | [0x2001, 0..=0x1ff, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound() -> Outbound {
        Outbound::new(&OutboundConfig::default()).unwrap()
    }

    #[test]
    fn g1_addresses_that_are_not_public_are_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0",
            "0.0.0.0",
            "2130706433",
            "0x7f.1",
            "017700000001",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fc00::1]",
            "169.254.169.254",
            "[fd00:ec2::254]",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
        ] {
            let error = outbound().check(&format!("https://{host}/x")).unwrap_err();
            assert_eq!(error.code(), "address_not_allowed", "{host}");
        }
        assert!(outbound().check("https://93.184.216.34/").is_ok());
        assert!(outbound().check("https://[2606:2800:220:1:248:1893:25c8:1946]/").is_ok());
    }

    #[test]
    fn g4_only_https_without_credentials() {
        for (url, code) in [
            ("ftp://example.com", "url_not_allowed"),
            ("file:///etc/passwd", "url_not_allowed"),
            ("gopher://example.com", "url_not_allowed"),
            ("https://user@example.com", "url_not_allowed"),
            ("https://user:pw@example.com", "url_not_allowed"),
            ("not a url", "url_not_allowed"),
            ("http://example.com", "plain_http_not_allowed"),
        ] {
            assert_eq!(outbound().check(url).unwrap_err().code(), code, "{url}");
        }
    }

    #[tokio::test]
    async fn g1_names_of_this_machine_are_refused_when_dialled() {
        let error = outbound().get("https://localhost:1/", &[]).await.unwrap_err();
        assert_eq!(error.code(), "address_not_allowed");
        assert!(error.to_string().contains("outbound.allow"));
    }

    #[tokio::test]
    async fn g3_redirects_are_checked_again() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let _read = stream.read(&mut buffer).await.unwrap();
            let answer =
                "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let outbound = Outbound::new(&OutboundConfig::loopback()).unwrap();
        let error = outbound.get(&format!("http://127.0.0.1:{port}/"), &[]).await.unwrap_err();
        assert_eq!(error.code(), "address_not_allowed");
    }
}
