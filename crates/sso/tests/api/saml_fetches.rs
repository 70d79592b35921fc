//! No document makes us ask anybody for anything, and none keeps others waiting.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use testkit::forge::sign::{ENVELOPED, EXCLUSIVE, Spec};
use testkit::forge::{FORMS, swap_first};
use testkit::{Asked, Browser, Canary};

use crate::support::{Records, Saml, ada, assert_refused, code};

/// Documents that name an address, each with the refusals it may meet. `{}` is the address.
fn markup() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        ("markup_declaration", "", "<!DOCTYPE x SYSTEM \"http://{}/x.dtd\">"),
        ("markup_declaration", "", "<!DOCTYPE x PUBLIC \"a\" \"http://{}/x.dtd\">"),
        ("markup_declaration", "", "<!DOCTYPE x [<!ENTITY e SYSTEM \"http://{}/e\">]>"),
        ("markup_declaration", "", "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://{}/p\"> %p;]>"),
        ("markup_declaration", "", "<!DOCTYPE x [<!NOTATION n SYSTEM \"http://{}/n\">]>"),
        ("processing_instruction", "", "<?xml-stylesheet type=\"text/xsl\" href=\"http://{}/\"?>"),
        (
            "unexpected_element",
            "<saml2:Subject>",
            "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"http://{}/\"/><saml2:Subject>",
        ),
    ]
}

#[tokio::test]
async fn s11_entities_and_inclusions_fetch_nothing() {
    let saml = Saml::new().await;
    let (app, canary, mut browser) = (&saml.app, Canary::listen().await, Browser::new());
    let mut records = Records::watch(app).await;
    for (reason, at, content) in markup() {
        for form in FORMS {
            let asked = saml.begin(&mut browser).await;
            let xml = saml.idp.sign(&saml.idp.response(app, &asked, &ada()), form);
            let content = content.replace("{}", &canary.authority());
            let xml = match at {
                "" => format!("{content}{xml}"),
                _ => swap_first(&xml, at, &content),
            };
            let answer = asked.post(app, &mut browser, &xml).await;
            records.refused(&answer, "server_error", reason).await;
        }
    }
    // Signed, and where anything may stand: a value is only text.
    let asked = saml.begin(&mut browser).await;
    let include = format!(
        "<saml2:AttributeValue><xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"http://{}/\"/></saml2:AttributeValue>",
        canary.authority()
    );
    let xml = saml.idp.response(app, &asked, &ada());
    let xml = swap_first(&xml, "<saml2:AttributeValue>engineers</saml2:AttributeValue>", &include);
    let answer = asked.post(app, &mut browser, &saml.idp.sign(&xml, FORMS[0])).await;
    code(&answer);
    assert_eq!(canary.hits().await, 0);
}

#[tokio::test]
async fn s14_references_and_key_infos_fetch_nothing() {
    let saml = Saml::new().await;
    let (app, canary, mut browser) = (&saml.app, Canary::listen().await, Browser::new());
    let mut records = Records::watch(app).await;
    let address = format!("http://{}/x", canary.authority());
    let transform = format!("<ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform>");
    let stylesheet = format!(
        "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"><xsl:stylesheet xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" version=\"1.0\"><xsl:template match=\"/\"><xsl:copy-of select=\"document('{address}')\"/></xsl:template></xsl:stylesheet></ds:Transform>"
    );
    let key_info = |content: String| Spec { key_info: Some(content), ..Spec::default() };
    let second = format!(
        "<ds:Reference URI=\"{address}\"><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    );
    for (reason, spec) in [
        ("reference_mismatch", Spec::edited("URI=\"#", &format!("URI=\"{address}#"))),
        ("signature_malformed", Spec::edited("</ds:SignedInfo>", &second)),
        ("transform_not_allowed", Spec::edited(&transform, &stylesheet)),
        (
            "transform_not_allowed",
            Spec::edited(&format!("<ds:Transform Algorithm=\"{ENVELOPED}\"/>"), &stylesheet),
        ),
        ("unexpected_element", key_info(format!("<ds:RetrievalMethod URI=\"{address}\"/>"))),
        (
            "unexpected_element",
            key_info(format!(
                "<d:KeyInfoReference xmlns:d=\"http://www.w3.org/2009/xmldsig11#\" URI=\"{address}\"/>"
            )),
        ),
        (
            "encryption_not_supported",
            key_info(format!(
                "<e:EncryptedKey xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"><e:CipherData><e:CipherReference URI=\"{address}\"/></e:CipherData></e:EncryptedKey>"
            )),
        ),
    ] {
        for form in FORMS {
            let asked = saml.begin(&mut browser).await;
            let xml = saml.idp.sign_as(&saml.idp.response(app, &asked, &ada()), form, &spec);
            let answer = asked.post(app, &mut browser, &xml).await;
            records.refused(&answer, "server_error", reason).await;
        }
    }
    assert_eq!(canary.hits().await, 0);
}

/// Posts twelve documents that are too much, and an honest one after them, all at once. How long the honest one
/// took, and the longest of the others.
async fn among_bombs(saml: &Saml, browser: &mut Browser) -> (Duration, Duration) {
    let mut bombs = Vec::new();
    for number in 0..12 {
        let asked = saml.begin(browser).await;
        let xml = saml.idp.sign(&saml.idp.response(&saml.app, &asked, &ada()), FORMS[number % 3]);
        let filling = match number % 4 {
            0 => "<a>".repeat(300_000),
            1 => "<a b=\"=====\"/>".repeat(60_000),
            2 => "&".repeat(900_000),
            _ => "<!---->".repeat(100_000),
        };
        let filled = format!("<saml2p:Extensions>{filling}</saml2p:Extensions><saml2p:Status>");
        bombs.push((asked, STANDARD.encode(swap_first(&xml, "<saml2p:Status>", &filled))));
    }
    let honest = saml.begin(browser).await;
    let good = STANDARD.encode(saml.answer(&honest, &ada()));
    let post = |asked: &Asked, response: &str| {
        let path = url::Url::parse(&asked.acs_url).unwrap().path().to_owned();
        let form = [("SAMLResponse", response), ("RelayState", &asked.relay_state)];
        let request = saml.app.request(http::Method::POST, path).anonymous().form(&form);
        let request = browser.with_cookies(request);
        tokio::spawn(async move {
            let started = Instant::now();
            (request.send().await, started.elapsed())
        })
    };
    let bombs: Vec<_> = bombs.iter().map(|(asked, response)| post(asked, response)).collect();
    let (answer, honest) = post(&honest, &good).await.unwrap();
    code(&answer);
    let mut longest = Duration::ZERO;
    for result in join_all(bombs).await {
        let (answer, took) = result.unwrap();
        assert_refused(&answer, "server_error");
        longest = longest.max(took);
    }
    (honest, longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_documents_that_are_too_much_do_not_keep_others_waiting() {
    let saml = Saml::new().await;
    let mut browser = Browser::new();
    // A busy machine may be slow once, or twice.
    let mut took = Vec::new();
    for _ in 0..3 {
        let (honest, longest) = among_bombs(&saml, &mut browser).await;
        if honest < Duration::from_secs(1) && longest < Duration::from_secs(3) {
            return;
        }
        took.push((honest, longest));
    }
    panic!("an honest answer among twelve that are too much, and the longest of these: {took:?}");
}
