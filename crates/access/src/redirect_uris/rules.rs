//! Which URIs may be registered, and which ones a registered wildcard covers.

use std::net::IpAddr;

use kernel::{Error, Result};
use url::{Host, Url};

use crate::Kind;

const MAX_LENGTH: usize = 2048;

/// Checks a URI to be registered; says whether it has a wildcard.
///
/// Only the spelling a URL parser would itself print is taken (lower-case punycode host, no dot segments,
/// no backslashes), so that comparing strings later is comparing URLs.
pub fn check(uri: &str, kind: Kind) -> Result<bool> {
    let refuse = |why: &str| Err(Error::unprocessable(format!("Redirect URI '{uri}' {why}.")));
    if uri.len() > MAX_LENGTH {
        return Err(Error::unprocessable("The redirect URI is too long."));
    }
    let wildcards = uri.matches('*').count();
    if wildcards > 1 {
        return refuse("has more than one wildcard");
    }
    let port_wildcard = authority(uri).contains(":*");
    let concrete = uri.replacen('*', if port_wildcard { "1" } else { "w" }, 1);
    let Ok(url) = Url::parse(&concrete) else { return refuse("is not a URL") };
    let printed = url.as_str();
    // A port the parser would drop (`:80` of a wildcard made 1) can't occur: 1 is no scheme's default.
    if printed != concrete && printed.strip_suffix('/') != Some(&concrete) {
        return refuse("is not in canonical form");
    }
    if url.fragment().is_some() || concrete.contains('#') {
        return refuse("has a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() || concrete.contains('@') {
        return refuse("has credentials");
    }
    let Some(host) = url.host() else { return refuse("has no host") };
    match url.scheme() {
        "https" => {}
        "http" if kind == Kind::Staging || is_loopback_v4(&host) => {}
        "http" => return refuse("must use https in production"),
        _ => return refuse("must use http or https"),
    }
    if wildcards == 0 {
        return Ok(false);
    }
    if port_wildcard {
        let local = matches!(&host, Host::Domain(name) if *name == "localhost") || is_loopback(&host);
        if !local || !authority(uri).ends_with(":*") {
            return refuse("may have a wildcard port only on localhost or a loopback address");
        }
        return Ok(true);
    }
    check_host_wildcard(uri, kind, &url).map_or_else(refuse, |()| Ok(true))
}

fn check_host_wildcard(uri: &str, kind: Kind, url: &Url) -> Result<(), &'static str> {
    if kind == Kind::Production && url.scheme() != "https" {
        return Err("must use https");
    }
    let host = authority(uri).split(':').next().unwrap_or_default();
    let Some((label, parent)) = host.split_once('.') else {
        return Err("may have a wildcard only in a subdomain");
    };
    if !label.contains('*') {
        return Err("may have a wildcard only in the left-most label");
    }
    // `*.co.uk` or `*.ngrok-free.app` would hand sign-ins to strangers.
    if !parent.contains('.') || psl::suffix_str(parent) == Some(parent) {
        return Err("may not have a wildcard directly below a public suffix");
    }
    Ok(())
}

/// What stands between `://` and the path: host and port.
fn authority(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
        Host::Domain(_) => false,
    }
}

fn is_loopback_v4(host: &Host<&str>) -> bool {
    matches!(host, Host::Ipv4(address) if *address == std::net::Ipv4Addr::LOCALHOST)
}

/// Whether `uri` is what `pattern` (registered, with one `*`) covers: the same text but for one part of a
/// label, or one port number.
pub fn matches(pattern: &str, uri: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return false };
    let Some(middle) = uri.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else {
        return false;
    };
    if before.ends_with(':') {
        return middle.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == middle);
    }
    !middle.is_empty()
        && middle.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_by_the_rules_of_the_kind_of_environment() {
        for (uri, staging, production) in [
            ("https://example.com/cb", true, true),
            ("https://example.com", true, true),
            ("http://127.0.0.1:3000/cb", true, true),
            ("http://localhost:3000/cb", true, false),
            ("http://example.com/cb", true, false),
            ("https://*.sub.example.com/cb", true, true),
            ("https://pre-*-post.example.com/cb", true, true),
            ("http://*.example.com/cb", true, false),
            ("http://localhost:*/cb", true, false),
            ("http://127.0.0.1:*/cb", true, true),
            ("https://example.com:*/cb", false, false),
            ("http://localhost/cb:*", false, false),
            ("http://localhost/cb?port=:*", false, false),
            ("http://localhost:3*/cb", false, false),
            ("http://localhost:*@evil.test/cb", false, false),
            ("http://*:*/cb", false, false),
            ("https://sub.*.example.com/cb", false, false),
            ("https://*.*.example.com/cb", false, false),
            ("https://*.com/cb", false, false),
            ("https://*.co.uk/cb", false, false),
            ("https://*/cb", false, false),
            ("https://example.com/*", false, false),
            ("https://*.example.com:8443/cb?x=y", true, true),
            ("https://example.com/cb#top", false, false),
            ("https://example.com/cb#", false, false),
            ("https://user@example.com/cb", false, false),
            ("https://EXAMPLE.com/cb", false, false),
            ("https://example.com/a/../cb", false, false),
            ("https://example.com\\@evil.test/cb", false, false),
            ("https://bücher.example/cb", false, false),
            ("https://xn--bcher-kva.example/cb", true, true),
            ("javascript:alert(1)", false, false),
            ("myapp://cb", false, false),
            ("/cb", false, false),
            ("", false, false),
        ] {
            assert_eq!(check(uri, Kind::Staging).is_ok(), staging, "staging {uri}");
            assert_eq!(check(uri, Kind::Production).is_ok(), production, "production {uri}");
        }
    }

    #[test]
    fn a1_wildcards_cover_one_label_or_one_port() {
        let host = "https://*.example.com/cb";
        for (uri, covered) in [
            ("https://a.example.com/cb", true),
            ("https://a_b-1.example.com/cb", true),
            ("https://a.b.example.com/cb", false),
            ("https://.example.com/cb", false),
            ("https://evil.test/?.example.com/cb", false),
            ("https://evil.test\\.example.com/cb", false),
            ("https://evil.test%2f.example.com/cb", false),
            ("https://u@a.example.com/cb", false),
            ("https://a.example.com/cb/", false),
            ("https://a.example.com/cb?x", false),
        ] {
            assert_eq!(matches(host, uri), covered, "{uri}");
        }
        let port = "http://localhost:*/cb";
        for (uri, covered) in [
            ("http://localhost:3000/cb", true),
            ("http://localhost:0/cb", false),
            ("http://localhost:03000/cb", false),
            ("http://localhost:65536/cb", false),
            ("http://localhost:/cb", false),
            ("http://localhost:80@evil.test/cb", false),
        ] {
            assert_eq!(matches(port, uri), covered, "{uri}");
        }
    }
}
