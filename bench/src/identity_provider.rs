//! A SAML identity provider of the load generator's own.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use rcgen::{CertificateParams, PKCS_RSA_SHA256};
use saml::certificate::Certificate;
use saml::issue::{IssueResponse, SignedPart, SigningKey};

pub const ENTITY_ID: &str = "https://idp.example.com/metadata";

pub struct IdentityProvider {
    pair: KeyPair,
    key: SigningKey,
    der: Vec<u8>,
}

/// Now, in epoch milliseconds.
#[expect(clippy::disallowed_methods, reason = "a load generator has no app and no app's clock")]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl IdentityProvider {
    pub fn new() -> Result<Self, anyhow::Error> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("key"))?;
        let pkcs8 = pair.as_der().map_err(|_| anyhow!("key"))?;
        let signer = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.as_ref().into(), &PKCS_RSA_SHA256)?;
        let der = CertificateParams::default().self_signed(&signer)?.der().to_vec();
        let key = SigningKey::from_pkcs8(pkcs8.as_ref(), Certificate::parse_der(&der)?)?;
        Ok(Self { pair, key, der })
    }

    pub fn certificate(&self) -> Result<Certificate, anyhow::Error> {
        Certificate::parse_der(&self.der).context("certificate")
    }

    pub fn public_key(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, anyhow::Error> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| anyhow!("signature"))?;
        Ok(signature)
    }

    /// A response with a signed assertion about one of a hundred people.
    pub fn response(&self, request: &str, acs: &str, sp: &str, n: usize) -> Result<String, anyhow::Error> {
        let email = format!("person{}@example.com", n % 100);
        let ids = (format!("_r{n}"), format!("_a{n}{request}"));
        let groups = ["engineering", "admins"];
        Ok(IssueResponse {
            response_id: &ids.0,
            assertion_id: &ids.1,
            issue_instant: now(),
            issuer: ENTITY_ID,
            audience: sp,
            acs_url: acs,
            in_response_to: Some(request),
            name_id: &email,
            name_id_format: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
            session_index: "_s",
            attributes: &[
                ("id", &[email.as_str()]),
                ("email", &[email.as_str()]),
                ("firstName", &["Ada"]),
                ("lastName", &["Lovelace"]),
                ("groups", &groups),
            ],
            not_on_or_after: now() + 600_000,
            sign: SignedPart::Assertion,
        }
        .to_base64(&self.key)?)
    }
}
