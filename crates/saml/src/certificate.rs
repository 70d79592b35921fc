//! X.509 certificates as carriers of one pinned public key.

use std::fmt;

/// A certificate whose one public key may be pinned.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
}

/// The kind and strength of a certificate's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with the length of its modulus.
    Rsa {
        /// Length of the modulus in bits.
        bits: u32,
    },
    /// ECDSA on NIST P-256.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
}

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate.
    #[error("The certificate could not be read.")]
    Malformed,
}

impl CertificateError {
    /// A stable name for the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
        }
    }
}

impl Certificate {
    /// Reads a PEM certificate.
    pub fn parse_pem(_pem: &str) -> Result<Self, CertificateError> {
        Err(CertificateError::Malformed)
    }
    /// Reads a DER certificate.
    pub fn parse_der(_der: &[u8]) -> Result<Self, CertificateError> {
        Err(CertificateError::Malformed)
    }
    /// Reads base64 (whitespace tolerant) or PEM.
    pub fn parse_base64(_text: &str) -> Result<Self, CertificateError> {
        Err(CertificateError::Malformed)
    }
    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
    /// The certificate in PEM.
    pub fn pem(&self) -> String {
        String::new()
    }
    /// Start of validity, epoch milliseconds.
    pub fn not_before(&self) -> i64 {
        0
    }
    /// End of validity, epoch milliseconds.
    pub fn not_after(&self) -> i64 {
        0
    }
    /// SHA-256 of the DER, lower-case hex.
    pub fn fingerprint_sha256(&self) -> String {
        String::new()
    }
    /// The subject's distinguished name.
    pub fn subject(&self) -> &str {
        ""
    }
    /// The public key's kind.
    pub fn key(&self) -> KeyKind {
        KeyKind::EcdsaP256
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").finish_non_exhaustive()
    }
}
