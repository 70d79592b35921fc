//! S1: signature wrapping. A genuine signed part is kept somewhere, and another takes its place.

use crate::forge::{
    ASSERTION_ID, EVIL, FORMS, RESPONSE_ID, USER, attack, attack_forms, element_text, signature_text, signed,
    swap, swap_first, swap_last,
};

/// What the structural allow-list says to a wrapped document, whichever of its rules comes first.
const STRUCTURE: &str = "several_assertions|nested_response|unexpected_element|signature_misplaced|signature_malformed|duplicate_id|foreign_id_attribute";

/// The pieces of a signed response.
struct Pieces {
    response: String,
    /// The assertion as it stands.
    assertion: String,
    /// The assertion without its signature.
    bare_assertion: String,
    /// The signature that proves most: the assertion's, or else the response's.
    assertion_or_response_signature: String,
    /// The response's signature, or else the assertion's.
    response_or_assertion_signature: String,
}

impl Pieces {
    fn of(xml: &str) -> Self {
        let assertion = element_text(xml, ASSERTION_ID);
        let assertion_signature = signature_text(xml, ASSERTION_ID);
        let response_signature = signature_text(xml, RESPONSE_ID);
        let bare_assertion = match &assertion_signature {
            Some(signature) => assertion.replace(signature.as_str(), ""),
            None => assertion.clone(),
        };
        let any = |first: &Option<String>, second: &Option<String>| first.clone().or(second.clone()).unwrap();
        Self {
            response: xml.to_owned(),
            bare_assertion,
            assertion_or_response_signature: any(&assertion_signature, &response_signature),
            response_or_assertion_signature: any(&response_signature, &assertion_signature),
            assertion,
        }
    }

    /// An unsigned assertion about somebody else.
    fn evil_assertion(&self, same_id: bool) -> String {
        evil(&self.bare_assertion, ASSERTION_ID, same_id)
    }

    /// An unsigned response about somebody else.
    fn evil_response(&self, same_id: bool) -> String {
        let bare = self.response.replace(&self.response_or_assertion_signature, "");
        evil(&bare.replace(&self.assertion, &self.evil_assertion(same_id)), RESPONSE_ID, same_id)
    }
}

fn evil(xml: &str, id: &str, same_id: bool) -> String {
    let xml = xml.replace(USER, EVIL);
    if same_id { xml } else { swap(&xml, &format!("ID=\"{id}\""), &format!("ID=\"{id}-evil\"")) }
}

/// Puts `content` before the end of the first `element`.
fn append_in(xml: &str, end_tag: &str, content: &str) -> String {
    swap_first(xml, end_tag, &format!("{content}{end_tag}"))
}

/// After the issuer that is the first in `xml`.
fn after_issuer(xml: &str, content: &str) -> String {
    swap_first(xml, "</saml2:Issuer>", &format!("</saml2:Issuer>{content}"))
}

/// Tries `change` with the forgery carrying the genuine id, and with an id of its own.
#[track_caller]
fn wrap(name: &str, change: impl Fn(&Pieces, bool) -> String) {
    for same_id in [true, false] {
        attack(&format!("{name}, same id: {same_id}"), STRUCTURE, |xml| change(&Pieces::of(xml), same_id));
    }
}

#[test]
fn s1_xsw1_original_response_inside_the_signature_of_a_forged_one() {
    wrap("XSW1", |pieces, same_id| {
        let signature = &pieces.response_or_assertion_signature;
        let original = pieces.response.replace(signature.as_str(), "");
        let signature =
            append_in(signature, "</ds:Signature>", &format!("<ds:Object>{original}</ds:Object>"));
        after_issuer(&pieces.evil_response(same_id), &signature)
    });
}

#[test]
fn s1_xsw2_original_response_before_the_signature_of_a_forged_one() {
    wrap("XSW2", |pieces, same_id| {
        let signature = &pieces.response_or_assertion_signature;
        let original = pieces.response.replace(signature.as_str(), "");
        after_issuer(&pieces.evil_response(same_id), &format!("{original}{signature}"))
    });
}

#[test]
fn s1_xsw3_forged_assertion_before_the_original() {
    wrap("XSW3", |pieces, same_id| {
        swap(
            &pieces.response,
            &pieces.assertion,
            &format!("{}{}", pieces.evil_assertion(same_id), pieces.assertion),
        )
    });
}

#[test]
fn s1_xsw3_forged_assertion_after_the_original() {
    wrap("XSW3 reversed", |pieces, same_id| {
        swap(
            &pieces.response,
            &pieces.assertion,
            &format!("{}{}", pieces.assertion, pieces.evil_assertion(same_id)),
        )
    });
}

#[test]
fn s1_xsw4_original_assertion_inside_the_forged_one() {
    wrap("XSW4", |pieces, same_id| {
        let wrapped = swap_last(
            &pieces.evil_assertion(same_id),
            "</saml2:Assertion>",
            &format!("{}</saml2:Assertion>", pieces.assertion),
        );
        swap(&pieces.response, &pieces.assertion, &wrapped)
    });
}

#[test]
fn s1_xsw5_signature_moved_into_the_forged_assertion() {
    wrap("XSW5", |pieces, same_id| {
        let forged = after_issuer(&pieces.evil_assertion(same_id), &pieces.assertion_or_response_signature);
        swap(&pieces.response, &pieces.assertion, &format!("{forged}{}", pieces.bare_assertion))
    });
}

#[test]
fn s1_xsw6_original_assertion_inside_the_moved_signature() {
    wrap("XSW6", |pieces, same_id| {
        let signature =
            append_in(&pieces.assertion_or_response_signature, "</ds:Signature>", &pieces.bare_assertion);
        let forged = after_issuer(&pieces.evil_assertion(same_id), &signature);
        swap(&pieces.response, &pieces.assertion, &forged)
    });
}

#[test]
fn s1_xsw7_forged_assertion_in_extensions() {
    wrap("XSW7", |pieces, same_id| {
        let extensions = format!("<saml2p:Extensions>{}</saml2p:Extensions>", pieces.evil_assertion(same_id));
        swap(&pieces.response, "<saml2p:Status>", &format!("{extensions}<saml2p:Status>"))
    });
}

#[test]
fn s1_xsw8_original_assertion_in_an_object_of_the_moved_signature() {
    wrap("XSW8", |pieces, same_id| {
        let object = format!("<ds:Object>{}</ds:Object>", pieces.bare_assertion);
        let signature = append_in(&pieces.assertion_or_response_signature, "</ds:Signature>", &object);
        let forged = after_issuer(&pieces.evil_assertion(same_id), &signature);
        swap(&pieces.response, &pieces.assertion, &forged)
    });
}

/// Where something can be hidden: a text that is there once, and what comes before `{}` and after it.
const PLACES: [(&str, &str); 20] = [
    ("<saml2p:Status>", "<saml2p:Extensions>{}</saml2p:Extensions><saml2p:Status>"),
    ("</saml2p:Status>", "<saml2p:StatusDetail>{}</saml2p:StatusDetail></saml2p:Status>"),
    ("</saml2p:Status>", "{}</saml2p:Status>"),
    ("<saml2p:Status>", "{}<saml2p:Status>"),
    ("</saml2p:Response>", "{}</saml2p:Response>"),
    ("<saml2p:Status>", "<x:y xmlns:x=\"urn:x\">{}</x:y><saml2p:Status>"),
    ("</saml2:Subject>", "{}</saml2:Subject>"),
    ("</saml2:SubjectConfirmation>", "{}</saml2:SubjectConfirmation>"),
    ("</saml2:Conditions>", "{}</saml2:Conditions>"),
    ("</saml2:Conditions>", "<x:condition xmlns:x=\"urn:x\">{}</x:condition></saml2:Conditions>"),
    ("</saml2:Conditions>", "</saml2:Conditions><saml2:Advice>{}</saml2:Advice>"),
    (
        "</saml2:Conditions>",
        "</saml2:Conditions><saml2:Advice><x:y xmlns:x=\"urn:x\">{}</x:y></saml2:Advice>",
    ),
    ("</saml2:AuthnContext>", "<saml2:AuthnContextDecl>{}</saml2:AuthnContextDecl></saml2:AuthnContext>"),
    ("</saml2:AuthnStatement>", "{}</saml2:AuthnStatement>"),
    ("</saml2:AttributeStatement>", "{}</saml2:AttributeStatement>"),
    (
        "</saml2:AttributeStatement>",
        "<saml2:Attribute Name=\"x\"><saml2:AttributeValue>{}</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement>",
    ),
    ("</ds:Signature>", "<ds:Object>{}</ds:Object></ds:Signature>"),
    ("</ds:KeyInfo>", "{}</ds:KeyInfo>"),
    ("</ds:SignedInfo>", "{}</ds:SignedInfo>"),
    ("</saml2:Issuer>", "{}</saml2:Issuer>"),
];

#[test]
fn s1_a_forged_assertion_hidden_anywhere_is_refused() {
    for (at, place) in PLACES {
        wrap(&format!("forged in {place}"), |pieces, same_id| {
            swap_first(&pieces.response, at, &place.replace("{}", &pieces.evil_assertion(same_id)))
        });
    }
}

#[test]
fn s1_an_original_hidden_anywhere_beside_a_forged_assertion_is_refused() {
    for (at, place) in PLACES {
        wrap(&format!("original in {place}"), |pieces, same_id| {
            // The signature of the forged assertion's own makes places inside signatures.
            let forged =
                after_issuer(&pieces.evil_assertion(same_id), &pieces.assertion_or_response_signature);
            let response = swap(&pieces.response, &pieces.assertion, &forged);
            swap_first(&response, at, &place.replace("{}", &pieces.assertion))
        });
    }
}

#[test]
fn s1_a_whole_original_response_hidden_anywhere_is_refused() {
    for (at, place) in PLACES {
        wrap(&format!("original response in {place}"), |pieces, same_id| {
            let forged =
                after_issuer(&pieces.evil_response(same_id), &pieces.response_or_assertion_signature);
            swap_first(&forged, at, &place.replace("{}", &pieces.response))
        });
    }
}

#[test]
fn s1_a_signature_anywhere_else_is_refused() {
    for (at, place) in PLACES {
        // One place is right for a signature of the response, which the assertion's is not.
        attack(&format!("signature in {place}"), &format!("{STRUCTURE}|reference_mismatch"), |xml| {
            let signature = Pieces::of(xml).response_or_assertion_signature;
            swap_first(xml, at, &place.replace("{}", &signature))
        });
    }
}

#[test]
fn s1_a_forged_assertion_under_another_name_is_refused() {
    for (name, namespace) in [
        ("saml2:Assertion", "urn:oasis:names:tc:SAML:2.0:assertions"),
        ("Assertion", ""),
        ("Assertion", "urn:oasis:names:tc:SAML:1.0:assertion"),
    ] {
        attack(&format!("{name} in {namespace}"), STRUCTURE, |xml| {
            let pieces = Pieces::of(xml);
            let forged = pieces.evil_assertion(false).replace("saml2:Assertion", name).replace(
                "xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\"",
                &format!("xmlns=\"{namespace}\" xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\""),
            );
            let forged = if name == "Assertion" {
                forged
            } else {
                forged.replacen("saml2:Assertion", "other:Assertion", 1).replacen("xmlns=", "xmlns:other=", 1)
            };
            let forged = if name == "Assertion" {
                forged
            } else {
                swap_last(&forged, "saml2:Assertion", "other:Assertion")
            };
            swap(&pieces.response, &pieces.assertion, &format!("{forged}{}", pieces.assertion))
        });
    }
}

#[test]
fn s1_a_changed_value_is_refused() {
    attack("changed name", "digest_mismatch", |xml| swap(xml, USER, EVIL));
    attack("changed attribute", "digest_mismatch", |xml| swap(xml, ">engineering<", ">administrators<"));
    attack("added attribute", "digest_mismatch", |xml| {
        swap(
            xml,
            "<saml2:Attribute Name=\"email\">",
            "<saml2:Attribute Name=\"role\"><saml2:AttributeValue>admin</saml2:AttributeValue></saml2:Attribute><saml2:Attribute Name=\"email\">",
        )
    });
    attack("removed condition", "digest_mismatch", |xml| {
        swap(xml, "NotBefore=\"2026-11-20T09:55:00.000Z\" ", "")
    });
}

#[test]
fn s1_a_changed_id_is_refused() {
    // In the signed assertion the reference no longer fits; in the signed response the digest does not.
    let change = |xml: &str| swap(xml, &format!(" ID=\"{ASSERTION_ID}\""), " ID=\"_other\"");
    attack_forms("assertion id", ["reference_mismatch", "digest_mismatch", "digest_mismatch"], change);
    let change = |xml: &str| swap(xml, &format!(" ID=\"{RESPONSE_ID}\""), " ID=\"_other\"");
    for form in FORMS {
        let changed = change(&signed(form));
        if form == crate::forge::Form::Assertion {
            crate::forge::assert_accepted("the envelope of a signed assertion is not signed", &changed);
        } else {
            crate::forge::assert_refused("response id", "reference_mismatch", &changed);
        }
    }
}

#[test]
fn s1_a_signature_of_another_element_is_refused() {
    attack_forms("signatures exchanged", ["reference_mismatch"; 3], |xml| {
        let (own, other) = if signature_text(xml, ASSERTION_ID).is_some() {
            (ASSERTION_ID, RESPONSE_ID)
        } else {
            (RESPONSE_ID, ASSERTION_ID)
        };
        let signature = signature_text(xml, own).unwrap();
        let without = match signature_text(xml, other) {
            Some(other) => swap(&swap(xml, &signature, ""), &other, ""),
            None => swap(xml, &signature, ""),
        };
        match other {
            RESPONSE_ID => after_issuer(&without, &signature),
            _ => swap_last(&without, "</saml2:Issuer>", &format!("</saml2:Issuer>{signature}")),
        }
    });
}
