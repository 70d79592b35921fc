//! S15 and S17 to S24: what a genuinely signed response may say, and to whom, and when.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::response::{Expected, verify};

use crate::forge::sign::{Spec, sign};
use crate::forge::{
    ACS, ASSERTION_ID, EVIL, FORMS, Form, IDP, REQUEST, RESPONSE_ID, SP, USER, assert_accepted,
    assert_refused, attack, attack_before_signing, element_text, expected, keys, post, sign_form, signed,
    swap, swap_first, swap_last, template,
};

// S15 and S17: encryption.

const ENCRYPTED_DATA: &str = "<xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#aes128-cbc\"/><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-1_5\"/><xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherReference URI=\"http://127.0.0.1:1/\"/></xenc:CipherData></xenc:EncryptedData>";

#[test]
fn s15_encryption_is_refused_by_name() {
    let code = "encryption_not_supported";
    let encrypted = format!(
        "<saml2:EncryptedAssertion xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\">{ENCRYPTED_DATA}</saml2:EncryptedAssertion>"
    );
    attack("instead of the assertion", code, |xml| swap(xml, &element_text(xml, ASSERTION_ID), &encrypted));
    attack("before the assertion", code, |xml| {
        swap(xml, "<saml2:Assertion ", &format!("{encrypted}<saml2:Assertion "))
    });
    attack("after the assertion", code, |xml| {
        swap(xml, "</saml2:Assertion>", &format!("</saml2:Assertion>{encrypted}"))
    });
    attack("in extensions", &format!("{code}|unexpected_element"), |xml| {
        swap(
            xml,
            "<saml2p:Status>",
            &format!("<saml2p:Extensions>{encrypted}</saml2p:Extensions><saml2p:Status>"),
        )
    });
    let without = swap(&template(), &element_text(&template(), ASSERTION_ID), &encrypted);
    assert_refused("response signed", code, &sign(&without, RESPONSE_ID, &Spec::default()));
    assert_refused("not signed", code, &without);
}

#[test]
fn s15_encrypted_ids_and_attributes_are_refused_by_name() {
    let name_id = element_between(&template(), "<saml2:NameID ", "</saml2:NameID>");
    for (name, from, to) in [
        ("EncryptedID", name_id.clone(), format!("<saml2:EncryptedID>{ENCRYPTED_DATA}</saml2:EncryptedID>")),
        (
            "EncryptedID beside NameID",
            name_id.clone(),
            format!("{name_id}<saml2:EncryptedID>{ENCRYPTED_DATA}</saml2:EncryptedID>"),
        ),
        (
            "EncryptedAttribute",
            "<saml2:Attribute Name=\"email\">".to_owned(),
            format!(
                "<saml2:EncryptedAttribute>{ENCRYPTED_DATA}</saml2:EncryptedAttribute><saml2:Attribute Name=\"email\">"
            ),
        ),
        ("EncryptedData as a value", ">engineering<".to_owned(), format!(">{ENCRYPTED_DATA}<")),
    ] {
        attack_before_signing(name, "encryption_not_supported", |xml| swap_first(xml, &from, &to));
    }
}

/// The text from `start` to `end`, both included.
fn element_between(xml: &str, start: &str, end: &str) -> String {
    let (_, rest) = xml.split_once(start).unwrap();
    let (inside, _) = rest.split_once(end).unwrap();
    format!("{start}{inside}{end}")
}

// S18: audience.

#[test]
fn s18_audiences_that_are_not_ours_are_refused() {
    let audience = format!("<saml2:Audience>{SP}</saml2:Audience>");
    for other in [
        "https://other.example",
        "https://auth.example.com/saml/conn_0",
        "https://auth.example.com/saml/conn_012",
        "https://auth.example.com/saml/conn_01/",
        "https://auth.example.com/saml/CONN_01",
        "https://AUTH.example.com/saml/conn_01",
        " https://auth.example.com/saml/conn_01",
        "https://auth.example.com/saml/conn_01 ",
        "https://auth.example.com/saml/conn_01\n",
        "https://auth.example.com/saml/conn_01?",
        "https://auth.example.com/saml/conn_01#x",
        "https://evil.example/https://auth.example.com/saml/conn_01",
        "*",
        "",
    ] {
        attack_before_signing(other, "audience_mismatch", |xml| {
            swap(xml, &audience, &format!("<saml2:Audience>{other}</saml2:Audience>"))
        });
    }
    let restriction = format!("<saml2:AudienceRestriction>{audience}</saml2:AudienceRestriction>");
    let foreign = "<saml2:AudienceRestriction><saml2:Audience>https://other.example</saml2:Audience></saml2:AudienceRestriction>";
    for (name, codes, to) in [
        ("no restriction", "audience_missing", String::new()),
        ("empty restriction", "audience_missing", "<saml2:AudienceRestriction/>".to_owned()),
        ("ours and another's", "audience_mismatch", format!("{restriction}{foreign}")),
        ("another's and ours", "audience_mismatch", format!("{foreign}{restriction}")),
        ("ours and an empty one", "audience_missing", format!("{restriction}<saml2:AudienceRestriction/>")),
        (
            "audience of a proxy",
            "audience_missing",
            format!("<saml2:ProxyRestriction>{audience}</saml2:ProxyRestriction>"),
        ),
    ] {
        attack_before_signing(name, codes, |xml| swap(xml, &restriction, &to));
    }
}

#[test]
fn s18_conditions_must_be_there_once_and_be_understood() {
    let conditions = element_between(&template(), "<saml2:Conditions ", "</saml2:Conditions>");
    attack_before_signing("no conditions", "conditions_missing", |xml| swap(xml, &conditions, ""));
    attack_before_signing("empty conditions", "audience_missing", |xml| {
        swap(xml, &conditions, "<saml2:Conditions/>")
    });
    attack_before_signing("conditions twice", "unexpected_element", |xml| {
        swap(xml, &conditions, &conditions.repeat(2))
    });
    for condition in [
        "<saml2:Condition xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:x=\"urn:x\" xsi:type=\"x:Only\"/>",
        "<x:Only xmlns:x=\"urn:x\"/>",
        "<OneTimeUse xmlns=\"\"/>",
    ] {
        attack_before_signing(condition, "unknown_condition", |xml| {
            swap(xml, "</saml2:Conditions>", &format!("{condition}</saml2:Conditions>"))
        });
    }
}

// S19: recipient and destination.

/// URLs that are nearly ours.
const NEARLY: [&str; 12] = [
    "https://evil.example/acs",
    "https://auth.example.com/sso/saml/acs/conn_02",
    "https://auth.example.com/sso/saml/acs/conn_0",
    "https://auth.example.com/sso/saml/acs/conn_012",
    "https://auth.example.com/sso/saml/acs/conn_01/",
    "https://auth.example.com/sso/saml/acs/conn_01?x",
    "https://auth.example.com/sso/saml/acs/conn_01#x",
    "https://AUTH.example.com/sso/saml/acs/conn_01",
    "http://auth.example.com/sso/saml/acs/conn_01",
    "https://auth.example.com:443/sso/saml/acs/conn_01",
    " https://auth.example.com/sso/saml/acs/conn_01",
    "",
];

#[test]
fn s19_recipients_that_are_not_ours_are_refused() {
    for other in NEARLY {
        attack_before_signing(other, "recipient_mismatch", |xml| {
            swap(xml, &format!("Recipient=\"{ACS}\""), &format!("Recipient=\"{other}\""))
        });
    }
    attack_before_signing("no recipient", "recipient_missing", |xml| {
        swap(xml, &format!(" Recipient=\"{ACS}\""), "")
    });
    attack_before_signing("recipient in a namespace", "recipient_missing", |xml| {
        swap(xml, &format!(" Recipient=\"{ACS}\""), &format!(" xmlns:x=\"urn:x\" x:Recipient=\"{ACS}\""))
    });
}

#[test]
fn s19_destinations_that_are_not_ours_are_refused() {
    for other in NEARLY {
        attack_before_signing(other, "destination_mismatch", |xml| {
            swap(xml, &format!("Destination=\"{ACS}\""), &format!("Destination=\"{other}\""))
        });
    }
    let without = swap(&template(), &format!(" Destination=\"{ACS}\""), "");
    for form in FORMS {
        let xml = sign_form(&without, form, &Spec::default());
        match form {
            Form::Assertion => drop(assert_accepted("nothing signed says otherwise", &xml)),
            _ => assert_refused("signed without destination", "destination_missing", &xml),
        }
    }
}

// S20: time.

#[test]
fn s20_what_is_over_or_not_yet_is_refused() {
    let expiry = "NotOnOrAfter=\"2026-11-20T10:05:00.000Z\"";
    let conditions = format!("NotBefore=\"2026-11-20T09:55:00.000Z\" {expiry}");
    let confirmation = format!("{expiry} Recipient");
    let until = |time: &str| format!("NotOnOrAfter=\"{time}\"");
    for (name, codes, from, to) in [
        ("conditions over", "expired", &conditions, until("2026-11-20T09:57:00.000Z")),
        ("conditions long over", "expired", &conditions, until("2020-01-01T00:00:00Z")),
        (
            "conditions ahead",
            "not_yet_valid",
            &conditions,
            "NotBefore=\"2026-11-20T10:03:00.001Z\"".to_owned(),
        ),
        (
            "conditions far ahead",
            "not_yet_valid",
            &conditions,
            "NotBefore=\"2099-01-01T00:00:00Z\"".to_owned(),
        ),
        (
            "conditions upside down",
            "expired",
            &conditions,
            format!("NotBefore=\"2026-11-20T09:55:00Z\" {}", until("2026-11-20T09:50:00Z")),
        ),
        (
            "confirmation over",
            "confirmation_expired",
            &confirmation,
            format!("{} Recipient", until("2026-11-20T09:57:00.000Z")),
        ),
        (
            "confirmation long over",
            "confirmation_expired",
            &confirmation,
            format!("{} Recipient", until("2020-01-01T00:00:00Z")),
        ),
        ("confirmation without end", "confirmation_without_expiry", &confirmation, "Recipient".to_owned()),
        (
            "confirmation ahead",
            "confirmation_not_yet_valid",
            &confirmation,
            format!("NotBefore=\"2026-11-20T10:03:00.001Z\" {expiry} Recipient"),
        ),
        (
            "session over",
            "session_expired",
            &"SessionIndex=".to_owned(),
            "SessionNotOnOrAfter=\"2026-11-20T09:57:00.000Z\" SessionIndex=".to_owned(),
        ),
        (
            "no time of authentication",
            "time_missing",
            &"AuthnInstant=\"2026-11-20T09:59:50.000Z\" ".to_owned(),
            String::new(),
        ),
        (
            "no time of issue",
            "time_missing",
            &" IssueInstant=\"2026-11-20T09:59:58.123Z\"".to_owned(),
            String::new(),
        ),
    ] {
        attack_before_signing(name, codes, |xml| swap(xml, from, &to));
    }
}

#[test]
fn s20_times_that_cannot_be_read_are_refused() {
    for time in [
        "",
        "never",
        "2026-11-20",
        "2026-11-20T10:05:00",
        "2026-11-20 10:05:00Z",
        "2099-02-30T00:00:00Z",
        "2099-13-01T00:00:00Z",
        "2026-11-20T25:00:00Z",
        "9999999999999",
        "12099-01-01T00:00:00Z",
        "2099-01-01T00:00:00Zx",
        "2099-01-01T00:00:00+99:00",
        "infinity",
    ] {
        for (from, to) in [
            ("NotBefore=\"2026-11-20T09:55:00.000Z\"", format!("NotBefore=\"{time}\"")),
            ("NotOnOrAfter=\"2026-11-20T10:05:00.000Z\"><", format!("NotOnOrAfter=\"{time}\"><")),
            (
                "NotOnOrAfter=\"2026-11-20T10:05:00.000Z\" Recipient",
                format!("NotOnOrAfter=\"{time}\" Recipient"),
            ),
            ("Recipient=", format!("NotBefore=\"{time}\" Recipient=")),
            ("SessionIndex=", format!("SessionNotOnOrAfter=\"{time}\" SessionIndex=")),
            ("AuthnInstant=\"2026-11-20T09:59:50.000Z\"", format!("AuthnInstant=\"{time}\"")),
            ("IssueInstant=\"2026-11-20T09:59:58.123Z\"", format!("IssueInstant=\"{time}\"")),
        ] {
            attack_before_signing(&to, "malformed_time", |xml| swap(xml, from, &to));
        }
    }
}

#[test]
fn s20_the_clock_given_decides() {
    let pinned = [keys::certificate("idp")];
    let encoded = STANDARD.encode(signed(Form::Assertion));
    let at = |now| {
        verify(&encoded, &Expected { now, ..expected(&pinned) }).map(|_| ()).map_err(|refusal| refusal.code())
    };
    let (not_before, not_on_or_after) = (1_795_168_500_000, 1_795_169_100_000);
    assert_eq!(at(not_before - 180_000), Ok(()));
    assert_eq!(at(not_before - 180_001), Err("not_yet_valid"));
    assert_eq!(at(not_on_or_after + 179_999), Ok(()));
    assert_eq!(at(not_on_or_after + 180_000), Err("confirmation_expired"));
    assert_eq!(at(i64::MAX), Err("confirmation_expired"));
    assert_eq!(at(i64::MIN), Err("not_yet_valid"));
}

// S22: the request that is answered.

#[test]
fn s22_answers_to_other_requests_are_refused() {
    let in_response = format!("InResponseTo=\"{REQUEST}\" IssueInstant");
    let in_confirmation = format!("InResponseTo=\"{REQUEST}\" NotOnOrAfter");
    for other in ["_other", "", "_request-00010", "_request-000", "_REQUEST-0001", " _request-0001"] {
        attack_before_signing("response", "in_response_to_mismatch", |xml| {
            swap(xml, &in_response, &format!("InResponseTo=\"{other}\" IssueInstant"))
        });
        attack_before_signing("confirmation", "in_response_to_mismatch", |xml| {
            swap(xml, &in_confirmation, &format!("InResponseTo=\"{other}\" NotOnOrAfter"))
        });
        attack_before_signing("both", "in_response_to_mismatch", |xml| {
            swap(xml, &format!("InResponseTo=\"{REQUEST}\""), &format!("InResponseTo=\"{other}\""))
        });
    }
    attack_before_signing("stripped from the response", "unsolicited_response", |xml| {
        swap(xml, &in_response, "IssueInstant")
    });
    attack_before_signing("stripped from the confirmation", "unsolicited_response", |xml| {
        swap(xml, &in_confirmation, "NotOnOrAfter")
    });
    attack_before_signing("stripped from both", "unsolicited_response", |xml| {
        swap(xml, &format!(" InResponseTo=\"{REQUEST}\""), "")
    });
    // In a response that is not signed, an attacker can change its own answer but not the assertion's.
    let stolen = swap(&template(), &in_confirmation, "InResponseTo=\"_victims\" NotOnOrAfter");
    let stolen = sign_form(&stolen, Form::Assertion, &Spec::default());
    assert_refused("re-wrapped", "in_response_to_mismatch", &stolen);
}

#[test]
fn s22_an_empty_expectation_matches_nothing() {
    let pinned = [keys::certificate("idp")];
    for in_response_to in ["", "_other"] {
        let expected = Expected { in_response_to, ..expected(&pinned) };
        for xml in
            [signed(Form::Both), sign_form(&swap(&template(), REQUEST, ""), Form::Both, &Spec::default())]
        {
            let refusal = verify(&STANDARD.encode(xml), &expected).unwrap_err();
            assert_eq!(refusal.code(), "in_response_to_mismatch");
        }
    }
}

// S23: the issuer and other tenants.

#[test]
fn s23_other_issuers_are_refused() {
    for other in [
        "https://evil.example",
        "https://idp.example.com/metadata/",
        "https://idp.example.com/Metadata",
        "https://idp.example.com/metadat",
        " https://idp.example.com/metadata",
        "https://idp.example.com/metadata\n",
        "",
    ] {
        attack_before_signing("both", "issuer_mismatch", |xml| {
            swap(xml, &format!(">{IDP}<"), &format!(">{other}<"))
        });
        attack_before_signing("response", "issuer_mismatch", |xml| {
            swap_first(xml, &format!(">{IDP}<"), &format!(">{other}<"))
        });
        attack_before_signing("assertion", "issuer_mismatch", |xml| {
            swap_last(xml, &format!(">{IDP}<"), &format!(">{other}<"))
        });
    }
    let issuer = format!(
        "<saml2:Issuer Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:entity\">{IDP}</saml2:Issuer>"
    );
    attack_before_signing("no issuer in the assertion", "issuer_missing", |xml| swap(xml, &issuer, ""));
    attack_before_signing("two issuers in the assertion", "unexpected_element|signature_misplaced", |xml| {
        swap(xml, &issuer, &issuer.repeat(2))
    });
    for form in FORMS {
        let response_issuer = format!(
            "<saml2:Issuer xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\" Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:entity\">{IDP}</saml2:Issuer>"
        );
        let xml = swap(&template(), &response_issuer, "");
        assert_accepted(
            "a response may leave its issuer to the assertion",
            &sign_form(&xml, form, &Spec::default()),
        );
    }
}

#[test]
fn s23_another_connections_response_is_refused() {
    let pinned = [keys::certificate("idp")];
    let base = expected(&pinned);
    let other_key = [keys::certificate("other")];
    for form in FORMS {
        let encoded = STANDARD.encode(signed(form));
        for (name, code, expected) in [
            (
                "other provider",
                "issuer_mismatch",
                Expected { idp_entity_id: "https://other.example", ..base.clone() },
            ),
            (
                "other audience",
                "audience_mismatch",
                Expected { sp_entity_id: "https://auth.example.com/saml/conn_02", ..base.clone() },
            ),
            ("other key", "signature_invalid", Expected { certificates: &other_key, ..base.clone() }),
        ] {
            assert_eq!(verify(&encoded, &expected).unwrap_err().code(), code, "{name} / {form:?}");
        }
        let other_url = Expected { acs_url: "https://auth.example.com/sso/saml/acs/conn_02", ..base.clone() };
        assert_eq!(verify(&encoded, &other_url).unwrap_err().code(), "destination_mismatch");
    }
}

#[test]
fn s23_a_half_configured_connection_matches_nobody() {
    let pinned = [keys::certificate("idp")];
    let base = expected(&pinned);
    for form in FORMS {
        for (code, value, expected) in [
            ("issuer_mismatch", IDP, Expected { idp_entity_id: "", ..base.clone() }),
            ("audience_mismatch", SP, Expected { sp_entity_id: "", ..base.clone() }),
            ("destination_mismatch", ACS, Expected { acs_url: "", ..base.clone() }),
            ("in_response_to_mismatch", REQUEST, Expected { in_response_to: "", ..base.clone() }),
        ] {
            // The provider leaves the very value out.
            let xml = sign_form(&swap(&template(), value, ""), form, &Spec::default());
            assert_eq!(verify(&STANDARD.encode(xml), &expected).unwrap_err().code(), code, "{form:?}");
        }
    }
}

// S24: status, root and version.

#[test]
fn s24_anything_but_success_is_refused_with_the_providers_reason() {
    let success = "urn:oasis:names:tc:SAML:2.0:status:Success";
    for other in [
        "urn:oasis:names:tc:SAML:2.0:status:Responder",
        "urn:oasis:names:tc:SAML:2.0:status:success",
        "Success",
        "",
    ] {
        attack_before_signing(other, "status_not_success", |xml| swap(xml, success, other));
    }
    let code = format!("<saml2p:StatusCode Value=\"{success}\"/>");
    let failure = format!(
        "<saml2p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\">{code}</saml2p:StatusCode>"
    );
    attack_before_signing("success below a failure", "status_not_success", |xml| swap(xml, &code, &failure));
    attack_before_signing("two codes", "unexpected_element", |xml| swap(xml, &code, &code.repeat(2)));
    attack_before_signing("no code", "status_missing", |xml| swap(xml, &code, ""));
    attack_before_signing("no value", "status_missing", |xml| swap(xml, &code, "<saml2p:StatusCode/>"));
    let status = format!("<saml2p:Status>{code}</saml2p:Status>");
    attack_before_signing("no status", "status_missing", |xml| swap(xml, &status, ""));
    attack_before_signing("two statuses", "unexpected_element", |xml| swap(xml, &status, &status.repeat(2)));
    attack_before_signing("status of another namespace", "status_missing|unexpected_element", |xml| {
        swap(
            xml,
            &status,
            &status.replace("saml2p:", "saml2:").replace(
                "<saml2:Status>",
                "<saml2:Status xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\">",
            ),
        )
    });
}

#[test]
fn s24_a_refused_login_without_assertion_says_why() {
    let xml = format!(
        "<p:Response xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_r\" Version=\"2.0\" IssueInstant=\"2026-11-20T10:00:00Z\"><p:Status><p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\"><p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:AuthnFailed\"/></p:StatusCode><p:StatusMessage>User is not\nassigned {}</p:StatusMessage></p:Status></p:Response>",
        "x".repeat(1000)
    );
    let refusal = post(&xml).unwrap_err();
    assert_eq!(refusal.code(), "status_not_success");
    let text = refusal.to_string();
    assert!(
        text.contains("status:Responder")
            && text.contains("AuthnFailed")
            && text.contains("User is not assigned"),
        "{text}"
    );
    assert!(text.len() < 600, "{text}");
}

#[test]
fn s24_other_documents_are_refused() {
    let assertion = element_text(&template(), ASSERTION_ID);
    let signed_assertion = element_text(&signed(Form::Assertion), ASSERTION_ID);
    assert_refused("a bare assertion", "not_a_response", &assertion);
    assert_refused("a bare signed assertion", "not_a_response", &signed_assertion);
    for root in ["ArtifactResponse", "LogoutResponse", "AuthnRequest", "response", "Responses"] {
        attack(root, "not_a_response", |xml| swap(xml, "saml2p:Response", &format!("saml2p:{root}")));
    }
    for form in FORMS {
        let xml = signed(form);
        let soap = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{xml}</s:Body></s:Envelope>"
        );
        assert_refused("SOAP", "not_a_response", &soap);
        let artifact = format!(
            "<p:ArtifactResponse xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"_a\" Version=\"2.0\">{xml}</p:ArtifactResponse>"
        );
        assert_refused("artifact response", "not_a_response", &artifact);
        let metadata = format!(
            "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"x\">{xml}</md:EntityDescriptor>"
        );
        assert_refused("metadata", "not_a_response", &metadata);
        let namespace =
            xml.replace("urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.0:protocol");
        assert_refused("SAML 1.1 protocol", "not_a_response", &namespace);
        let none =
            xml.replace("xmlns:saml2p=\"urn:oasis:names:tc:SAML:2.0:protocol\"", "").replace("saml2p:", "");
        assert_refused("no namespace", "not_a_response", &none);
    }
    attack_before_signing("SAML 1.1 assertion", "unexpected_element", |xml| {
        swap(xml, "urn:oasis:names:tc:SAML:2.0:assertion", "urn:oasis:names:tc:SAML:1.0:assertion")
    });
}

#[test]
fn s24_other_versions_are_refused() {
    for other in ["1.1", "2.1", "2", "2.00", " 2.0", ""] {
        attack_before_signing("both", "wrong_version", |xml| {
            swap(xml, "Version=\"2.0\"", &format!("Version=\"{other}\""))
        });
        attack_before_signing("assertion", "wrong_version", |xml| {
            swap_last(xml, "Version=\"2.0\"", &format!("Version=\"{other}\""))
        });
    }
    attack_before_signing("none", "wrong_version", |xml| swap(xml, " Version=\"2.0\"", ""));
}

// The subject, and elements out of place.

#[test]
fn the_subject_must_be_one_bearers() {
    let subject = element_between(&template(), "<saml2:Subject>", "</saml2:Subject>");
    let confirmation =
        element_between(&template(), "<saml2:SubjectConfirmation ", "</saml2:SubjectConfirmation>");
    let name_id = element_between(&template(), "<saml2:NameID ", "</saml2:NameID>");
    let data = element_between(&template(), "<saml2:SubjectConfirmationData ", "/>");
    for (name, codes, from, to) in [
        ("no subject", "subject_missing", &subject, String::new()),
        ("two subjects", "unexpected_element", &subject, subject.repeat(2)),
        ("no confirmation", "confirmation_missing", &confirmation, String::new()),
        ("no data", "recipient_missing", &data, String::new()),
        ("two data", "unexpected_element", &data, data.repeat(2)),
        ("two names", "unexpected_element", &name_id, name_id.repeat(2)),
        ("empty name", "name_id_empty", &name_id, "<saml2:NameID/>".to_owned()),
        (
            "nil name",
            "name_id_empty",
            &name_id,
            format!(
                "<saml2:NameID xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"1\">{USER}</saml2:NameID>"
            ),
        ),
        ("base id", "unexpected_element", &name_id, "<saml2:BaseID/>".to_owned()),
        ("no attribute name", "attribute_without_name", &"Name=\"email\"".to_owned(), String::new()),
        (
            "empty attribute name",
            "attribute_without_name",
            &"Name=\"email\"".to_owned(),
            "Name=\"\"".to_owned(),
        ),
    ] {
        attack_before_signing(name, codes, |xml| swap(xml, from, &to));
    }
    for method in [
        "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key",
        "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches",
        "urn:oasis:names:tc:SAML:2.0:cm:Bearer",
        "",
    ] {
        attack_before_signing(method, "confirmation_missing", |xml| {
            swap(xml, "urn:oasis:names:tc:SAML:2.0:cm:bearer", method)
        });
    }
    // Each of two confirmations passes half of the checks.
    let halves = format!(
        "{}{}",
        confirmation.replace(ACS, "https://evil.example/"),
        confirmation.replace(REQUEST, "_other")
    );
    attack_before_signing("two halves", "recipient_mismatch", |xml| swap(xml, &confirmation, &halves));
}

#[test]
fn no_assertion_and_several_are_refused() {
    let assertion = element_text(&template(), ASSERTION_ID);
    let none = swap(&template(), &assertion, "");
    assert_refused("none", "assertion_missing", &none);
    assert_refused("none, signed", "assertion_missing", &sign(&none, RESPONSE_ID, &Spec::default()));
    let second = assertion.replace(ASSERTION_ID, "_second").replace(USER, EVIL);
    for two in [format!("{assertion}{second}"), format!("{second}{assertion}")] {
        let xml = swap(&template(), &assertion, &two);
        for form in FORMS {
            assert_refused("two, signed", "several_assertions", &sign_form(&xml, form, &Spec::default()));
        }
        let xml = sign(&sign(&xml, ASSERTION_ID, &Spec::default()), "_second", &Spec::default());
        assert_refused("two, both signed", "several_assertions", &xml);
    }
}

#[test]
fn elements_out_of_place_are_refused() {
    for (at, element) in [
        ("<saml2:Subject>", "<saml2:AuthzDecisionStatement/>"),
        ("<saml2:Subject>", "<saml2:Statement/>"),
        ("<saml2:Subject>", "<saml2:NameID>x</saml2:NameID>"),
        ("<saml2:Subject>", "<saml2:Unheard/>"),
        ("<saml2:Subject>", "<x xmlns=\"\"/>"),
        ("<saml2p:Status>", "<saml2p:StatusCode/>"),
        ("<saml2p:Status>", "<saml2p:LogoutRequest/>"),
        ("</saml2:SubjectConfirmation>", "<x:x xmlns:x=\"urn:x\"/>"),
        ("</saml2:AudienceRestriction>", "<saml2:NameID>x</saml2:NameID>"),
        ("</saml2:Attribute>", "<saml2:Attribute Name=\"y\"/>"),
    ] {
        attack_before_signing(element, "unexpected_element", |xml| {
            swap_first(xml, at, &format!("{element}{at}"))
        });
    }
    for form in FORMS {
        // The signature where the schema does not have it.
        let xml = signed(form);
        let id = if form == Form::Response { RESPONSE_ID } else { ASSERTION_ID };
        let signature = crate::forge::signature_text(&xml, id).unwrap();
        let end = if form == Form::Response { "</saml2p:Response>" } else { "</saml2:Assertion>" };
        let moved = swap(&swap(&xml, &signature, ""), end, &format!("{signature}{end}"));
        assert_refused("signature at the end", "signature_misplaced", &moved);
    }
}
