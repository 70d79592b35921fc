//! The certificates whose keys a SAML connection trusts.

use std::collections::HashMap;
use std::sync::RwLock;

use kernel::ids::{ConnectionId, EnvironmentId, SamlCertificateId};
use kernel::{App, Error, Result};
use saml::certificate::Certificate;
use store::{Db, FromRow, Row, Tx, params};

/// Most certificates a connection may have at once.
pub const MAX_CERTIFICATES: usize = 20;
const MAX_CACHED: usize = 10_000;

/// Parsed certificates by id; a row never changes, so an entry never goes stale.
#[derive(Debug, Default)]
pub struct Cache(RwLock<HashMap<SamlCertificateId, Certificate>>);

struct CertificateRow {
    id: SamlCertificateId,
    value: String,
}

impl FromRow for CertificateRow {
    fn from_row(row: &mut Row<'_>) -> Result<Self, store::Error> {
        Ok(Self { id: row.next()?, value: row.next()? })
    }
}

/// The certificates in force now, read with each sign-in so that a removed one is out at once on every
/// node; those that have expired are left out.
pub async fn trusted(app: &App, connection: ConnectionId) -> Result<Vec<Certificate>> {
    let rows: Vec<CertificateRow> = app
        .db
        .read(
            "SELECT id, value FROM saml_idp_certificates \
             WHERE connection_id = $1 AND not_after > $2 ORDER BY created_at, id",
            params![connection, app.clock.now()],
        )
        .await?;
    let cache: &crate::ProviderCache = app.state()?;
    let cache = &cache.certificates;
    rows.into_iter()
        .map(|row| {
            if let Some(found) =
                cache.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&row.id)
            {
                return Ok(found.clone());
            }
            let certificate = Certificate::parse_pem(&row.value)
                .map_err(|error| Error::internal(format!("stored certificate {}: {error}", row.id)))?;
            let mut entries = cache.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            if entries.len() >= MAX_CACHED {
                entries.clear();
            }
            entries.insert(row.id, certificate.clone());
            Ok(certificate)
        })
        .collect()
}

/// All certificates of a connection as PEM, oldest first.
pub(super) async fn pems(db: &Db, connection: ConnectionId) -> Result<Vec<String>> {
    Ok(db
        .read(
            "SELECT value FROM saml_idp_certificates WHERE connection_id = $1 ORDER BY created_at, id",
            params![connection],
        )
        .await?)
}

/// Makes a connection's certificates exactly these.
pub(super) async fn replace(
    tx: &mut Tx,
    app: &App,
    environment: EnvironmentId,
    connection: ConnectionId,
    certificates: &[Certificate],
) -> Result<()> {
    tx.execute("DELETE FROM saml_idp_certificates WHERE connection_id = $1", params![connection]).await?;
    for certificate in certificates {
        tx.execute(
            "INSERT INTO saml_idp_certificates (id, environment_id, connection_id, value, fingerprint, \
             not_before, not_after, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT DO NOTHING",
            params![
                SamlCertificateId::generate(app),
                environment,
                connection,
                certificate.pem(),
                certificate.fingerprint_sha256(),
                certificate.not_before(),
                certificate.not_after(),
                app.clock.now()
            ],
        )
        .await?;
    }
    Ok(())
}

/// Whether a connection has any certificate.
pub(super) async fn any(tx: &mut Tx, connection: ConnectionId) -> Result<bool> {
    let found: Option<i64> = tx
        .query_one(
            "SELECT 1 FROM saml_idp_certificates WHERE connection_id = $1 LIMIT 1",
            params![connection],
        )
        .await?;
    Ok(found.is_some())
}
