//! TLS to the server, through a proxy that ends it in front of the real one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use store::{Config, Db, Error, params, transaction};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::harness::postgres_url;

/// `user[:password]`, `host:port` and the rest of a URL.
fn parts(url: &str) -> (&str, &str, &str) {
    let (_, rest) = url.split_once("://").unwrap();
    let (user, rest) = rest.split_once('@').unwrap();
    let (host, rest) = rest.split_once('/').unwrap();
    (user, host, rest.split('?').next().unwrap())
}

/// Accepts TLS as PostgreSQL does, with a certificate for `localhost` which it writes to `roots`.
async fn proxy(server: String, roots: &Path) -> u16 {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(roots, cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                // SSLRequest: a length of 8 and the code 80877103 (PostgreSQL manual, message formats).
                let mut request = [0; 8];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request, [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
                client.write_all(b"S").await.unwrap();
                // Clients that do not trust the certificate hang up.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

async fn open(url: String) -> Result<Db, Error> {
    Db::open(&Config::Postgres { url, pool_size: 2, schema: None }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_that_proves_its_name_is_talked_to() {
    let Some(url) = postgres_url() else { return };
    let (user, server, database) = parts(&url);
    let folder = tempfile::tempdir().unwrap();
    let (roots, others) = (folder.path().join("roots.pem"), folder.path().join("others.pem"));
    let port = proxy(server.to_owned(), &roots).await;
    proxy(server.to_owned(), &others).await;
    let (roots, others) = (roots.display(), others.display());

    for mode in ["require", "verify-ca", "verify-full"] {
        let options = format!("sslmode={mode}&sslrootcert={roots}");
        let db = open(format!("postgres://{user}@localhost:{port}/{database}?{options}")).await.unwrap();
        let result: Result<Option<i64>, Error> =
            transaction!(db, |tx| { tx.query_one("SELECT CAST($1 AS BIGINT)", params![7_i64]).await });
        assert_eq!(result.unwrap(), Some(7));
        // Requests to stop a statement are encrypted, too.
        for _ in 0..3 {
            let slept = tokio::time::timeout(
                Duration::from_millis(50),
                db.scan::<String>("SELECT pg_sleep(20)::text", &[]),
            );
            assert!(slept.await.is_err());
        }
        db.close().await;
    }
    for (host, options) in [
        ("localhost", format!("sslmode=require&sslrootcert={others}")),
        ("localhost", "sslmode=require".to_owned()),
        // Its certificate is not for this name.
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={roots}")),
    ] {
        let refused = open(format!("postgres://{user}@{host}:{port}/{database}?{options}")).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    }
    // The server itself has no TLS, in the tests: nothing is sent to it.
    let plain =
        open(format!("postgres://{user}@{server}/{database}?sslmode=require&sslrootcert={roots}")).await;
    assert!(matches!(plain, Err(Error::Unavailable(_))), "{plain:?}");
}
