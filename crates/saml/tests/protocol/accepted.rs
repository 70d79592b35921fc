//! Genuine responses in every shape that identity providers give them, and what is read from them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::response::{Attribute, NameId, verify};

use crate::forge::sign::{
    EXCLUSIVE, EXCLUSIVE_WITH_COMMENTS, INCLUSIVE, INCLUSIVE_WITH_COMMENTS, Spec, break_lines, x509_data,
};
use crate::forge::{
    FORMS, Form, IDP, NOW, RESPONSE_ID, USER, assert_accepted, assert_is_alice, expected, keys, post,
    sign_form, signed, swap, template,
};
use crate::vendors::shapes;

#[test]
fn vendor_shapes_are_accepted_as_they_sign_by_default() {
    for shape in shapes() {
        assert_accepted(shape.name, &(shape.finish)(sign_form(&shape.xml, shape.form, &shape.spec)));
    }
}

#[test]
fn vendor_shapes_are_accepted_in_every_signing_form() {
    for shape in shapes() {
        for form in FORMS {
            // A signed response must say its destination; the minimal shape does not.
            if shape.name == "minimal" && form != Form::Assertion {
                continue;
            }
            assert_accepted(&format!("{} / {form:?}", shape.name), &sign_form(&shape.xml, form, &shape.spec));
        }
    }
}

#[test]
fn everything_is_read() {
    for form in FORMS {
        let verified = assert_accepted("template", &signed(form));
        let format = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress".to_owned();
        assert_eq!(verified.name_id, Some(NameId { value: USER.to_owned(), format: Some(format) }));
        assert_eq!(verified.response_id, RESPONSE_ID);
        assert_eq!(verified.issuer, IDP);
        assert_eq!(verified.session_index.as_deref(), Some("_session-0001"));
        assert_eq!(verified.authn_instant, Some(NOW - 10_000));
        assert_eq!(verified.replay_until, NOW + 300_000 + 180_000);
        assert_eq!(verified.signing_certificate, 0);
        let attribute = |name: &str, friendly_name: Option<&str>, values: &[&str]| Attribute {
            name: name.to_owned(),
            friendly_name: friendly_name.map(str::to_owned),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        assert_eq!(
            verified.attributes,
            [
                attribute("id", None, &["00u1"]),
                attribute("email", None, &[USER]),
                attribute("groups", Some("Groups"), &["engineering", "everyone"]),
            ]
        );
    }
}

#[test]
fn canonicalizations_and_digests_are_accepted() {
    let digests = [
        "http://www.w3.org/2001/04/xmlenc#sha256",
        "http://www.w3.org/2001/04/xmldsig-more#sha384",
        "http://www.w3.org/2001/04/xmlenc#sha512",
    ];
    let forms = [EXCLUSIVE, EXCLUSIVE_WITH_COMMENTS, INCLUSIVE, INCLUSIVE_WITH_COMMENTS];
    for digest_method in digests {
        for signed_info_form in forms {
            for content_form in forms.map(Some).into_iter().chain([None]) {
                let spec = Spec { digest_method, signed_info_form, content_form, ..Spec::default() };
                for form in FORMS {
                    let name = format!("{signed_info_form} {content_form:?} {digest_method} {form:?}");
                    assert_accepted(&name, &sign_form(&template(), form, &spec));
                }
            }
        }
    }
}

#[test]
fn keys_and_signature_methods_are_accepted() {
    let rsa = ["rsa-sha256", "rsa-sha384", "rsa-sha512"];
    let cases =
        [("idp", &rsa[..]), ("rsa4096", &rsa[..]), ("p256", &["ecdsa-sha256"]), ("p384", &["ecdsa-sha384"])];
    for (key, methods) in cases {
        for method in methods {
            let signature_method = format!("http://www.w3.org/2001/04/xmldsig-more#{method}").leak();
            let spec = Spec { key, signature_method, key_info: Some(x509_data(key)), ..Spec::default() };
            for form in FORMS {
                let xml = sign_form(&template(), form, &spec);
                let verified = verify(&STANDARD.encode(&xml), &expected(&[keys::certificate(key)])).unwrap();
                assert_is_alice(&format!("{key} {method} {form:?}"), &verified);
            }
        }
    }
}

#[test]
fn any_pinned_certificate_may_have_signed_and_the_index_says_which() {
    let pinned = ["other", "p256", "idp", "p384"].map(keys::certificate);
    for (key, method, index) in [
        ("idp", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", 2),
        ("other", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", 0),
        ("p256", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", 1),
        ("p384", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", 3),
    ] {
        let spec = Spec { key, signature_method: method, ..Spec::default() };
        for form in FORMS {
            let verified =
                verify(&STANDARD.encode(sign_form(&template(), form, &spec)), &expected(&pinned)).unwrap();
            assert_eq!(verified.signing_certificate, index, "{key}");
        }
    }
}

#[test]
fn an_expired_certificate_still_verifies_because_its_owner_decides() {
    let xml = signed(Form::Assertion);
    let verified = verify(&STANDARD.encode(xml), &expected(&[keys::certificate("expired")])).unwrap();
    assert_is_alice("expired", &verified);
}

#[test]
fn key_info_is_ignored_whatever_it_claims() {
    let two = format!("{}{}", x509_data("attacker"), x509_data("idp"));
    let others = [
        None,
        Some(String::new()),
        Some(x509_data("attacker")),
        Some(two),
        Some("<ds:KeyName>x</ds:KeyName>".into()),
    ];
    for key_info in others {
        for form in FORMS {
            let spec = Spec { key_info: key_info.clone(), ..Spec::default() };
            assert_accepted(&format!("{key_info:?}"), &sign_form(&template(), form, &spec));
        }
    }
}

#[test]
fn base64_in_lines_and_a_byte_order_mark_are_accepted() {
    let xml = signed(Form::Both);
    for encoded in [
        break_lines(&STANDARD.encode(&xml), "\n"),
        break_lines(&STANDARD.encode(&xml), "\r\n"),
        format!("\n  {}\t\n", STANDARD.encode(&xml)),
        STANDARD.encode(format!("\u{feff}{xml}")),
    ] {
        assert_is_alice("encoding", &verify(&encoded, &expected(&[keys::certificate("idp")])).unwrap());
    }
}

#[test]
fn comments_between_elements_are_accepted() {
    for form in FORMS {
        let xml = template()
            .replace("<saml2p:Status>", "<!-- status --><saml2p:Status>")
            .replace("<saml2:Subject>", "<!-- subject --><saml2:Subject>");
        assert_accepted("comments", &sign_form(&xml, form, &Spec::default()));
    }
}

#[test]
fn comments_added_between_signed_elements_change_nothing() {
    // Canonicalization without comments leaves them out, so this is the document that was signed.
    for form in FORMS {
        let xml = swap(&signed(form), "<saml2:Conditions ", "<!-- later --><saml2:Conditions ");
        assert_accepted("comments", &xml);
    }
}

#[test]
fn several_audiences_restrictions_and_confirmations_are_accepted_if_they_fit() {
    let changes: [(&str, &str, String); 6] = [
        ("two audiences", "<saml2:Audience>", "<saml2:Audience>https://other.example</saml2:Audience><saml2:Audience>".into()),
        (
            "two restrictions",
            "</saml2:AudienceRestriction>",
            format!(
                "</saml2:AudienceRestriction><saml2:AudienceRestriction><saml2:Audience>{}</saml2:Audience></saml2:AudienceRestriction>",
                crate::forge::SP
            ),
        ),
        (
            "a confirmation of another kind",
            "<saml2:SubjectConfirmation ",
            "<saml2:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:sender-vouches\"/><saml2:SubjectConfirmation ".into(),
        ),
        (
            "an expired bearer confirmation beside a good one",
            "<saml2:SubjectConfirmation ",
            format!(
                "<saml2:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml2:SubjectConfirmationData InResponseTo=\"{}\" NotOnOrAfter=\"2020-01-01T00:00:00Z\" Recipient=\"{}\"/></saml2:SubjectConfirmation><saml2:SubjectConfirmation ",
                crate::forge::REQUEST,
                crate::forge::ACS
            ),
        ),
        ("one time use", "<saml2:AudienceRestriction>", "<saml2:OneTimeUse/><saml2:AudienceRestriction>".into()),
        (
            "proxy restriction",
            "<saml2:AudienceRestriction>",
            "<saml2:ProxyRestriction Count=\"0\"/><saml2:AudienceRestriction>".into(),
        ),
    ];
    for (name, from, to) in changes {
        for form in FORMS {
            assert_accepted(name, &sign_form(&swap(&template(), from, &to), form, &Spec::default()));
        }
    }
}

#[test]
fn clocks_may_differ_by_three_minutes() {
    for form in FORMS {
        for (name, from, to) in [
            (
                "expired a moment ago",
                "NotOnOrAfter=\"2026-11-20T10:05:00.000Z\"",
                "NotOnOrAfter=\"2026-11-20T09:57:00.001Z\"",
            ),
            (
                "valid in a moment",
                "NotBefore=\"2026-11-20T09:55:00.000Z\"",
                "NotBefore=\"2026-11-20T10:03:00.000Z\"",
            ),
            (
                "issued in the future",
                "IssueInstant=\"2026-11-20T09:59:58.123Z\"",
                "IssueInstant=\"2026-11-20T10:02:59Z\"",
            ),
        ] {
            assert_accepted(name, &sign_form(&swap(&template(), from, to), form, &Spec::default()));
        }
    }
}

#[test]
fn foreign_extensions_and_advice_are_accepted() {
    for form in FORMS {
        let foreign = "<x:thing xmlns:x=\"urn:x\" id=\"x1\"><x:inner>text</x:inner></x:thing>";
        let xml = template()
            .replace("<saml2p:Status>", &format!("<saml2p:Extensions>{foreign}</saml2p:Extensions><saml2p:Status>"))
            .replace(
                "<saml2:AuthnStatement ",
                "<saml2:Advice><saml2:AssertionURIRef>urn:a</saml2:AssertionURIRef><y:thing xmlns:y=\"urn:y\"/></saml2:Advice><saml2:AuthnStatement ",
            );
        assert_accepted("foreign", &sign_form(&xml, form, &Spec::default()));
    }
}

/// The values of the attribute `email` once its AttributeValue elements are `values`.
fn email_values(values: &str) -> Vec<String> {
    let xml = swap(&template(), &format!("<saml2:AttributeValue>{USER}</saml2:AttributeValue>"), values);
    let verified = post(&sign_form(&xml, Form::Both, &Spec::default())).unwrap();
    verified.attributes.into_iter().find(|attribute| attribute.name == "email").unwrap().values
}

#[test]
fn attribute_values_are_read_whole() {
    for (xml, values) in [
        ("<saml2:AttributeValue/>", vec![""]),
        ("<saml2:AttributeValue></saml2:AttributeValue>", vec![""]),
        ("<saml2:AttributeValue>a&amp;b&lt;c&gt;&#233;&#x1F600;</saml2:AttributeValue>", vec!["a&b<c>é😀"]),
        ("<saml2:AttributeValue>\n    two\n lines\n  </saml2:AttributeValue>", vec!["two\n lines"]),
        ("<saml2:AttributeValue> admin </saml2:AttributeValue>", vec![" admin "]),
        ("<saml2:AttributeValue>admin\n</saml2:AttributeValue>", vec!["admin\n"]),
        ("<saml2:AttributeValue>a&#13;&#10;b</saml2:AttributeValue>", vec!["a\r\nb"]),
        ("<saml2:AttributeValue><saml2:NameID>x</saml2:NameID></saml2:AttributeValue>", vec![]),
        ("<saml2:AttributeValue>x<y:z xmlns:y=\"urn:y\">y</y:z></saml2:AttributeValue>", vec![]),
        (
            "<saml2:AttributeValue xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\">x</saml2:AttributeValue>",
            vec![""],
        ),
        (
            "<saml2:AttributeValue>1</saml2:AttributeValue><saml2:AttributeValue>2</saml2:AttributeValue>",
            vec!["1", "2"],
        ),
    ] {
        assert_eq!(email_values(xml), values, "{xml}");
    }
}

#[test]
fn attributes_of_one_name_are_one() {
    let more = "<saml2:Attribute Name=\"groups\" FriendlyName=\"Other\"><saml2:AttributeValue>third</saml2:AttributeValue></saml2:Attribute>";
    let xml = swap(
        &template(),
        "</saml2:AttributeStatement>",
        &format!("</saml2:AttributeStatement><saml2:AttributeStatement>{more}</saml2:AttributeStatement>"),
    );
    let verified = assert_accepted("merged", &sign_form(&xml, Form::Assertion, &Spec::default()));
    let groups: Vec<_> = verified.attributes.iter().filter(|attribute| attribute.name == "groups").collect();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].values, ["engineering", "everyone", "third"]);
    assert_eq!(groups[0].friendly_name.as_deref(), Some("Groups"));
}

#[test]
fn a_subject_without_a_name_is_left_to_the_attributes() {
    let name_id = format!(
        "<saml2:NameID Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\">{USER}</saml2:NameID>"
    );
    for form in FORMS {
        let xml = swap(&template(), &name_id, "");
        assert_eq!(post(&sign_form(&xml, form, &Spec::default())).unwrap().name_id, None);
    }
}

#[test]
fn replay_is_remembered_until_nothing_could_be_accepted() {
    let until = |conditions: &str, confirmation: &str| {
        let xml = template()
            .replace(
                "NotBefore=\"2026-11-20T09:55:00.000Z\" NotOnOrAfter=\"2026-11-20T10:05:00.000Z\"",
                conditions,
            )
            .replace(
                "NotOnOrAfter=\"2026-11-20T10:05:00.000Z\" Recipient",
                &format!("{confirmation} Recipient"),
            );
        post(&sign_form(&xml, Form::Assertion, &Spec::default())).unwrap().replay_until - NOW - 180_000
    };
    assert_eq!(
        until("NotOnOrAfter=\"2026-11-20T11:00:00Z\"", "NotOnOrAfter=\"2026-11-20T10:01:00Z\""),
        60_000
    );
    assert_eq!(
        until("NotOnOrAfter=\"2026-11-20T10:02:00Z\"", "NotOnOrAfter=\"2026-11-20T10:10:00Z\""),
        120_000
    );
    assert_eq!(until("", "NotOnOrAfter=\"2026-11-20T10:10:00Z\""), 600_000);
}

#[test]
fn a_large_response_with_thousands_of_groups_is_accepted() {
    let groups: String = (0..5000)
        .map(|group| format!("<saml2:AttributeValue xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"xs:string\">group-{group}</saml2:AttributeValue>"))
        .collect();
    let xml = swap(&template(), "<saml2:AttributeValue>everyone</saml2:AttributeValue>", &groups);
    for form in FORMS {
        let verified = assert_accepted("groups", &sign_form(&xml, form, &Spec::default()));
        assert_eq!(verified.attributes[2].values.len(), 5001);
    }
}
