//! The algorithms that signatures may use, by the URIs XML Signature gives them. Anything else is refused.

use aws_lc_rs::digest;

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    /// Only where a connection opts in.
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// The kind of key that a signature algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFamily {
    Rsa,
    Ecdsa,
}

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignatureAlgorithm {
    pub(crate) family: KeyFamily,
    pub(crate) hash: Hash,
}

impl SignatureAlgorithm {
    /// The algorithm that a `SignatureMethod` names (RFC 6931 section 2.3). HMAC is not here, so no public key can
    /// ever be taken for a shared secret; nor are RSA-PSS and DSA.
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        let (family, hash) = match uri {
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => (KeyFamily::Rsa, Hash::Sha256),
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => (KeyFamily::Rsa, Hash::Sha384),
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => (KeyFamily::Rsa, Hash::Sha512),
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1" => (KeyFamily::Rsa, Hash::Sha1),
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" => (KeyFamily::Ecdsa, Hash::Sha256),
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384" => (KeyFamily::Ecdsa, Hash::Sha384),
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512" => (KeyFamily::Ecdsa, Hash::Sha512),
            _ => return None,
        };
        Some(Self { family, hash })
    }
}

impl Hash {
    /// The hash function that a `DigestMethod` names.
    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Some(match uri {
            "http://www.w3.org/2001/04/xmlenc#sha256" => Self::Sha256,
            "http://www.w3.org/2001/04/xmldsig-more#sha384" => Self::Sha384,
            "http://www.w3.org/2001/04/xmlenc#sha512" => Self::Sha512,
            "http://www.w3.org/2000/09/xmldsig#sha1" => Self::Sha1,
            _ => return None,
        })
    }

    /// The digest of `octets`.
    pub(crate) fn digest(self, octets: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, octets)
    }
}
