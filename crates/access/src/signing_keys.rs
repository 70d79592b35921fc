//! The RSA keys an environment signs with: SSO tokens, and the built-in identity provider's answers.
//!
//! A key is made when it is first needed, because making one takes longer than a cold start may. Private
//! keys are sealed at rest; parsed ones are cached by id, and which id is active is read with each request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, RwLock};

use anyhow::{Context, anyhow};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use kernel::ids::{EnvironmentId, SigningKeyId};
use kernel::{App, Error, Result};
use oidc::jws;
use rcgen::{CertificateParams, DistinguishedName, DnType, PKCS_RSA_SHA256};
use serde_json::Value;
use store::{FromRow, Row, params};
use zeroize::Zeroizing;

/// What a key is for; keys of one purpose never sign for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// SSO access tokens.
    Sso,
    /// Assertions and ID tokens of the built-in identity provider.
    BuiltInIdp,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sso => "sso",
            Self::BuiltInIdp => "built_in_idp",
        }
    }
}

/// A key ready to sign, with its certificate.
#[derive(Clone)]
pub struct SigningKey {
    pub jwt: jws::SigningKey,
    /// Self-signed certificate, DER.
    pub certificate: Arc<[u8]>,
    /// PKCS#8, for signatures other than JWTs.
    pub private_key: Arc<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("jwt", &self.jwt).finish_non_exhaustive()
    }
}

/// Parsed keys by id.
#[derive(Debug, Default)]
pub struct Cache {
    keys: RwLock<HashMap<SigningKeyId, SigningKey>>,
    /// Held while a key is made, so that all who wait for the first one don't each make one.
    making: tokio::sync::Mutex<()>,
}

impl Cache {
    fn get(&self, id: SigningKeyId) -> Option<SigningKey> {
        self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&id).cloned()
    }

    fn insert(&self, id: SigningKeyId, key: SigningKey) {
        self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id, key);
    }
}

struct KeyRow {
    id: SigningKeyId,
    private_key: Vec<u8>,
    certificate: Vec<u8>,
}

impl FromRow for KeyRow {
    fn from_row(row: &mut Row<'_>) -> Result<Self, store::Error> {
        Ok(Self { id: row.next()?, private_key: row.next()?, certificate: row.next()? })
    }
}

/// The key that signs now.
pub async fn active(app: &App, environment: EnvironmentId, purpose: Purpose) -> Result<SigningKey> {
    if let Some(row) = active_row(app, environment, purpose).await? {
        return parse(app, row);
    }
    let cache: &Cache = app.state()?;
    let _making = cache.making.lock().await;
    if let Some(row) = active_row(app, environment, purpose).await? {
        return parse(app, row);
    }
    create(app, environment, purpose).await?;
    let row = active_row(app, environment, purpose).await?;
    parse(app, row.ok_or_else(|| Error::internal("a signing key just made is gone"))?)
}

/// All keys whose signatures are still good, newest first.
pub async fn published(app: &App, environment: EnvironmentId, purpose: Purpose) -> Result<Vec<SigningKey>> {
    active(app, environment, purpose).await?;
    let rows: Vec<KeyRow> = app
        .db
        .read(
            "SELECT id, private_key, certificate FROM signing_keys \
             WHERE environment_id = $1 AND purpose = $2 AND (retired_at IS NULL OR retired_at > $3) \
             ORDER BY created_at DESC, id DESC",
            params![environment, purpose.as_str(), app.clock.now()],
        )
        .await?;
    rows.into_iter().map(|row| parse(app, row)).collect()
}

/// The JSON Web Key Set of an environment (RFC 7517 §5).
pub async fn key_set(app: &App, environment: EnvironmentId, purpose: Purpose) -> Result<Value> {
    let keys = published(app, environment, purpose).await?;
    let keys: Vec<Value> = keys.iter().map(|key| key.jwt.public_jwk(Some(&key.certificate))).collect();
    Ok(serde_json::json!({ "keys": keys }))
}

async fn active_row(app: &App, environment: EnvironmentId, purpose: Purpose) -> Result<Option<KeyRow>> {
    Ok(app
        .db
        .read_one(
            "SELECT id, private_key, certificate FROM signing_keys \
             WHERE environment_id = $1 AND purpose = $2 AND retired_at IS NULL",
            params![environment, purpose.as_str()],
        )
        .await?)
}

fn identity(id: SigningKeyId) -> String {
    format!("signing_key:{id}")
}

fn parse(app: &App, row: KeyRow) -> Result<SigningKey> {
    let cache: &Cache = app.state()?;
    if let Some(key) = cache.get(row.id) {
        return Ok(key);
    }
    let private_key = app.keyring.open_sealed(&identity(row.id), &row.private_key)?;
    let jwt = jws::SigningKey::from_pkcs8_der(row.id.to_string(), &private_key)
        .map_err(|_| Error::internal("a stored signing key can't be parsed"))?;
    let key = SigningKey { jwt, certificate: row.certificate.into(), private_key: Arc::new(private_key) };
    cache.insert(row.id, key.clone());
    Ok(key)
}

async fn create(app: &App, environment: EnvironmentId, purpose: Purpose) -> Result<()> {
    let id = SigningKeyId::generate(app);
    let name = app.config.public_url.host_str().unwrap_or("portcullis").to_owned();
    let (private_key, certificate) = tokio::task::spawn_blocking(move || generate(&name))
        .await
        .map_err(|_| Error::internal("making a signing key failed"))??;
    let sealed = app.keyring.seal(&app.random, &identity(id), &private_key)?;
    let now = app.clock.now();
    kernel::transaction!(app, |tx| {
        // Another request or node may have been first; then its key stands.
        tx.execute(
            "INSERT INTO signing_keys (id, environment_id, purpose, private_key, certificate, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            params![id, environment, purpose.as_str(), sealed.as_slice(), certificate.as_slice(), now],
        )
        .await?;
        Ok(())
    })
}

/// An RSA-2048 key (PKCS#8 DER) and a certificate signed by itself, for consumers that want `x5c`.
fn generate(name: &str) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), anyhow::Error> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("RSA key generation failed"))?;
    let der = pair.as_der().map_err(|_| anyhow!("RSA key encoding failed"))?;
    let private_key = Zeroizing::new(der.as_ref().to_vec());
    let signer =
        rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&private_key.as_slice().into(), &PKCS_RSA_SHA256)
            .context("RSA key for the certificate")?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    let certificate = params.self_signed(&signer).context("self-signed certificate")?;
    Ok((private_key, certificate.der().to_vec()))
}

/// The environment a key belongs to.
pub async fn environment_of(app: &App, id: SigningKeyId, purpose: Purpose) -> Result<Option<EnvironmentId>> {
    let environment: Option<String> = app
        .db
        .read_one(
            "SELECT environment_id FROM signing_keys WHERE id = $1 AND purpose = $2",
            params![id, purpose.as_str()],
        )
        .await?;
    environment
        .map(|id| id.parse().map_err(|_| Error::internal("a signing key of no environment")))
        .transpose()
}
