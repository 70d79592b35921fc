//! Keys and certificates from `tests/keys`, made with the openssl command for these tests alone.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::certificate::Certificate;

/// The path of a file in `tests/keys`, from this crate or from another whose tests use these keys.
pub fn path(file: &str) -> String {
    format!("{}/../saml/tests/keys/{file}", env!("CARGO_MANIFEST_DIR"))
}

pub fn certificate_pem(name: &str) -> String {
    std::fs::read_to_string(path(&format!("{name}.cert.pem"))).unwrap()
}

pub fn certificate(name: &str) -> Certificate {
    Certificate::parse_pem(&certificate_pem(name)).unwrap()
}

/// A certificate's base64 on one line.
pub fn certificate_base64(name: &str) -> String {
    certificate_pem(name).lines().filter(|line| !line.starts_with('-')).collect()
}

/// A private key in PKCS#8 DER.
pub fn pkcs8(name: &str) -> Vec<u8> {
    let pem = std::fs::read_to_string(path(&format!("{name}.key.pem"))).unwrap();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(base64).unwrap()
}

/// Signs `message` with the key `name` as the signature algorithm `uri` says. An algorithm that does not go with the
/// key is signed as RSA with SHA-256 all the same: it is for documents that must be refused.
pub fn sign(name: &str, uri: &str, message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    match name {
        "p256" => {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8(name)).unwrap();
            key.sign(&random, message).unwrap().as_ref().to_vec()
        }
        "p384" => {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &pkcs8(name)).unwrap();
            key.sign(&random, message).unwrap().as_ref().to_vec()
        }
        _ => {
            let key = RsaKeyPair::from_pkcs8(&pkcs8(name)).unwrap();
            let encoding = match uri.rsplit('#').next() {
                Some("rsa-sha384") => &RSA_PKCS1_SHA384,
                Some("rsa-sha512") => &RSA_PKCS1_SHA512,
                _ => &RSA_PKCS1_SHA256,
            };
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(encoding, &random, message, &mut signature).unwrap();
            signature
        }
    }
}
