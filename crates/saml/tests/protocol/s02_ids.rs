//! S2: more ids than one, and attributes that another tool might take for an id.

use crate::forge::sign::{Spec, sign};
use crate::forge::{
    ASSERTION_ID, Form, RESPONSE_ID, assert_refused, attack, attack_before_signing, signed, swap, template,
};

/// Attributes that some tool or other registers as ids, with the declarations that they need.
fn id_attributes(value: &str) -> Vec<String> {
    [
        "Id=\"{}\"",
        "id=\"{}\"",
        "iD=\"{}\"",
        "xml:id=\"{}\"",
        "xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\" wsu:Id=\"{}\"",
        "xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" p:ID=\"{}\"",
        "xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\" a:ID=\"{}\"",
        "AssertionID=\"{}\"",
        "ResponseID=\"{}\"",
    ]
    .iter()
    .map(|attribute| attribute.replace("{}", value))
    .collect()
}

#[test]
fn s2_id_like_attributes_on_saml_elements_are_refused() {
    for value in [ASSERTION_ID, RESPONSE_ID, "_another"] {
        for attribute in id_attributes(value) {
            for element in
                ["<saml2p:Response ", "<saml2:Assertion ", "<saml2:AuthnStatement ", "<saml2p:StatusCode "]
            {
                let name = format!("{attribute} on {element}");
                attack(&name, "foreign_id_attribute", |xml| {
                    swap(xml, element, &format!("{element}{attribute} "))
                });
            }
        }
    }
}

#[test]
fn s2_id_like_attributes_are_refused_though_signed() {
    for attribute in id_attributes("_another") {
        for element in ["<saml2p:Response ", "<saml2:Assertion ", "<saml2:SubjectConfirmationData "] {
            attack_before_signing(&attribute, "foreign_id_attribute", |xml| {
                swap(xml, element, &format!("{element}{attribute} "))
            });
        }
    }
}

#[test]
fn s2_the_same_id_twice_is_refused() {
    attack_before_signing("response has the assertion's id", "duplicate_id", |xml| {
        // Signing looks elements up by id, so the change comes where that does no harm.
        swap(
            xml,
            "<saml2p:Status>",
            &format!(
                "<saml2p:Extensions><x:x xmlns:x=\"urn:x\" ID=\"{RESPONSE_ID}\"/></saml2p:Extensions><saml2p:Status>"
            ),
        )
    });
    for attribute in id_attributes(ASSERTION_ID) {
        attack(&format!("foreign {attribute}"), "duplicate_id", |xml| {
            swap(
                xml,
                "<saml2p:Status>",
                &format!(
                    "<saml2p:Extensions><x:x xmlns:x=\"urn:x\" {attribute}/></saml2p:Extensions><saml2p:Status>"
                ),
            )
        });
    }
    attack("signature has the assertion's id", "duplicate_id", |xml| {
        xml.replace("<ds:Signature ", &format!("<ds:Signature Id=\"{ASSERTION_ID}\" "))
    });
    attack("two signature parts have one id", "duplicate_id", |xml| {
        xml.replacen("<ds:SignedInfo>", "<ds:SignedInfo Id=\"a\">", 1).replacen(
            "<ds:SignatureValue>",
            "<ds:SignatureValue Id=\"a\">",
            1,
        )
    });
    attack("white space around an xml:id", "duplicate_id", |xml| {
        swap(
            xml,
            "<saml2p:Status>",
            &format!(
                "<saml2p:Extensions><x:x xmlns:x=\"urn:x\" xml:id=\" {ASSERTION_ID}&#10;\"/></saml2p:Extensions><saml2p:Status>"
            ),
        )
    });
}

#[test]
fn s2_ids_of_signature_elements_must_be_theirs() {
    for attribute in ["ID=\"_x\"", "id=\"_x\"", "xml:id=\"_x\""] {
        attack(attribute, "foreign_id_attribute", |xml| {
            xml.replace("<ds:Signature ", &format!("<ds:Signature {attribute} "))
        });
    }
}

#[test]
fn s2_the_response_and_assertion_may_not_share_an_id() {
    let xml = swap(&template(), &format!("\"{RESPONSE_ID}\""), &format!("\"{ASSERTION_ID}\""));
    // Only the first of the two can be found for signing.
    let spec = Spec::default();
    assert_refused("shared id", "duplicate_id", &sign(&xml, ASSERTION_ID, &spec));
}

#[test]
fn s2_missing_and_odd_ids_are_refused() {
    for id in ["", " ", "a b", "x'); drop", "#_a", "id(_a)", "\u{e9}", "a\u{200b}", &"a".repeat(257)] {
        for (own, other) in [(ASSERTION_ID, RESPONSE_ID), (RESPONSE_ID, ASSERTION_ID)] {
            // Signed by the other id, which can be found.
            let xml = swap(&template(), own, id);
            assert_refused(&format!("{id:?} for {own}"), "bad_id", &sign(&xml, other, &Spec::default()));
        }
        for form in [Form::Assertion, Form::Response] {
            let own = if form == Form::Assertion { ASSERTION_ID } else { RESPONSE_ID };
            let xml = swap(&signed(form), own, id);
            assert_refused(&format!("{id:?} for {own}, signed"), "bad_id", &xml);
        }
    }
}
