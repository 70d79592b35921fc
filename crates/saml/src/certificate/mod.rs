//! X.509 certificates as carriers of one pinned public key.
//!
//! SAML identity providers publish self-signed certificates and roll them over by hand; there is no chain to build
//! and no name to match. What is trusted is the one public key in the certificate that the connection pins. Validity
//! dates are reported, not enforced: the caller warns and raises events about them.

mod der;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};

use crate::algorithm::{Hash, KeyFamily, SignatureAlgorithm};
use crate::encoding::{decode_base64, encode_base64};
use der::Reader;

/// Longest certificate, in DER bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Shortest RSA modulus accepted.
const MIN_RSA_BITS: u32 = 2048;
/// Longest RSA modulus that the cryptographic library verifies with.
const MAX_RSA_BITS: u32 = 8192;

/// A certificate whose one public key may be pinned. Cheap to clone: the key is parsed once and shared.
#[derive(Clone)]
pub struct Certificate {
    inner: Arc<Inner>,
}

struct Inner {
    der: Vec<u8>,
    not_before: i64,
    not_after: i64,
    subject: String,
    key: KeyKind,
    public_key: Vec<u8>,
    verifiers: Vec<(SignatureAlgorithm, ParsedPublicKey)>,
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
#[non_exhaustive]
pub enum CertificateError {
    /// Not an X.509 certificate, or not PEM, base64 or DER of one.
    #[error("This is not an X.509 certificate in PEM, base64 or DER.")]
    Malformed,
    /// Several certificates where the one that signs is wanted.
    #[error("There are {count} certificates; give the signing certificate alone.")]
    SeveralCertificates {
        /// How many there are.
        count: usize,
    },
    /// An RSA key shorter than 2048 bits.
    #[error("The certificate's RSA key has {bits} bits; at least {MIN_RSA_BITS} are needed.")]
    RsaKeyTooShort {
        /// Length of the modulus in bits.
        bits: u32,
    },
    /// A DSA key.
    #[error("The certificate has a DSA key; RSA or ECDSA on P-256 or P-384 is needed.")]
    DsaKey,
    /// An elliptic curve written out instead of named (CVE-2020-0601).
    #[error("The certificate's elliptic-curve key spells its curve out instead of naming it.")]
    ExplicitParametersEc,
    /// Any other key.
    #[error(
        "The certificate's key is of a kind that is not supported; RSA or ECDSA on P-256 or P-384 is needed."
    )]
    UnsupportedKey,
}

impl CertificateError {
    /// A stable name for the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::SeveralCertificates { .. } => "several_certificates",
            Self::RsaKeyTooShort { .. } => "rsa_key_too_short",
            Self::DsaKey => "dsa_key",
            Self::ExplicitParametersEc => "explicit_parameters_ec",
            Self::UnsupportedKey => "unsupported_key",
        }
    }
}

impl Certificate {
    /// Reads one PEM certificate; text around the block is ignored (RFC 7468 section 2).
    pub fn parse_pem(pem: &str) -> Result<Self, CertificateError> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        const END: &str = "-----END CERTIFICATE-----";
        let count = pem.matches(BEGIN).count();
        if count > 1 {
            return Err(CertificateError::SeveralCertificates { count });
        }
        let (_, after) = pem.split_once(BEGIN).ok_or(CertificateError::Malformed)?;
        let (body, _) = after.split_once(END).ok_or(CertificateError::Malformed)?;
        Self::parse_bare_base64(body)
    }

    /// Reads what people paste and metadata holds: PEM, or the base64 of the DER with any white space in it.
    pub fn parse_base64(text: &str) -> Result<Self, CertificateError> {
        if text.contains("-----BEGIN") { Self::parse_pem(text) } else { Self::parse_bare_base64(text) }
    }

    fn parse_bare_base64(text: &str) -> Result<Self, CertificateError> {
        let der = decode_base64(text, MAX_BYTES).map_err(|_| CertificateError::Malformed)?;
        Self::parse_der(&der)
    }

    /// Reads a DER certificate (RFC 5280 section 4.1).
    pub fn parse_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_BYTES {
            return Err(CertificateError::Malformed);
        }
        let fields = Fields::read(der).ok_or(CertificateError::Malformed)?;
        let (key, algorithms) = fields.key()?;
        let verifiers = algorithms
            .iter()
            .map(|(algorithm, verification)| {
                let parsed = ParsedPublicKey::new(*verification, fields.public_key);
                parsed.map(|parsed| (*algorithm, parsed)).map_err(|_| CertificateError::UnsupportedKey)
            })
            .collect::<Result<_, _>>()?;
        let inner = Inner {
            not_before: fields.not_before,
            not_after: fields.not_after,
            subject: fields.subject,
            key,
            public_key: fields.public_key.to_vec(),
            verifiers,
            der: der.to_vec(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.inner.der
    }

    /// The certificate in PEM, with 64-character lines and a final line break.
    pub fn pem(&self) -> String {
        let base64 = encode_base64(&self.inner.der);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for (at, character) in base64.chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str("\n-----END CERTIFICATE-----\n");
        pem
    }

    /// The certificate in base64 on one line, as `ds:X509Certificate` holds it.
    pub(crate) fn base64(&self) -> String {
        encode_base64(&self.inner.der)
    }

    /// Start of validity, epoch milliseconds.
    pub fn not_before(&self) -> i64 {
        self.inner.not_before
    }

    /// End of validity, epoch milliseconds.
    pub fn not_after(&self) -> i64 {
        self.inner.not_after
    }

    /// SHA-256 of the DER in lower-case hexadecimal.
    pub fn fingerprint_sha256(&self) -> String {
        fingerprint_sha256(&self.inner.der)
    }

    /// The subject's distinguished name, for people.
    pub fn subject(&self) -> &str {
        &self.inner.subject
    }

    /// The kind and strength of the public key.
    pub fn key(&self) -> KeyKind {
        self.inner.key
    }

    /// The subject public key: `RSAPublicKey` in DER, or an elliptic-curve point.
    pub(crate) fn public_key(&self) -> &[u8] {
        &self.inner.public_key
    }

    /// Whether signatures of this family can be verified with the key.
    pub(crate) fn is_of_family(&self, family: KeyFamily) -> bool {
        match self.inner.key {
            KeyKind::Rsa { .. } => family == KeyFamily::Rsa,
            KeyKind::EcdsaP256 | KeyKind::EcdsaP384 => family == KeyFamily::Ecdsa,
        }
    }

    /// Whether `signature`, as XML Signature encodes it, is one of `message` by this key.
    pub(crate) fn verifies(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let Some((_, key)) = self.inner.verifiers.iter().find(|(known, _)| *known == algorithm) else {
            return false;
        };
        match self.inner.key {
            KeyKind::Rsa { .. } => key.verify_sig(message, signature).is_ok(),
            KeyKind::EcdsaP256 => {
                ecdsa_to_der(signature, 32).is_some_and(|der| key.verify_sig(message, &der).is_ok())
            }
            KeyKind::EcdsaP384 => {
                ecdsa_to_der(signature, 48).is_some_and(|der| key.verify_sig(message, &der).is_ok())
            }
        }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Certificate")
            .field("subject", &self.inner.subject)
            .field("key", &self.inner.key)
            .field("fingerprint_sha256", &self.fingerprint_sha256())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.inner.der == other.inner.der
    }
}

impl Eq for Certificate {}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn fingerprint_sha256(der: &[u8]) -> String {
    digest::digest(&digest::SHA256, der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fields that are read.
struct Fields<'a> {
    not_before: i64,
    not_after: i64,
    subject: String,
    key_algorithm: &'a [u8],
    key_parameters: Option<der::Element<'a>>,
    public_key: &'a [u8],
}

/// A signature algorithm and how the library verifies it.
type Verification = (SignatureAlgorithm, &'static dyn VerificationAlgorithm);

impl<'a> Fields<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut certificate = Reader::new(Reader::only(der, der::SEQUENCE)?);
        let mut signed = Reader::new(certificate.expect(der::SEQUENCE)?.content);
        certificate.expect(der::SEQUENCE)?;
        certificate.expect(der::BIT_STRING)?;
        if !certificate.is_empty() {
            return None;
        }
        if signed.peek() == Some(der::CONTEXT_0) {
            signed.next()?;
        }
        let _serial_number = signed.expect(der::INTEGER)?;
        let _signature = signed.expect(der::SEQUENCE)?;
        let _issuer = signed.expect(der::SEQUENCE)?;
        let mut validity = Reader::new(signed.expect(der::SEQUENCE)?.content);
        let subject = signed.expect(der::SEQUENCE)?;
        let mut key = Reader::new(signed.expect(der::SEQUENCE)?.content);
        let mut algorithm = Reader::new(key.expect(der::SEQUENCE)?.content);
        let bits = key.expect(der::BIT_STRING)?;
        let (unused, public_key) = bits.content.split_first()?;
        if *unused != 0 || !key.is_empty() {
            return None;
        }
        Some(Self {
            not_before: der::time(&validity.next()?)?,
            not_after: der::time(&validity.next()?)?,
            subject: der::distinguished_name(subject.content)?,
            key_algorithm: algorithm.expect(der::OBJECT_IDENTIFIER)?.content,
            key_parameters: algorithm.next(),
            public_key,
        })
    }

    /// The kind of key and the algorithms to verify with, or why it is not used.
    fn key(&self) -> Result<(KeyKind, Vec<Verification>), CertificateError> {
        // rsaEncryption, id-ecPublicKey and id-dsa.
        const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
        const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
        const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01];
        match self.key_algorithm {
            RSA => {
                let bits = rsa_bits(self.public_key).ok_or(CertificateError::Malformed)?;
                if bits < MIN_RSA_BITS {
                    return Err(CertificateError::RsaKeyTooShort { bits });
                }
                if bits > MAX_RSA_BITS {
                    return Err(CertificateError::UnsupportedKey);
                }
                Ok((KeyKind::Rsa { bits }, rsa_verifications()))
            }
            EC => self.curve(),
            DSA => Err(CertificateError::DsaKey),
            _ => Err(CertificateError::UnsupportedKey),
        }
    }

    fn curve(&self) -> Result<(KeyKind, Vec<Verification>), CertificateError> {
        const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
        let parameters = self.key_parameters.ok_or(CertificateError::Malformed)?;
        match (parameters.tag, parameters.content) {
            (der::OBJECT_IDENTIFIER, P256) => Ok((KeyKind::EcdsaP256, p256_verifications())),
            (der::OBJECT_IDENTIFIER, P384) => Ok((KeyKind::EcdsaP384, p384_verifications())),
            (der::SEQUENCE, _) => Err(CertificateError::ExplicitParametersEc),
            _ => Err(CertificateError::UnsupportedKey),
        }
    }
}

/// The length of the modulus of an `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn rsa_bits(public_key: &[u8]) -> Option<u32> {
    let mut numbers = Reader::new(Reader::only(public_key, der::SEQUENCE)?);
    let modulus = numbers.expect(der::INTEGER)?.content;
    numbers.expect(der::INTEGER)?;
    let modulus = match modulus {
        [0, rest @ ..] => rest,
        [first, ..] if *first >= 0x80 => return None,
        other => other,
    };
    let first = modulus.first()?;
    u32::try_from(modulus.len()).ok()?.checked_mul(8)?.checked_sub(first.leading_zeros())
}

fn rsa_verifications() -> Vec<Verification> {
    let rsa = |hash| SignatureAlgorithm { family: KeyFamily::Rsa, hash };
    vec![
        (rsa(Hash::Sha256), &signature::RSA_PKCS1_2048_8192_SHA256),
        (rsa(Hash::Sha384), &signature::RSA_PKCS1_2048_8192_SHA384),
        (rsa(Hash::Sha512), &signature::RSA_PKCS1_2048_8192_SHA512),
        // Reached only where a connection opts in.
        (rsa(Hash::Sha1), &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
    ]
}

fn p256_verifications() -> Vec<Verification> {
    let ecdsa = |hash| SignatureAlgorithm { family: KeyFamily::Ecdsa, hash };
    vec![
        (ecdsa(Hash::Sha256), &signature::ECDSA_P256_SHA256_ASN1),
        (ecdsa(Hash::Sha384), &signature::ECDSA_P256_SHA384_ASN1),
        (ecdsa(Hash::Sha512), &signature::ECDSA_P256_SHA512_ASN1),
    ]
}

fn p384_verifications() -> Vec<Verification> {
    let ecdsa = |hash| SignatureAlgorithm { family: KeyFamily::Ecdsa, hash };
    vec![
        (ecdsa(Hash::Sha256), &signature::ECDSA_P384_SHA256_ASN1),
        (ecdsa(Hash::Sha384), &signature::ECDSA_P384_SHA384_ASN1),
        (ecdsa(Hash::Sha512), &signature::ECDSA_P384_SHA512_ASN1),
    ]
}

/// XML Signature writes an ECDSA signature as r and s side by side (RFC 4050 section 3.3), each as long as the
/// curve's order; the library has every curve and hash together only for the DER form.
fn ecdsa_to_der(signature: &[u8], length: usize) -> Option<Vec<u8>> {
    if signature.len() != 2 * length {
        return None;
    }
    let (r, s) = signature.split_at_checked(length)?;
    let mut numbers = Vec::with_capacity(2 * length + 6);
    for number in [r, s] {
        let start = number.iter().position(|byte| *byte != 0)?;
        let number = number.get(start..)?;
        let sign = number.first().is_some_and(|first| *first >= 0x80);
        numbers.push(der::INTEGER);
        numbers.push(u8::try_from(number.len() + usize::from(sign)).ok()?);
        if sign {
            numbers.push(0);
        }
        numbers.extend_from_slice(number);
    }
    let mut sequence = vec![der::SEQUENCE, u8::try_from(numbers.len()).ok().filter(|length| *length < 0x80)?];
    sequence.append(&mut numbers);
    Some(sequence)
}
