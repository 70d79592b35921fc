//! S9 to S12: what parsers read differently, what they fetch, and what makes them slow.

use crate::forge::sign::{Spec, sign};
use crate::forge::{
    ACS, ASSERTION_ID, EVIL, FORMS, IDP, RESPONSE_ID, SP, USER, assert_accepted, assert_refused,
    assert_refused_bytes, attack, attack_before_signing, post, sign_form, signed, swap, swap_first, template,
};

// S9: truncation by comments, CDATA and processing instructions.

/// Texts that decide something, as they stand in the template.
const IDENTITY: [&str; 4] = [USER, SP, IDP, "engineering"];

#[test]
fn s9_comments_inside_identity_are_refused() {
    for text in IDENTITY {
        for comment in ["<!---->", "<!-- x -->"] {
            let (before, after) = text.split_at(5);
            let with = format!(">{before}{comment}{after}<");
            attack(&format!("{comment} in {text}"), "comment_inside", |xml| {
                swap(xml, &format!(">{text}<"), &with)
            });
            attack_before_signing("signed so", "comment_inside", |xml| {
                swap(xml, &format!(">{text}<"), &with)
            });
            attack("at the start", "comment_inside", |xml| {
                swap(xml, &format!(">{text}<"), &format!(">{comment}{text}<"))
            });
            attack("at the end", "comment_inside", |xml| {
                swap(xml, &format!(">{text}<"), &format!(">{text}{comment}<"))
            });
            attack("alone", "comment_inside", |xml| swap(xml, &format!(">{text}<"), &format!(">{comment}<")));
        }
    }
}

#[test]
fn s9_a_name_is_never_truncated() {
    // The provider signs the name of an account that the attacker owns; a comment would cut it to the victim's.
    for form in FORMS {
        let owned = swap(&template(), &format!(">{USER}<"), &format!(">{USER}.attacker.example<"));
        let genuine = sign_form(&owned, form, &Spec::default());
        assert_eq!(post(&genuine).unwrap().name_id.unwrap().value, format!("{USER}.attacker.example"));
        let cut = swap(&genuine, &format!(">{USER}.attacker"), &format!(">{USER}<!---->.attacker"));
        assert_refused("comment", "comment_inside", &cut);
        let cut = swap(&genuine, &format!(">{USER}.attacker"), &format!(">{USER}<?x?>.attacker"));
        assert_refused("instruction", "processing_instruction", &cut);
        let cut = swap(&genuine, &format!(">{USER}.attacker"), &format!(">{USER}<![CDATA[.attacker]]>"));
        assert_refused("CDATA", "cdata", &cut);
        let cut =
            swap(&genuine, &format!(">{USER}.attacker"), &format!(">{USER}<x xmlns=\"urn:x\"/>.attacker"));
        assert_refused("element", "unexpected_element|digest_mismatch", &cut);
    }
}

#[test]
fn s9_cdata_and_instructions_are_refused_everywhere() {
    for (markup, code) in [
        ("<![CDATA[]]>", "cdata"),
        ("<![CDATA[x]]>", "cdata"),
        ("<?x?>", "processing_instruction"),
        ("<?xml-stylesheet href=\"http://127.0.0.1:1/\"?>", "processing_instruction"),
        ("<?xml version=\"1.0\"?>", "processing_instruction"),
    ] {
        for at in [
            "<saml2p:Status>",
            "<saml2:Conditions ",
            "</saml2:NameID>",
            "</saml2:Audience>",
            "<ds:SignedInfo>",
            "</saml2p:Response>",
        ] {
            attack(&format!("{markup} before {at}"), code, |xml| {
                swap_first(xml, at, &format!("{markup}{at}"))
            });
        }
    }
    for form in FORMS {
        assert_refused("after the end", "processing_instruction", &format!("{}<?x?>", signed(form)));
        assert_refused("before the start", "processing_instruction", &format!("<?x?>{}", signed(form)));
    }
}

#[test]
fn s9_elements_inside_identity_are_refused() {
    for text in [USER, SP, IDP] {
        attack_before_signing(text, "unexpected_element", |xml| {
            swap(xml, &format!(">{text}<"), &format!(">{text}<x xmlns=\"urn:x\">{EVIL}</x><"))
        });
    }
}

// S10: parser differentials.

#[test]
fn s10_document_types_are_refused() {
    for form in FORMS {
        let xml = signed(form);
        for doctype in [
            "<!DOCTYPE Response>",
            "<!DOCTYPE saml2p:Response [<!ENTITY x \"y\">]>",
            "<!DOCTYPE saml2p:Response [<!ATTLIST saml2:Assertion ID ID #IMPLIED>]>",
            "<!DOCTYPE saml2p:Response [<!ATTLIST saml2:NameID xml:id ID \"_assertion-0001\">]>",
            "<!DOCTYPE x SYSTEM \"http://127.0.0.1:1/x.dtd\">",
            "<!DOCTYPE x PUBLIC \"a\" \"http://127.0.0.1:1/x.dtd\">",
            "<!DOCTYPE x [<!NOTATION x SYSTEM \"x\">]>",
            "<!DOCTYPE x \"'\" [ \"'\" ]>",
            "<!doctype html>",
            "<!ENTITY x \"y\">",
            "<!ELEMENT x ANY>",
            "<!>",
            "<!->",
            "<![INCLUDE[]]>",
        ] {
            assert_refused(doctype, "markup_declaration", &format!("{doctype}{xml}"));
            assert_refused(doctype, "markup_declaration", &format!("{xml}{doctype}"));
            assert_refused(
                doctype,
                "markup_declaration",
                &swap_first(&xml, "<saml2p:Status>", &format!("{doctype}<saml2p:Status>")),
            );
            assert_refused(
                doctype,
                "markup_declaration",
                &format!("<?xml version=\"1.0\"?>\n{doctype}{xml}"),
            );
        }
    }
}

#[test]
fn s10_entities_and_bad_character_references_are_refused() {
    for reference in [
        "&x;",
        "&nbsp;",
        "&#0;",
        "&#x0;",
        "&#xD800;",
        "&#xFFFE;",
        "&#x110000;",
        "&#1;",
        "&;",
        "&",
        "& ",
        "&amp",
        "&#;",
        "&#x;",
        "&#+65;",
        "&#xFFFFFFFFFFFFFFFFFF41;",
        "&#99999999999999;",
    ] {
        attack(reference, "entity_reference", |xml| {
            swap(xml, &format!(">{USER}<"), &format!(">{reference}{USER}<"))
        });
        attack(reference, "entity_reference", |xml| {
            swap(xml, &format!(" ID=\"{ASSERTION_ID}\""), &format!(" ID=\"{reference}{ASSERTION_ID}\""))
        });
    }
}

#[test]
fn s10_harmless_references_say_what_they_say() {
    // Written with references after signing, it is still what was signed.
    for form in FORMS {
        let xml = swap(&signed(form), &format!(">{USER}<"), ">&#97;lic&#x65;&#64;example.com<");
        assert_accepted("references", &xml);
        let xml = swap(&signed(form), &format!(" ID=\"{ASSERTION_ID}\""), " ID=\"&#95;assertion-0001\"");
        assert_accepted("reference in the id", &xml);
    }
}

#[test]
fn s10_ambiguous_names_are_refused() {
    for (name, attribute, code) in [
        ("xml:xmlns", "xml:xmlns=\"urn:x\"", "ambiguous_name"),
        ("prefixed xmlns", "saml2:xmlns=\"urn:x\"", "ambiguous_name"),
        ("two colons", "saml2:a:b=\"x\"", "ambiguous_name"),
        ("leading colon", ":a=\"x\"", "ambiguous_name"),
        ("trailing colon", "saml2:=\"x\"", "ambiguous_name"),
        ("only a colon", ":=\"x\"", "ambiguous_name"),
        ("xmlns with nothing", "xmlns:=\"urn:x\"", "ambiguous_name"),
        ("xmlns:xmlns", "xmlns:xmlns=\"urn:x\"", "bad_namespace"),
        ("xmlns:xml", "xmlns:xml=\"http://www.w3.org/XML/1998/namespace\"", "bad_namespace"),
        ("another prefix for xml", "xmlns:x=\"http://www.w3.org/XML/1998/namespace\"", "malformed_xml"),
        ("the namespace of xmlns", "xmlns:x=\"http://www.w3.org/2000/xmlns/\"", "malformed_xml"),
        ("default namespace xml", "xmlns=\"http://www.w3.org/XML/1998/namespace\"", "malformed_xml"),
        ("default twice", "xmlns=\"urn:x\" xmlns=\"urn:y\"", "bad_namespace"),
        ("prefix twice", "xmlns:x=\"urn:x\" xmlns:x=\"urn:y\"", "malformed_xml"),
        ("attribute twice", "x=\"1\" x=\"2\"", "malformed_xml"),
        (
            "attribute twice by namespace",
            "xmlns:x=\"urn:x\" xmlns:y=\"urn:x\" x:a=\"1\" y:a=\"2\"",
            "malformed_xml",
        ),
        ("undeclared prefix", "nope:a=\"x\"", "malformed_xml"),
        ("undeclared by emptiness", "xmlns:saml2=\"\"", "bad_namespace"),
    ] {
        attack(name, code, |xml| swap(xml, "<saml2:Conditions ", &format!("<saml2:Conditions {attribute} ")));
        attack(name, code, |xml| {
            swap(xml, "<saml2p:StatusCode ", &format!("<saml2p:StatusCode {attribute} "))
        });
    }
    for element in ["a:b:c", ":a", "xmlns:a", "a:", ":"] {
        attack(element, "ambiguous_name|malformed_xml", |xml| {
            swap(xml, "</saml2p:Status>", &format!("<{element}></{element}></saml2p:Status>"))
        });
    }
}

#[test]
fn s10_a_namespace_redeclared_over_the_identity_is_refused() {
    attack("other namespace", "unexpected_element", |xml| {
        swap(xml, "<saml2:Subject>", "<saml2:Subject xmlns:saml2=\"urn:x\">")
    });
    attack("look-alike namespace", "unexpected_element", |xml| {
        swap(xml, "<saml2:Subject>", "<saml2:Subject xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:Assertion\">")
    });
}

#[test]
fn s10_encodings_and_versions_other_than_expected_are_refused() {
    for form in FORMS {
        let xml = signed(form);
        for declaration in [
            "<?xml version=\"1.1\"?>",
            "<?xml version=\"2.0\"?>",
            "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
            "<?xml version=\"1.0\" encoding=\"UTF-7\"?>",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>",
            "<?xml version=\"1.0\" encoding=\"utf8\"?>",
            "<?xml version=\"1.0\" encoding=\"\"?>",
            "<?xml encoding=\"UTF-8\"?>",
            "<?xml encoding=\"UTF-8\" version=\"1.0\"?>",
            "<?xml version=\"1.0\" standalone=\"maybe\"?>",
            "<?xml version=\"1.0\" standalone=\"yes\" encoding=\"UTF-8\"?>",
            "<?xml version=\"1.0\" version=\"1.0\"?>",
            "<?xml version=\"1.0\"encoding=\"UTF-8\"?>",
            "<?xml version=1.0?>",
            "<?xml ?>",
            "<?xml version=\"1.0\"",
        ] {
            assert_refused(
                declaration,
                "unsupported_xml_declaration|malformed_xml",
                &format!("{declaration}{xml}"),
            );
        }
        let declared = format!("<?xml version=\"1.0\"?>{xml}");
        for before in [" ", "\n", "x", "<!-- x -->", "\u{feff}\u{feff}"] {
            assert_refused(before, "processing_instruction|malformed_xml", &format!("{before}{declared}"));
        }
        let utf16: Vec<u8> = xml.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_refused_bytes("UTF-16", "not_utf8|malformed_xml", &utf16);
        assert_refused_bytes("UTF-16 with mark", "not_utf8", &[&[0xff, 0xfe][..], &utf16].concat());
        for bad in
            [&[0xff_u8][..], &[0xc0, 0xaf], &[0xed, 0xa0, 0x80], &[0xf4, 0x90, 0x80, 0x80], &[0xe2, 0x82]]
        {
            let at = xml.find(USER).unwrap();
            let bytes = [&xml.as_bytes()[..at], bad, &xml.as_bytes()[at..]].concat();
            assert_refused_bytes("invalid UTF-8", "not_utf8", &bytes);
        }
        for bad in ["\0", "\u{1}", "\u{b}", "\u{c}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
            assert_refused(&format!("{bad:?}"), "malformed_xml", &swap(&xml, USER, &format!("{bad}{USER}")));
        }
    }
}

#[test]
fn s10_documents_that_are_not_well_formed_are_refused() {
    for form in FORMS {
        let xml = signed(form);
        for (name, changed) in [
            ("empty", String::new()),
            ("spaces", "   ".to_owned()),
            ("text", "hello".to_owned()),
            ("cut short", xml[..xml.len() - 1].to_owned()),
            ("cut in the middle", xml[..xml.len() / 2].to_owned()),
            ("two roots", format!("{xml}{xml}")),
            ("text after", format!("{xml}x")),
            ("text before", format!("x{xml}")),
            ("a tag too much", format!("{xml}</x>")),
            ("wrong end tag", swap(&xml, "</saml2:NameID>", "</saml2:Nameid>")),
            ("other prefix at the end", swap(&xml, "</saml2:NameID>", "</saml2p:NameID>")),
            ("unquoted attribute", swap(&xml, "Version=\"2.0\"", "Version=2.0")),
            ("attribute without value", swap(&xml, "<saml2:Subject>", "<saml2:Subject x>")),
            ("less-than in an attribute", swap(&xml, "Version=\"2.0\"", "Version=\"<2.0\"")),
            ("comment with hyphens", swap(&xml, "<saml2:Subject>", "<!-- a -- b --><saml2:Subject>")),
            ("comment with three", swap(&xml, "<saml2:Subject>", "<!-- a ---><saml2:Subject>")),
            ("comment without end", format!("{xml}<!-- ")),
            ("end of CDATA in text", swap(&xml, USER, &format!("{USER}]]>"))),
            ("no space between attributes", swap(&xml, " Version=\"2.0\">", "Version=\"2.0\">")),
        ] {
            assert_refused(name, "malformed_xml", &changed);
        }
    }
}

#[test]
fn s10_what_is_not_base64_is_refused() {
    for text in ["*", "PHg+", "PD94bWwg", "a", "=", "PHg-Lw==", "%3C", &"A".repeat(2_000_001)] {
        let refusal = saml::response::verify(text, &crate::forge::expected(&[])).unwrap_err();
        assert!(
            matches!(
                refusal.code(),
                "not_base64" | "malformed_xml" | "too_large" | "unsupported_xml_declaration" | "not_utf8"
            ),
            "{text} {refusal}"
        );
    }
}

#[test]
fn s10_carriage_returns_mean_line_ends() {
    // XML reads all three as one line feed, so this is the document that was signed.
    let xml = swap(
        &template(),
        &format!("<saml2:AttributeValue>{USER}"),
        &format!("<saml2:AttributeValue>a\n&#10;b</saml2:AttributeValue><saml2:AttributeValue>{USER}"),
    );
    for form in FORMS {
        let genuine = sign_form(&xml, form, &Spec::default());
        for line_end in ["\r\n", "\r"] {
            let verified = post(&genuine.replace('\n', line_end)).unwrap();
            assert_eq!(verified.attributes[1].values, ["a\n\nb", USER]);
        }
        assert_refused(
            "a reference to a carriage return is none",
            "digest_mismatch",
            &genuine.replace('\n', "&#13;"),
        );
    }
}

// S11: external entities and inclusions.

#[test]
fn s11_external_entities_are_refused() {
    for form in FORMS {
        let xml = signed(form);
        let use_entity = swap(&xml, &format!(">{USER}<"), ">&x;<");
        for declaration in [
            "<!ENTITY x SYSTEM \"file:///etc/passwd\">",
            "<!ENTITY x SYSTEM \"http://127.0.0.1:1/\">",
            "<!ENTITY x PUBLIC \"a\" \"http://127.0.0.1:1/\">",
            "<!ENTITY % p SYSTEM \"http://127.0.0.1:1/\"> %p;",
            "<!ENTITY % a \"<!ENTITY &#37; b SYSTEM 'http://127.0.0.1:1/'>\"> %a; %b;",
            "<!ENTITY x \"admin@example.com\">",
        ] {
            let doctype = format!("<!DOCTYPE saml2p:Response [{declaration}]>");
            assert_refused(declaration, "markup_declaration", &format!("{doctype}{use_entity}"));
            assert_refused(declaration, "markup_declaration", &format!("{doctype}{xml}"));
        }
    }
}

#[test]
fn s11_inclusions_are_not_followed() {
    attack("XInclude", "unexpected_element", |xml| {
        swap(
            xml,
            "<saml2:Subject>",
            "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"http://127.0.0.1:1/\"/><saml2:Subject>",
        )
    });
    for form in FORMS {
        let include = "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"file:///etc/passwd\" parse=\"text\"/>";
        let xml = sign_form(&swap(&template(), "engineering", include), form, &Spec::default());
        assert_eq!(assert_accepted("as a value", &xml).attributes[2].values, ["everyone"]);
    }
}

// S12: too much of anything. Each must be refused within a second; `assert_refused` sees to it.

#[test]
fn s12_entity_bombs_are_refused() {
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let bomb = format!("<!DOCTYPE x [<!ENTITY l0 \"lol\">{laughs}]>");
    let quadratic = format!("<!DOCTYPE x [<!ENTITY l9 \"{}\">]>", "a".repeat(100_000));
    for form in FORMS {
        for doctype in [&bomb, &quadratic] {
            let xml = format!("{doctype}{}", swap(&signed(form), &format!(">{USER}<"), ">&l9;<"));
            assert_refused("bomb", "markup_declaration", &xml);
        }
    }
}

/// Puts `content` where foreign elements are allowed.
fn in_extensions(xml: &str, content: &str) -> String {
    swap(xml, "<saml2p:Status>", &format!("<saml2p:Extensions>{content}</saml2p:Extensions><saml2p:Status>"))
}

#[test]
fn s12_too_much_of_anything_is_refused_at_once() {
    let many = |count: usize, piece: fn(usize) -> String| (0..count).map(piece).collect::<String>();
    let cases: Vec<(&str, &str, String)> = vec![
        (
            "deep nesting",
            "too_deep|too_many_elements",
            format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000)),
        ),
        ("65 deep", "too_deep", format!("{}{}", "<a>".repeat(65), "</a>".repeat(65))),
        ("elements", "too_many_elements", "<a/>".repeat(100_000)),
        (
            "attributes",
            "tag_too_long|too_many_attributes",
            format!("<a {}/>", many(100_000, |n| format!("a{n}=\"\""))),
        ),
        (
            "10 000 attributes",
            "too_many_attributes|tag_too_long",
            format!("<a{}/>", many(10_000, |n| format!(" a{n}=\"\""))),
        ),
        ("65 attributes", "too_many_attributes", format!("<a{}/>", many(65, |n| format!(" a{n}=\"\"")))),
        (
            "attributes in all",
            "too_many_attributes",
            many(12_000, |_| "<a b=\"=====\" c=\"=====\"/>".to_owned()),
        ),
        (
            "namespaces on one element",
            "too_many_namespaces|tag_too_long",
            format!("<a{}/>", many(40_000, |n| format!(" xmlns:n{n}=\"urn:{n}\""))),
        ),
        (
            "65 namespaces",
            "too_many_namespaces",
            format!("<a{}/>", many(65, |n| format!(" xmlns:n{n}=\"urn:{n}\""))),
        ),
        ("namespaces in all", "too_many_namespaces", many(21_000, |n| format!("<a xmlns:n=\"urn:{n}\"/>"))),
        (
            "namespaces in scope",
            "too_many_namespaces",
            (0..60).fold(String::new(), |inner, n| {
                format!("<a xmlns:a{n}=\"urn:a\" xmlns:b{n}=\"urn:b\" xmlns:c{n}=\"urn:c\">{inner}</a>")
            }),
        ),
        ("long tag", "tag_too_long", format!("<a b=\"{}\"/>", "x".repeat(30_000))),
        ("long tag name", "tag_too_long", format!("<{}/>", "x".repeat(30_000))),
        ("long end tag", "tag_too_long", format!("<a></a{}>", " ".repeat(30_000))),
        ("comments", "too_many_comments", "<!---->".repeat(100_000)),
        ("less-than in a comment", "too_many_elements", format!("<!--{}-->", "<".repeat(900_000))),
        ("equals signs", "too_many_attributes", "=".repeat(900_000)),
        ("unclosed", "too_deep|too_many_elements", "<a>".repeat(300_000)),
        (
            "open quotes",
            "tag_too_long|malformed_xml|too_many_elements|too_many_attributes",
            "<a b=\"".repeat(100_000),
        ),
        ("ampersands", "entity_reference", "&".repeat(900_000)),
    ];
    for form in FORMS {
        for (name, codes, content) in &cases {
            assert_refused(name, codes, &in_extensions(&signed(form), content));
        }
    }
}

#[test]
fn s12_too_long_is_refused() {
    for form in FORMS {
        let xml = signed(form);
        assert_refused("1 MB of spaces", "too_large", &format!("{xml}{}", " ".repeat(1024 * 1024)));
        assert_refused("4 MB of text", "too_large", &in_extensions(&xml, &"x".repeat(4 << 20)));
    }
}

#[test]
fn s12_just_below_the_limits_is_quick() {
    let many = |count: usize, piece: fn(usize) -> String| (0..count).map(piece).collect::<String>();
    let cases: Vec<(&str, String)> = vec![
        ("elements", "<a/>".repeat(39_000)),
        ("nesting", format!("{}{}", "<a>".repeat(60), "</a>".repeat(60)).repeat(500)),
        ("namespaces", many(19_000, |n| format!("<a xmlns:n=\"urn:{n}\"/>"))),
        (
            "namespaces in scope",
            format!(
                "<a{}>{}</a>",
                many(55, |n| format!(" xmlns:n{n}=\"urn:{n}\"")),
                "<b xmlns:z=\"urn:z\"/>".repeat(15_000)
            ),
        ),
        (
            "used namespaces",
            format!(
                "<a{}>{}</a>",
                many(55, |n| format!(" xmlns:n{n}=\"urn:{n}\"")),
                "<n54:b/>".repeat(30_000)
            ),
        ),
        ("attributes", format!("<a{}/>", many(63, |n| format!(" a{n}=\"\""))).repeat(1000)),
        ("ids", many(30_000, |n| format!("<a id=\"i{n}\"/>"))),
        ("carriage returns", "&#13;".repeat(150_000)),
        ("escapes", "&lt;".repeat(190_000)),
        ("text", "x".repeat(900_000)),
        ("comments", "<!-- -->".repeat(999)),
    ];
    for (name, content) in cases {
        for form in FORMS {
            let xml = sign_form(
                &in_extensions(&template(), &format!("<x:x xmlns:x=\"urn:x\">{content}</x:x>")),
                form,
                &Spec::default(),
            );
            let started = std::time::Instant::now();
            let verified = post(&xml);
            assert!(started.elapsed().as_secs() < 10, "{name} / {form:?} took {:?}", started.elapsed());
            // A comment beside text alone is refused; all the rest is genuine.
            if name == "comments" {
                assert_eq!(verified.unwrap_err().code(), "comment_inside");
            } else {
                assert!(verified.is_ok(), "{name} / {form:?}: {verified:?}");
            }
        }
    }
}

#[test]
fn s12_many_of_anything_in_a_signature_are_refused_at_once() {
    let canonicalization = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>";
    let signature = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"/>";
    for (name, codes, at, many) in [
        (
            "transforms",
            "transform_not_allowed",
            "</ds:Transforms>",
            format!("{}</ds:Transforms>", canonicalization.repeat(5000)),
        ),
        (
            "references",
            "signature_malformed",
            "</ds:SignedInfo>",
            format!("{}</ds:SignedInfo>", "<ds:Reference URI=\"#x\"/>".repeat(5000)),
        ),
        (
            "signatures",
            "signature_misplaced",
            "</saml2:Issuer>",
            format!("</saml2:Issuer>{}", signature.repeat(5000)),
        ),
    ] {
        attack(name, codes, |xml| swap_first(xml, at, &many));
    }
}

#[test]
fn s12_a_long_key_info_is_passed_over_at_once() {
    // It is not read, so that it does no harm.
    for info in ["<ds:X509Data/>", "<ds:KeyName>a</ds:KeyName>"] {
        for form in FORMS {
            let spec = Spec { key_info: Some(info.repeat(5000)), ..Spec::default() };
            let xml = sign_form(&template(), form, &spec);
            let started = std::time::Instant::now();
            assert_accepted(info, &xml);
            assert!(started.elapsed().as_secs() < 10, "{info} took {:?}", started.elapsed());
        }
    }
}

#[test]
fn s12_long_identity_is_read_whole_or_refused() {
    // Nothing is cut: what comes out is what was signed.
    let long = "x".repeat(100_000);
    for form in FORMS {
        let xml = swap(&template(), &format!(">{USER}<"), &format!(">{long}<"));
        assert_eq!(post(&sign_form(&xml, form, &Spec::default())).unwrap().name_id.unwrap().value, long);
    }
    let quoted = swap(
        &template(),
        &format!("Destination=\"{ACS}\""),
        &format!("Destination=\"{}\"", "x".repeat(10_000)),
    );
    let refusal = post(&sign(&quoted, RESPONSE_ID, &Spec::default())).unwrap_err();
    assert!(refusal.to_string().len() < 1000, "{refusal}");
}
