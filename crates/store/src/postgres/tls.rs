//! TLS to the database server.
//!
//! `sslmode` is `disable`, or one of `require`, `verify-ca` and `verify-full`, which all verify the certificate and the
//! host's name: encryption to whoever answers protects nobody. There is no `prefer`, which anyone on the way can turn
//! off. Without `sslmode`, TLS is required unless the server is on this machine.

use std::net::IpAddr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;

/// How connections are protected.
#[derive(Clone)]
pub(super) enum Tls {
    Off,
    On(MakeRustlsConnect),
}

/// Reads the URL, and what of it is ours and not the driver's.
pub(super) fn configure(url: &str) -> Result<(Config, Tls), Error> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(Error::other("the database URL must begin with postgres://"));
    }
    let (server, options) = url.split_once('?').unwrap_or((url, ""));
    let mut mode = None;
    let mut roots = None;
    let mut kept = Vec::new();
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", value)) => roots = Some(percent_decode_str(value).decode_utf8_lossy()),
            _ => kept.push(option),
        }
    }
    let mut config: Config = format!("{server}?{}", kept.join("&"))
        .parse()
        // The driver's message names the option, not its value.
        .map_err(|error: tokio_postgres::Error| Error::Other(Arc::new(error)))?;
    let required = match mode {
        Some("disable") => false,
        Some("require" | "verify-ca" | "verify-full") => true,
        None => !is_local(&config),
        Some(_) => return Err(Error::other("sslmode must be disable, require, verify-ca or verify-full")),
    };
    if !required {
        config.ssl_mode(SslMode::Disable);
        return Ok((config, Tls::Off));
    }
    config.ssl_mode(SslMode::Require);
    let client = client(roots.as_deref().filter(|roots| *roots != "system"))?;
    Ok((config, Tls::On(MakeRustlsConnect::new(client))))
}

/// Whether what is sent stays on this machine.
fn is_local(config: &Config) -> bool {
    config.get_hostaddrs().iter().all(IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        })
}

/// Trusts the certificates in the file `roots`, or those that the system trusts.
fn client(roots: Option<&str>) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Other(Arc::new(error)))?;
    let Some(path) = roots else {
        return Ok(builder
            .with_platform_verifier()
            .map_err(|error| Error::Other(Arc::new(error)))?
            .with_no_client_auth());
    };
    let mut store = RootCertStore::empty();
    let unreadable = |error: &dyn std::fmt::Display| Error::other(format!("sslrootcert {path}: {error}"));
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        store.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if store.is_empty() {
        return Err(unreadable(&"holds no certificate"));
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::{Tls, configure};

    #[test]
    fn configure_requires_tls_off_this_machine() {
        for (url, on) in [
            ("postgres://u:p@localhost/db", false),
            ("postgres://u:p@127.0.0.1:5433/db", false),
            ("postgres://u:p@[::1]/db", false),
            ("postgres:///db?host=/run/postgresql", false),
            ("postgres://u:p@db.example.com/db", true),
            ("postgres://u:p@localhost,db.example.com/db", true),
            ("postgres://u:p@localhost/db?hostaddr=192.0.2.1", true),
            ("postgres://u:p@db.example.com/db?sslmode=disable", false),
            ("postgres://u:p@localhost/db?sslmode=require&application_name=x", true),
            ("postgresql://u:p@db.example.com/db?sslmode=verify-full&sslrootcert=system", true),
        ] {
            let (_, tls) = configure(url).unwrap();
            assert_eq!(matches!(tls, Tls::On(_)), on, "{url}");
        }
    }

    #[test]
    fn configure_rejects_what_it_does_not_know() {
        for url in [
            "host=localhost",
            "postgres://u:p@localhost/db?sslmode=prefer",
            "postgres://u:p@localhost/db?sslmode=require&sslrootcert=/nowhere",
            "postgres://u:p@localhost/db?unheard=of",
        ] {
            assert!(configure(url).is_err(), "{url}");
        }
    }

    #[test]
    fn configure_leaves_the_other_options_to_the_driver() {
        let (config, _) =
            configure("postgres://u:p%40ss@localhost/db?sslmode=disable&application_name=a%20b").unwrap();
        assert_eq!(config.get_application_name(), Some("a b"));
        assert_eq!(config.get_password(), Some(b"p@ss".as_slice()));
    }
}
