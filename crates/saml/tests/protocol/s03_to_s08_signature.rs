//! S3 to S8, S13 and S14: signatures that are missing, made with the wrong key or algorithm, or built to be read two
//! ways. Where a signature is strange it is genuine all the same, so that only the rule under test can refuse it.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::response::verify;

use crate::forge::sign::{ENVELOPED, EXCLUSIVE, RSA_SHA256, SHA256, Spec, x509_data};
use crate::forge::{
    ASSERTION_ID, FORMS, Form, RESPONSE_ID, assert_is_alice, assert_refused, attack, attack_forms, expected,
    keys, sign_form, signature_text, signed, swap, swap_first, template,
};

/// For each form: the document signed as `spec` says is refused.
#[track_caller]
fn refuse_signed(name: &str, codes: &str, spec: &Spec) {
    for form in FORMS {
        assert_refused(&format!("{name} / {form:?}"), codes, &sign_form(&template(), form, spec));
    }
}

/// Changes every signature of a document.
fn change_signatures(xml: &str, change: impl Fn(&str) -> String) -> String {
    [ASSERTION_ID, RESPONSE_ID].into_iter().fold(xml.to_owned(), |xml, id| match signature_text(&xml, id) {
        Some(signature) => xml.replace(&signature, &change(&signature)),
        None => xml,
    })
}

// S3: signature exclusion.

#[test]
fn s3_an_unsigned_response_is_refused() {
    assert_refused("never signed", "signature_missing", &template());
    attack("signatures removed", "signature_missing", |xml| change_signatures(xml, |_| String::new()));
    attack("signatures commented out", "signature_missing", |xml| {
        change_signatures(xml, |signature| format!("<!-- {} -->", signature.replace("--", "- -")))
    });
}

#[test]
fn s3_an_incomplete_signature_is_refused() {
    let malformed = "signature_malformed";
    attack("empty", malformed, |xml| {
        change_signatures(xml, |_| {
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>".to_owned()
        })
    });
    for (element, codes) in [
        ("SignedInfo", malformed),
        ("SignatureValue", malformed),
        ("CanonicalizationMethod", malformed),
        ("SignatureMethod", malformed),
        ("Reference", malformed),
        ("Transforms", malformed),
        ("DigestMethod", malformed),
        ("DigestValue", malformed),
    ] {
        attack(&format!("without {element}"), codes, |xml| {
            change_signatures(xml, |signature| {
                let document = roxmltree::Document::parse(signature).unwrap();
                let node = document.descendants().find(|node| node.tag_name().name() == element).unwrap();
                signature.replace(&signature[node.range()], "")
            })
        });
    }
    for element in ["SignatureValue", "DigestValue"] {
        attack(&format!("empty {element}"), malformed, |xml| {
            change_signatures(xml, |signature| {
                let (before, rest) = signature.split_once(&format!("<ds:{element}>")).unwrap();
                let (_, after) = rest.split_once(&format!("</ds:{element}>")).unwrap();
                format!("{before}<ds:{element}></ds:{element}>{after}")
            })
        });
    }
    attack("not base64", malformed, |xml| {
        change_signatures(xml, |signature| {
            swap_first(signature, "<ds:SignatureValue>", "<ds:SignatureValue>*")
        })
    });
    for attribute in ["Algorithm", "URI"] {
        let codes = if attribute == "URI" { "reference_mismatch" } else { malformed };
        attack(&format!("without {attribute}"), codes, |xml| {
            change_signatures(xml, |signature| signature.replace(&format!(" {attribute}=\""), " Other=\""))
        });
    }
}

#[test]
fn s3_a_signature_in_another_namespace_is_no_signature() {
    for namespace in ["http://www.w3.org/2000/09/xmldsig", "http://www.w3.org/2009/xmldsig11#", "urn:x"] {
        attack(namespace, "unexpected_element", |xml| {
            swap(xml, "http://www.w3.org/2000/09/xmldsig#\"", &format!("{namespace}\"")).replace(
                &format!("Algorithm=\"{namespace}enveloped"),
                "Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped",
            )
        });
    }
}

#[test]
fn s3_one_good_signature_does_not_excuse_a_bad_one() {
    let both = signed(Form::Both);
    let assertion_signature = signature_text(&both, ASSERTION_ID).unwrap();
    let response_signature = signature_text(&both, RESPONSE_ID).unwrap();
    // The response's signature removed: the assertion's own still proves it.
    crate::forge::assert_accepted("response signature removed", &swap(&both, &response_signature, ""));
    assert_refused("assertion signature removed", "digest_mismatch", &swap(&both, &assertion_signature, ""));
    let attacker = Spec { key: "attacker", key_info: Some(x509_data("attacker")), ..Spec::default() };
    let inner = crate::forge::sign::sign(&template(), ASSERTION_ID, &Spec::default());
    let outer = crate::forge::sign::sign(&inner, RESPONSE_ID, &attacker);
    assert_refused("assertion by the provider, response by the attacker", "signature_invalid", &outer);
    let inner = crate::forge::sign::sign(&template(), ASSERTION_ID, &attacker);
    let outer = crate::forge::sign::sign(&inner, RESPONSE_ID, &Spec::default());
    assert_refused("response by the provider, assertion by the attacker", "signature_invalid", &outer);
}

#[test]
fn s3_two_signatures_on_one_element_are_refused() {
    attack("twice the same", "signature_misplaced", |xml| {
        change_signatures(xml, |signature| format!("{signature}{signature}"))
    });
    attack("a good one after an empty one", "signature_misplaced", |xml| {
        change_signatures(xml, |signature| {
            format!("<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>{signature}")
        })
    });
}

// S4: trust in KeyInfo.

#[test]
fn s4_keys_that_the_response_brings_are_not_trusted() {
    let certificate = keys::certificate_base64("attacker");
    let leaf = keys::certificate_base64("attacker-leaf");
    let x509 = |certificates: &[&str]| {
        let all: String = certificates
            .iter()
            .map(|one| format!("<ds:X509Certificate>{one}</ds:X509Certificate>"))
            .collect();
        format!("<ds:X509Data>{all}</ds:X509Data>")
    };
    let pinned = keys::certificate_base64("idp");
    for key_info in [
        x509(&[&certificate]),
        x509(&[&pinned]),
        x509(&[&pinned, &certificate]),
        x509(&[&certificate, &pinned]),
        x509(&[&leaf]),
        x509(&[&leaf, &pinned]),
        "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>".to_owned(),
        "<ds:KeyName>idp</ds:KeyName>".to_owned(),
        format!("<ds:KeyName>idp</ds:KeyName>{}", x509(&[&certificate])),
    ] {
        refuse_signed(&key_info, "signature_invalid", &Spec { key: "attacker", key_info: Some(key_info.clone()), ..Spec::default() });
    }
    refuse_signed(
        "no KeyInfo",
        "signature_invalid",
        &Spec { key: "attacker", key_info: None, ..Spec::default() },
    );
    refuse_signed(
        "another key of the provider",
        "signature_invalid",
        &Spec { key: "other", ..Spec::default() },
    );
}

#[test]
fn s4_the_operator_reads_which_certificate_came_along() {
    let spec = Spec { key: "other", key_info: Some(x509_data("other")), ..Spec::default() };
    let refusal = crate::forge::post(&sign_form(&template(), Form::Assertion, &spec)).unwrap_err();
    assert!(refusal.to_string().contains(&keys::certificate("other").fingerprint_sha256()), "{refusal}");
}

#[test]
fn s4_without_a_pinned_certificate_nothing_verifies() {
    for form in FORMS {
        let refusal = verify(&STANDARD.encode(signed(form)), &expected(&[])).unwrap_err();
        assert_eq!(refusal.code(), "algorithm_key_mismatch");
    }
}

// S5: algorithm confusion.

/// Signs like [`sign_form`], with an HMAC under `secret` in place of the key's signature.
fn sign_with_hmac(method: &str, parameters: &str, secret: &[u8], form: Form) -> String {
    let mut spec = Spec::edited(
        &format!("<ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"/>"),
        &format!("<ds:SignatureMethod Algorithm=\"{method}\">{parameters}</ds:SignatureMethod>"),
    );
    spec.key_info = None;
    let xml = sign_form(&template(), form, &spec);
    // Put the right HMAC where the signature is.
    change_signatures(&xml, |signature| {
        let document = roxmltree::Document::parse(signature).unwrap();
        let info = document.descendants().find(|node| node.tag_name().name() == "SignedInfo").unwrap();
        let mut octets = String::new();
        saml::c14n::canonicalize(info, None, &saml::c14n::Canonicalization::EXCLUSIVE, &mut octets).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let value = STANDARD.encode(hmac::sign(&key, octets.as_bytes()));
        let (before, rest) = signature.split_once("<ds:SignatureValue>").unwrap();
        let (_, after) = rest.split_once("</ds:SignatureValue>").unwrap();
        format!("{before}<ds:SignatureValue>{value}</ds:SignatureValue>{after}")
    })
}

#[test]
fn s5_hmac_under_anything_public_is_refused() {
    let pem = keys::certificate_pem("idp");
    let certificate = keys::certificate("idp");
    let base64 = keys::certificate_base64("idp");
    let secrets: [&[u8]; 5] =
        [pem.as_bytes(), pem.trim_end().as_bytes(), certificate.der(), base64.as_bytes(), b""];
    for secret in secrets {
        for method in [
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512",
        ] {
            for form in FORMS {
                assert_refused(method, "algorithm_not_allowed", &sign_with_hmac(method, "", secret, form));
            }
        }
    }
    for length in ["0", "1", "8", "256"] {
        for form in FORMS {
            let parameters = format!("<ds:HMACOutputLength>{length}</ds:HMACOutputLength>");
            let xml =
                sign_with_hmac("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", &parameters, b"", form);
            assert_refused(length, "signature_malformed", &xml);
        }
    }
}

#[test]
fn s5_unknown_algorithms_are_refused() {
    for method in [
        "",
        "none",
        "rsa-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256 ",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2009/xmldsig11#dsa-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-ripemd160",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
        "http://www.w3.org/2007/05/xmldsig-more#rsa-pss",
        "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
    ] {
        refuse_signed(method, "algorithm_not_allowed", &Spec { signature_method: method, ..Spec::default() });
    }
    for digest_method in [
        "",
        "none",
        "http://www.w3.org/2001/04/xmldsig-more#md5",
        "http://www.w3.org/2001/04/xmldsig-more#sha224",
        "http://www.w3.org/2001/04/xmlenc#ripemd160",
        "http://www.w3.org/2007/05/xmldsig-more#sha3-256",
    ] {
        refuse_signed(digest_method, "algorithm_not_allowed", &Spec { digest_method, ..Spec::default() });
    }
}

#[test]
fn s5_mislabelled_signatures_are_refused() {
    for (name, to, codes) in [
        ("as SHA-512", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", "signature_invalid"),
        ("as SHA-384", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", "signature_invalid"),
        ("as ECDSA", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", "algorithm_key_mismatch"),
    ] {
        attack(name, codes, |xml| swap(xml, RSA_SHA256, to));
    }
    attack("digest as SHA-512", "signature_invalid", |xml| {
        swap(xml, SHA256, "http://www.w3.org/2001/04/xmlenc#sha512")
    });
    // The signature is genuine, the digest too short for what it says it is.
    let spec = Spec::edited(SHA256, "http://www.w3.org/2001/04/xmlenc#sha512");
    refuse_signed("digest mislabelled and signed", "digest_mismatch", &spec);
}

#[test]
fn s5_impossible_ecdsa_signatures_are_refused() {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap()).collect();
    let der = [&[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01][..], &[0; 56]].concat();
    let values = [
        vec![0; 64],
        [vec![0; 32], vec![1; 32]].concat(),
        [vec![1; 32], vec![0; 32]].concat(),
        [order.clone(), order.clone()].concat(),
        vec![0xff; 64],
        vec![1; 63],
        vec![1; 65],
        vec![1; 96],
        vec![1; 1],
        der,
    ];
    let method = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
    let spec = Spec { key: "p256", signature_method: method, ..Spec::default() };
    let pinned = [keys::certificate("p256")];
    for form in FORMS {
        let xml = sign_form(&template(), form, &spec);
        assert_is_alice("baseline", &verify(&STANDARD.encode(&xml), &expected(&pinned)).unwrap());
        for value in &values {
            let changed = change_signatures(&xml, |signature| {
                let (before, rest) = signature.split_once("<ds:SignatureValue>").unwrap();
                let (_, after) = rest.split_once("</ds:SignatureValue>").unwrap();
                format!("{before}<ds:SignatureValue>{}</ds:SignatureValue>{after}", STANDARD.encode(value))
            });
            let refusal = verify(&STANDARD.encode(changed), &expected(&pinned)).unwrap_err();
            assert_eq!(refusal.code(), "signature_invalid", "{value:?}");
        }
    }
}

// S6: SHA-1 and MD5.

#[test]
fn s6_sha1_is_refused_unless_the_connection_allows_it() {
    let digest = Spec { digest_method: "http://www.w3.org/2000/09/xmldsig#sha1", ..Spec::default() };
    refuse_signed("SHA-1 digest", "sha1_not_allowed", &digest);
    for form in FORMS {
        let pinned = [keys::certificate("idp")];
        let allowing = saml::response::Expected { allow_sha1: true, ..expected(&pinned) };
        let verified = verify(&STANDARD.encode(sign_form(&template(), form, &digest)), &allowing).unwrap();
        assert_is_alice("allowed", &verified);
        // Allowing SHA-1 does not weaken anything else.
        let verified = verify(&STANDARD.encode(signed(form)), &allowing).unwrap();
        assert_is_alice("SHA-256", &verified);
    }
    let signature =
        Spec { signature_method: "http://www.w3.org/2000/09/xmldsig#rsa-sha1", ..Spec::default() };
    refuse_signed("SHA-1 signature", "sha1_not_allowed", &signature);
}

// S7: two readings of one signature.

#[test]
fn s7_a_second_signed_info_is_refused() {
    for first in [true, false] {
        attack(&format!("forged one first: {first}"), "signature_malformed", |xml| {
            change_signatures(xml, |signature| {
                let document = roxmltree::Document::parse(signature).unwrap();
                let node =
                    document.descendants().find(|node| node.tag_name().name() == "SignedInfo").unwrap();
                let genuine = &signature[node.range()];
                let (before, rest) = genuine.split_once("<ds:DigestValue>").unwrap();
                let (_, after) = rest.split_once("</ds:DigestValue>").unwrap();
                let forged =
                    format!("{before}<ds:DigestValue>{}</ds:DigestValue>{after}", STANDARD.encode([1; 32]));
                let both = if first { format!("{forged}{genuine}") } else { format!("{genuine}{forged}") };
                signature.replace(genuine, &both)
            })
        });
    }
}

#[test]
fn s7_a_digest_value_with_anything_but_text_is_refused() {
    let forged = STANDARD.encode([1; 32]);
    for (name, before, after, codes) in [
        ("comment before", format!("<!--{forged}-->"), String::new(), "comment_inside"),
        ("comment after", String::new(), format!("<!--{forged}-->"), "comment_inside"),
        ("instruction", format!("<?x {forged}?>"), String::new(), "processing_instruction"),
        ("CDATA", format!("<![CDATA[{forged}]]>"), String::new(), "cdata"),
        ("element", format!("<x xmlns=\"urn:x\">{forged}</x>"), String::new(), "signature_malformed"),
        ("second text", format!("{forged} "), String::new(), "signature_malformed"),
    ] {
        for element in ["DigestValue", "SignatureValue"] {
            attack(&format!("{name} in {element}"), codes, |xml| {
                change_signatures(xml, |signature| {
                    let changed =
                        swap_first(signature, &format!("<ds:{element}>"), &format!("<ds:{element}>{before}"));
                    swap_first(&changed, &format!("</ds:{element}>"), &format!("{after}</ds:{element}>"))
                })
            });
        }
    }
}

#[test]
fn s7_comments_and_strays_anywhere_in_a_signature_are_refused() {
    for (stray, codes) in [
        ("<!-- x -->", "comment_inside"),
        ("stray", "signature_malformed"),
        ("<x:x xmlns:x=\"urn:x\"/>", "signature_malformed"),
        ("<ds:Object/>", "signature_malformed"),
        ("<ds:DigestValue>AAAA</ds:DigestValue>", "signature_malformed"),
        ("<ds:Manifest/>", "signature_malformed"),
    ] {
        for end in
            ["</ds:SignedInfo>", "</ds:Reference>", "</ds:Transforms>", "</ds:Transform>", "</ds:Signature>"]
        {
            // Signed as it is, so that only its place can be wrong.
            let mut spec = Spec::edited(
                &format!("<ds:Transform Algorithm=\"{ENVELOPED}\"/>"),
                &format!("<ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>"),
            );
            spec.edits.push((end.to_owned(), format!("{stray}{end}")));
            let codes = if end == "</ds:Transform>" && codes != "comment_inside" {
                "signature_malformed|transform_not_allowed"
            } else {
                codes
            };
            refuse_signed(&format!("{stray} before {end}"), codes, &spec);
        }
    }
}

#[test]
fn s7_more_than_one_of_anything_is_refused() {
    for element in [
        "CanonicalizationMethod",
        "SignatureMethod",
        "DigestMethod",
        "DigestValue",
        "SignatureValue",
        "Reference",
        "Transforms",
        "KeyInfo",
    ] {
        attack(&format!("two {element}"), "signature_malformed", |xml| {
            change_signatures(xml, |signature| {
                let document = roxmltree::Document::parse(signature).unwrap();
                let node = document.descendants().find(|node| node.tag_name().name() == element).unwrap();
                let text = &signature[node.range()];
                swap_first(signature, text, &format!("{text}{text}"))
            })
        });
    }
}

// S8: canonicalization that fails or is unknown.

#[test]
fn s8_relative_and_empty_namespaces_are_refused() {
    for namespace in ["relative", "./x", "../x", "//x", "1:x", "x y", "", "&#x75;rn:x", "#"] {
        attack(&format!("added {namespace:?}"), "bad_namespace", |xml| {
            swap(xml, "<saml2:Assertion ", &format!("<saml2:Assertion xmlns:x=\"{namespace}\" "))
        });
        attack(&format!("added to the signature {namespace:?}"), "bad_namespace", |xml| {
            xml.replace("<ds:SignedInfo>", &format!("<ds:SignedInfo xmlns:x=\"{namespace}\">"))
        });
    }
    attack("relative default", "bad_namespace", |xml| {
        swap(xml, "<saml2:Conditions ", "<saml2:Conditions xmlns=\"relative\" ")
    });
}

#[test]
fn s8_the_digest_of_nothing_proves_nothing() {
    let empty = STANDARD.encode(crate::forge::sign::digest_of(SHA256, b""));
    for form in FORMS {
        let (id, xml) = match form {
            Form::Response => (RESPONSE_ID, template()),
            _ => (ASSERTION_ID, template()),
        };
        let genuine = crate::forge::sign::sign(&xml, id, &Spec::default());
        let signature = signature_text(&genuine, id).unwrap();
        let (_, rest) = signature.split_once("<ds:DigestValue>").unwrap();
        let (digest, _) = rest.split_once("</ds:DigestValue>").unwrap();
        let spec = Spec::edited(digest, &empty);
        assert_refused("digest of nothing", "digest_mismatch", &crate::forge::sign::sign(&xml, id, &spec));
    }
}

#[test]
fn s8_unknown_canonicalizations_are_refused() {
    for form in [
        "",
        "none",
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://www.w3.org/2006/12/xml-c14n11#WithComments",
        "http://www.w3.org/2010/xml-c14n2",
        "http://www.w3.org/2001/10/xml-exc-c14n",
        "http://www.w3.org/2001/10/xml-exc-c14n#withcomments",
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform",
    ] {
        let spec = Spec::edited(
            &format!("<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>"),
            &format!("<ds:CanonicalizationMethod Algorithm=\"{form}\"/>"),
        );
        refuse_signed(form, "canonicalization_not_allowed", &spec);
        let spec = Spec::edited(
            &format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform>"),
            &format!("<ds:Transform Algorithm=\"{form}\"></ds:Transform>"),
        );
        refuse_signed(form, "transform_not_allowed", &spec);
    }
}

#[test]
fn s8_odd_canonicalization_parameters_are_refused() {
    let many = vec!["p"; 33].join(" ");
    for parameters in [
        format!("<ec:InclusiveNamespaces xmlns:ec=\"{EXCLUSIVE}\" PrefixList=\"{many}\"/>"),
        format!("<ec:InclusiveNamespaces xmlns:ec=\"{EXCLUSIVE}\">x</ec:InclusiveNamespaces>"),
        format!(
            "<ec:InclusiveNamespaces xmlns:ec=\"{EXCLUSIVE}\"/><ec:InclusiveNamespaces xmlns:ec=\"{EXCLUSIVE}\"/>"
        ),
        "<ec:InclusiveNamespaces xmlns:ec=\"urn:x\" PrefixList=\"xs\"/>".to_owned(),
        "<InclusiveNamespaces xmlns=\"\" PrefixList=\"xs\"/>".to_owned(),
        "<ds:XPath>true()</ds:XPath>".to_owned(),
    ] {
        let spec = Spec::edited(
            &format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform>"),
            &format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\">{parameters}</ds:Transform>"),
        );
        refuse_signed(&parameters, "signature_malformed", &spec);
        let spec = Spec::edited(
            &format!("<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>"),
            &format!(
                "<ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\">{parameters}</ds:CanonicalizationMethod>"
            ),
        );
        refuse_signed(&parameters, "signature_malformed", &spec);
    }
    attack("changed prefix list", "signature_invalid", |xml| {
        xml.replace(
            &format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform>"),
            &format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"><ec:InclusiveNamespaces xmlns:ec=\"{EXCLUSIVE}\" PrefixList=\"xs\"/></ds:Transform>"),
        )
    });
}

// S13: transforms that run or select something.

#[test]
fn s13_other_transforms_are_refused() {
    let transform = format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform>");
    let stylesheet = "<xsl:stylesheet xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" version=\"1.0\"><xsl:template match=\"/\"><xsl:value-of select=\"document('http://127.0.0.1:1/')\"/></xsl:template></xsl:stylesheet>";
    for (algorithm, content) in [
        ("http://www.w3.org/TR/1999/REC-xslt-19991116", stylesheet),
        ("http://www.w3.org/TR/1999/REC-xpath-19991116", "<ds:XPath>not(ancestor-or-self::*)</ds:XPath>"),
        (
            "http://www.w3.org/2002/06/xmldsig-filter2",
            "<f:XPath xmlns:f=\"http://www.w3.org/2002/06/xmldsig-filter2\" Filter=\"subtract\">//*</f:XPath>",
        ),
        ("http://www.w3.org/2000/09/xmldsig#base64", ""),
        ("http://www.w3.org/2002/07/decrypt#XML", ""),
        ("http://www.w3.org/2001/04/xmlenc#decryption", ""),
        ("http://schemas.openxmlformats.org/package/2006/RelationshipTransform", ""),
        ("urn:unknown", ""),
    ] {
        let other = format!("<ds:Transform Algorithm=\"{algorithm}\">{content}</ds:Transform>");
        let enveloped = format!("<ds:Transform Algorithm=\"{ENVELOPED}\"/>");
        for (name, from, to) in [
            ("instead of canonicalization", &transform, other.clone()),
            ("before", &transform, format!("{other}{transform}")),
            ("after", &transform, format!("{transform}{other}")),
            ("first", &enveloped, format!("{other}{enveloped}")),
            ("instead of enveloped", &enveloped, other.clone()),
        ] {
            refuse_signed(&format!("{algorithm} {name}"), "transform_not_allowed", &Spec::edited(from, &to));
        }
    }
    let enveloped = format!("<ds:Transform Algorithm=\"{ENVELOPED}\"/>");
    for (name, from, to) in [
        ("enveloped twice", &enveloped, format!("{enveloped}{enveloped}")),
        ("canonicalization twice", &transform, format!("{transform}{transform}")),
        ("canonicalization first", &enveloped, format!("{transform}{enveloped}")),
        ("no enveloped", &enveloped, String::new()),
    ] {
        refuse_signed(name, "transform_not_allowed", &Spec::edited(from, &to));
    }
    refuse_signed(
        "XPath in enveloped",
        "signature_malformed",
        &Spec::edited(
            &enveloped,
            &format!("<ds:Transform Algorithm=\"{ENVELOPED}\"><ds:XPath>/</ds:XPath></ds:Transform>"),
        ),
    );
    let none = Spec { content_form: None, ..Spec::edited(&enveloped, "") };
    refuse_signed("no transforms", "signature_malformed", &none);
}

// S14: references to elsewhere.

#[test]
fn s14_references_to_anything_but_the_parent_are_refused() {
    for uri in [
        "",
        "#",
        "http://127.0.0.1:1/x",
        "https://example.com/#_assertion-0001",
        "file:///etc/passwd",
        "cid:x",
        "#xpointer(/)",
        "#xpointer(id('_assertion-0001'))",
        "#_other",
        "_assertion-0001",
        "#_ASSERTION-0001",
        "# _assertion-0001",
        "#_assertion-0001 ",
        "#%5fassertion-0001",
    ] {
        for form in [Form::Assertion, Form::Response] {
            let id = if form == Form::Assertion { ASSERTION_ID } else { RESPONSE_ID };
            let spec = Spec::edited(&format!("URI=\"#{id}\""), &format!("URI=\"{uri}\""));
            let xml = crate::forge::sign::sign(&template(), id, &spec);
            assert_refused(&format!("{uri:?} / {form:?}"), "reference_mismatch", &xml);
        }
    }
    for form in [Form::Assertion, Form::Response] {
        let id = if form == Form::Assertion { ASSERTION_ID } else { RESPONSE_ID };
        let spec = Spec::edited(&format!(" URI=\"#{id}\""), "");
        assert_refused("no URI", "reference_mismatch", &crate::forge::sign::sign(&template(), id, &spec));
    }
}

#[test]
fn s14_key_info_that_points_elsewhere_is_refused() {
    for info in [
        "<ds:RetrievalMethod URI=\"http://127.0.0.1:1/key\" Type=\"http://www.w3.org/2000/09/xmldsig#X509Data\"/>",
        "<ds:RetrievalMethod URI=\"#_x\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"/></ds:Transforms></ds:RetrievalMethod>",
        "<d:KeyInfoReference xmlns:d=\"http://www.w3.org/2009/xmldsig11#\" URI=\"http://127.0.0.1:1/\"/>",
        "<w:SecurityTokenReference xmlns:w=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"><w:Reference URI=\"http://127.0.0.1:1/\"/></w:SecurityTokenReference>",
        "<ds:X509Data><x:x xmlns:x=\"urn:x\"/></ds:X509Data>",
        "<ds:MgmtData>x</ds:MgmtData>",
        "<ds:Signature/>",
        "<ds:Object/>",
    ] {
        refuse_signed(
            info,
            "unexpected_element",
            &Spec { key_info: Some(info.to_owned()), ..Spec::default() },
        );
    }
    let encrypted = "<e:EncryptedKey xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"><e:CipherData><e:CipherReference URI=\"http://127.0.0.1:1/\"/></e:CipherData></e:EncryptedKey>";
    refuse_signed(
        "encrypted key",
        "encryption_not_supported",
        &Spec { key_info: Some(encrypted.to_owned()), ..Spec::default() },
    );
}

#[test]
fn s14_a_second_reference_is_refused() {
    let second = |uri: &str| {
        let reference = format!(
            "<ds:Reference URI=\"{uri}\"><ds:DigestMethod Algorithm=\"{SHA256}\"/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>"
        );
        Spec::edited("</ds:SignedInfo>", &format!("{reference}</ds:SignedInfo>"))
    };
    for uri in ["http://127.0.0.1:1/", "#_assertion-0001", "", "#_response-0001"] {
        refuse_signed(uri, "signature_malformed", &second(uri));
    }
    attack_forms("reference to the other part first", ["signature_malformed"; 3], |xml| {
        change_signatures(xml, |signature| {
            let document = roxmltree::Document::parse(signature).unwrap();
            let node = document.descendants().find(|node| node.tag_name().name() == "Reference").unwrap();
            let reference = &signature[node.range()];
            signature
                .replace(reference, &format!("{}{reference}", reference.replace("URI=\"#", "URI=\"#other")))
        })
    });
}
