//! Two other implementations: the `xmlsec1` command and bergshamra.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use bergshamra::keys::loader::load_x509_cert_der;
use bergshamra::{DsigContext, KeyUsage, KeysManager, VerifyResult};

use super::keys;

/// What tells `xmlsec1` which attributes are ids.
const IDS: [&str; 4] = [
    "--id-attr:ID",
    "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
    "--id-attr:ID",
    "urn:oasis:names:tc:SAML:2.0:protocol:Response",
];

/// Writes a file for `xmlsec1` to read, under a name that no other test uses.
pub fn temporary_file(content: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("{}-{}.xml", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Runs `xmlsec1` on a document.
pub fn xmlsec1(arguments: &[&str], xml: &str) -> Output {
    let file = temporary_file(xml);
    let output = Command::new("xmlsec1").args(arguments).arg(&file).output().unwrap_or_else(|error| {
        panic!("these tests need the xmlsec1 command (Debian package xmlsec1) on PATH: {error}")
    });
    std::fs::remove_file(file).unwrap();
    output
}

/// Fills in the signature template of the element named `parent`, with the private key `key`.
pub fn xmlsec1_sign(xml: &str, parent: &str, key: &str) -> String {
    let private = keys::path(&format!("{key}.key.pem"));
    let place = format!("//*[local-name()='{parent}']/*[local-name()='Signature']");
    let arguments =
        [&["--sign", "--privkey-pem", private.as_str()][..], &IDS, &["--node-xpath", &place]].concat();
    let output = xmlsec1(&arguments, xml);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "xmlsec1 did not sign: {errors}\n{xml}");
    String::from_utf8(output.stdout).unwrap()
}

/// Whether `xmlsec1` verifies the signature of the element named `parent` with the pinned certificate `key`.
pub fn xmlsec1_verifies(xml: &str, parent: &str, key: &str) -> bool {
    let certificate = keys::path(&format!("{key}.cert.pem"));
    let place = format!("//*[local-name()='{parent}']/*[local-name()='Signature']");
    let options = ["--verify", "--enabled-key-data", "key-name", "--pubkey-cert-pem", &certificate];
    let arguments = [&options[..], &IDS, &["--node-xpath", &place]].concat();
    xmlsec1(&arguments, xml).status.success()
}

/// Whether bergshamra verifies every signature of the document with the pinned certificate `key`.
pub fn bergshamra_verifies(xml: &str, key: &str) -> Result<(), String> {
    let mut manager = KeysManager::new();
    let mut pinned = load_x509_cert_der(keys::certificate(key).der()).map_err(|error| error.to_string())?;
    pinned.usage = KeyUsage::Verify;
    manager.add_key(pinned);
    // It takes `ID` for an id by itself.
    let context = DsigContext::new(manager);
    let results = bergshamra::verify_all(&context, xml).map_err(|error| error.to_string())?;
    if results.is_empty() {
        return Err("no signature".to_owned());
    }
    results.iter().try_for_each(|result| match result {
        VerifyResult::Invalid { reason } => Err(reason.clone()),
        _ if result.all_reference_digests_verified() => Ok(()),
        _ => Err("a reference was not verified".to_owned()),
    })
}
