//! Attacks: what is posted to the connection of [`expected`], and what must come of it.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::certificate::Certificate;
use saml::response::{Expected, Refusal, Verified, verify};

use super::sign::Spec;
use super::{ACS, ASSERTION_ID, FORMS, IDP, NOW, REQUEST, SP, USER, keys, sign_form, signed, template};

/// What the connection under attack expects.
pub fn expected(certificates: &[Certificate]) -> Expected<'_> {
    Expected {
        idp_entity_id: IDP,
        sp_entity_id: SP,
        acs_url: ACS,
        in_response_to: REQUEST,
        now: NOW,
        certificates,
        allow_sha1: false,
    }
}

/// Posts a document to the connection that pins the key `idp`.
pub fn post(xml: &str) -> Result<Verified, Refusal> {
    post_bytes(xml.as_bytes())
}

pub fn post_bytes(bytes: &[u8]) -> Result<Verified, Refusal> {
    timed_post(bytes).0
}

/// Posts a document, and says how long it took to judge it.
fn timed_post(bytes: &[u8]) -> (Result<Verified, Refusal>, Duration) {
    let (encoded, pinned) = (STANDARD.encode(bytes), [keys::certificate("idp")]);
    let started = Instant::now();
    let verdict = verify(&encoded, &expected(&pinned));
    let took = started.elapsed();
    super::tried(bytes, &verdict);
    (verdict, took)
}

/// Asserts that a document is accepted, with the right person.
#[track_caller]
pub fn assert_accepted(name: &str, xml: &str) -> Verified {
    let verified = post(xml).unwrap_or_else(|refusal| panic!("{name}: {} {refusal}\n{xml}", refusal.code()));
    assert_is_alice(name, &verified);
    verified
}

#[track_caller]
pub fn assert_is_alice(name: &str, verified: &Verified) {
    assert_eq!(verified.name_id.as_ref().unwrap().value, USER, "{name}");
    assert_eq!(verified.assertion_id, ASSERTION_ID, "{name}");
    assert_eq!(verified.issuer, IDP, "{name}");
    let email = verified.attributes.iter().find(|attribute| attribute.name == "email").unwrap();
    assert_eq!(email.values, [USER], "{name}");
}

/// Asserts that a document is refused, for one of the reasons in `codes` (separated by `|`), at once.
#[track_caller]
pub fn assert_refused(name: &str, codes: &str, xml: &str) {
    assert_refused_bytes(name, codes, xml.as_bytes());
}

#[track_caller]
pub fn assert_refused_bytes(name: &str, codes: &str, bytes: &[u8]) {
    let (verdict, took) = timed_post(bytes);
    let refusal = match verdict {
        Ok(verified) => panic!("{name}: accepted as {verified:?}\n{}", String::from_utf8_lossy(bytes)),
        Err(refusal) => refusal,
    };
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(10_000)]);
    assert!(
        codes.split('|').any(|code| code == refusal.code()),
        "{name}: {} {refusal}\n{shown}",
        refusal.code()
    );
    assert!(!refusal.to_string().is_empty());
    // A hang is what is looked for; how fast refusals are is measured elsewhere, on a quiet machine.
    assert!(took < Duration::from_secs(10), "{name} took {took:?}");
}

/// For each form: the unchanged document is accepted and the changed one refused.
#[track_caller]
pub fn attack(name: &str, codes: &str, change: impl Fn(&str) -> String) {
    attack_forms(name, [codes; 3], change);
}

/// Like [`attack`], with the reasons for each of [`FORMS`].
#[track_caller]
pub fn attack_forms(name: &str, codes: [&str; 3], change: impl Fn(&str) -> String) {
    for (form, codes) in FORMS.into_iter().zip(codes) {
        let original = signed(form);
        let name = format!("{name} / {form:?}");
        assert_accepted(&name, &original);
        let changed = change(&original);
        assert_ne!(changed, original, "{name} changes nothing");
        assert_refused(&name, codes, &changed);
    }
}

/// For each form: signed after the change, so that only what it says can be wrong.
#[track_caller]
pub fn attack_before_signing(name: &str, codes: &str, change: impl Fn(&str) -> String) {
    for form in FORMS {
        assert_accepted(name, &signed(form));
        let changed = change(&template());
        assert_ne!(changed, template(), "{name} changes nothing");
        assert_refused(&format!("{name} / {form:?}"), codes, &sign_form(&changed, form, &Spec::default()));
    }
}
