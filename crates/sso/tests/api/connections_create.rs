//! Making connections: from metadata, by hand, from a discovery address, and what is refused on the way.

use axum::Router;
use axum::routing::get;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use testkit::forge::{keys, swap};
use testkit::oidc_provider::CLIENT_SECRET;
use testkit::{Answer, Canary, Loopback, OidcProvider, SamlIdp, TestApp};

use crate::support::{customer, options_with_certificate};

async fn create(app: &TestApp, organization: &str, options: Value) -> Answer {
    app.post("/connections", json!({ "organization_id": organization, "saml_options": options })).await
}

/// Serves a document at `/metadata`.
async fn serve(document: &str) -> (Loopback, String) {
    let document = document.to_owned();
    let router = Router::new().route("/metadata", get(move || async move { document }));
    let server = Loopback::serve(router).await;
    let url = format!("{}/metadata", server.origin());
    (server, url)
}

#[tokio::test]
async fn a_saml_connection_is_made_by_hand_from_a_document_or_from_an_address() {
    let app = TestApp::new().await;
    let organization = customer(&app).await;
    let idp = SamlIdp::new();
    let (_server, url) = serve(&idp.metadata()).await;
    for (options, metadata_url) in [
        (idp.options(), Value::Null),
        (json!({ "idp_metadata_xml": idp.metadata() }), Value::Null),
        (json!({ "idp_metadata_url": url }), json!(url)),
    ] {
        let made = create(&app, &organization, options).await.expect(201);
        let id = made["id"].as_str().unwrap();
        let saml = &made["saml_options"];
        let key = saml["acs_url"].as_str().unwrap().rsplit('/').next().unwrap();
        assert!(key.len() == 25 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
        assert_eq!(
            made,
            json!({
                "object": "connection", "id": id, "organization_id": organization,
                "connection_type": "GenericSAML", "name": "GenericSAML", "state": "validating",
                "status": "linked", "external_id": null,
                "domains": [{
                    "object": "connection_domain", "id": made["domains"][0]["id"], "domain": "example.com",
                }],
                "saml_options": {
                    "acs_url": format!("https://auth.example.com/sso/saml/acs/{key}"),
                    "sp_entity_id": format!("https://auth.example.com/{key}"),
                    "sp_metadata_url": format!("https://auth.example.com/sso/saml/{key}/metadata.xml"),
                    "idp_entity_id": idp.entity_id, "idp_sso_url": idp.sso_url,
                    "idp_metadata_url": metadata_url,
                    "idp_signing_certs": [keys::certificate_pem("idp")],
                },
                "attribute_maps": {
                    "standard_attributes": {
                        "idp_id": "id", "email": "email", "first_name": "firstName", "last_name": "lastName",
                        "name": "name", "groups": "groups",
                    },
                    "custom_attributes": {},
                },
                "created_at": made["created_at"], "updated_at": made["created_at"],
            })
        );
        assert_eq!(app.get(format!("/connections/{id}")).await.expect(200), made);
        let metadata = app.request(Method::GET, format!("/sso/saml/{key}/metadata.xml")).anonymous();
        let metadata = metadata.send().await;
        assert_eq!((metadata.status, metadata.header("content-type")), (200, "application/samlmetadata+xml"));
        let text = String::from_utf8(metadata.body.to_vec()).unwrap();
        for member in ["acs_url", "sp_entity_id"] {
            assert!(text.contains(saml[member].as_str().unwrap()), "{text}");
        }
    }
    // Nothing is announced before somebody has signed in.
    assert!(app.event_types().await.iter().all(|name| !name.starts_with("connection.")));
}

#[tokio::test]
async fn an_openid_connection_never_shows_its_secret() {
    let app = TestApp::new().await;
    let organization = customer(&app).await;
    let provider = OidcProvider::start().await;
    let body = json!({
        "organization_id": organization, "connection_type": "OktaOIDC", "name": "Okta",
        "oidc_options": provider.options(),
    });
    let answer = app.post("/connections", body).await;
    let made = answer.expect(201);
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        made["oidc_options"],
        json!({
            "redirect_uri": made["oidc_options"]["redirect_uri"],
            "discovery_endpoint": provider.options()["discovery_endpoint"],
            "client_id": provider.options()["client_id"],
            "pkce": true, "token_authentication_method": "client_secret_basic",
        })
    );
    assert_eq!((&made["connection_type"], &made["state"]), (&json!("OktaOIDC"), &json!("validating")));
    let path = format!("/connections/{id}");
    app.patch(&path, json!({ "state": "inactive" })).await.expect(200);
    app.patch(&path, json!({ "state": "active" })).await.expect(200);
    let answers =
        [answer, app.get(&path).await, app.get("/connections").await, app.get("/events?limit=100").await];
    for answer in answers {
        assert!(!String::from_utf8_lossy(&answer.body).contains(CLIENT_SECRET), "{answer:?}");
    }
    // Nor does the database.
    let stored: Vec<Vec<u8>> =
        app.app.db.read("SELECT client_secret FROM connections", store::params![]).await.unwrap();
    assert!(!stored[0].windows(CLIENT_SECRET.len()).any(|window| window == CLIENT_SECRET.as_bytes()));
    // The answer of a refusal repeats none either.
    let mut options = provider.options();
    options["token_authentication_method"] = json!("private_key_jwt");
    let refused =
        app.post("/connections", json!({ "organization_id": organization, "oidc_options": options }));
    let refused = refused.await;
    assert_eq!(refused.status, 422);
    assert!(!format!("{refused:?}").contains(CLIENT_SECRET), "{refused:?}");
}

#[tokio::test]
async fn s31_certificates_that_prove_nothing_are_refused() {
    let app = TestApp::new().await;
    let organization = customer(&app).await;
    let pem = |name: &str| keys::certificate_pem(name);
    let private = std::fs::read_to_string(keys::path("idp.key.pem")).unwrap();
    for (name, text) in [
        ("RSA of 512 bits", pem("rsa512")),
        ("RSA of 1024 bits", pem("rsa1024")),
        ("RSA of 2047 bits", pem("rsa2047")),
        ("DSA", pem("dsa")),
        ("explicit parameters", pem("explicit-ec")),
        ("another curve", pem("secp256k1")),
        ("RSA for PSS only", pem("rsa-pss")),
        ("Ed25519", pem("ed25519")),
        ("expired", pem("expired")),
        ("two in one", format!("{}{}", pem("idp"), pem("other"))),
        ("a chain", format!("{}{}", pem("attacker-leaf"), pem("attacker"))),
        ("cut", pem("idp")[..600].to_owned()),
        ("a private key", private),
        ("nothing", String::new()),
        ("nonsense", "nonsense".to_owned()),
        ("very much", "A".repeat(100_000)),
    ] {
        let mut options = SamlIdp::new().options();
        options["idp_signing_certs"] = json!([text]);
        let refused = create(&app, &organization, options).await.expect(400);
        assert_eq!(refused["code"], "invalid_certificate", "{name}");
        assert!(refused["message"].as_str().unwrap().len() < 300, "{name}");
        // One bad among good ones spoils the set.
        let mut options = SamlIdp::new().options();
        options["idp_signing_certs"] = json!([pem("idp"), text]);
        assert_eq!(create(&app, &organization, options).await.expect(400)["code"], "invalid_certificate");
    }
    for (count, status) in [(0, 400), (20, 201), (21, 400)] {
        let mut options = SamlIdp::new().options();
        options["idp_signing_certs"] = json!(vec![pem("idp"); count]);
        assert_eq!(create(&app, &organization, options).await.status, status, "{count}");
    }
    for name in ["rsa4096", "p256", "p384"] {
        create(&app, &organization, options_with_certificate(name)).await.expect(201);
    }
    // Base64 without armor, as some consoles show it.
    let mut options = SamlIdp::new().options();
    options["idp_signing_certs"] = json!([keys::certificate_base64("idp")]);
    let made = create(&app, &organization, options).await.expect(201);
    assert_eq!(made["saml_options"]["idp_signing_certs"], json!([pem("idp")]));
}

#[tokio::test]
async fn s33_metadata_that_cannot_be_trusted_is_refused_by_name() {
    let app = TestApp::new().await;
    let organization = customer(&app).await;
    let good = SamlIdp::new().metadata();
    let descriptor =
        &good[good.find("<md:IDPSSODescriptor").unwrap()..good.find("</md:EntityDescriptor>").unwrap()];
    let certificate = keys::certificate_base64("idp");
    let laughs = "<!DOCTYPE x [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
    let entity = |attributes: &str| swap(&good, "entityID=", &format!("{attributes} entityID="));
    for (code, document) in [
        ("markup_declaration", format!("<!DOCTYPE x SYSTEM \"http://127.0.0.1:1/\">{good}")),
        ("markup_declaration", format!("{laughs}{good}")),
        ("malformed_xml", good[..good.len() - 1].to_owned()),
        ("malformed_xml", "nonsense".to_owned()),
        ("too_deep", format!("{}{good}", "<a>".repeat(200))),
        ("not_metadata", "<html/>".to_owned()),
        ("several_identity_providers", swap(&good, descriptor, &descriptor.repeat(2))),
        ("no_identity_provider", swap(&good, descriptor, "")),
        ("metadata_expired", entity("validUntil=\"2020-01-01T00:00:00Z\"")),
        ("malformed_time", entity("validUntil=\"soon\"")),
        ("entity_id_missing", swap(&good, "entityID=", "entityId=")),
        ("bad_sign_on_url", swap(&good, "https://idp.example.com/sso", "javascript:alert(1)")),
        ("bad_sign_on_url", swap(&good, "https://idp.example.com/sso", "file:///etc/passwd")),
        ("sign_on_url_missing", swap(&good, "HTTP-Redirect", "HTTP-Artifact")),
        ("signing_certificate_missing", swap(&good, "use=\"signing\"", "use=\"encryption\"")),
        ("rsa_key_too_short", swap(&good, &certificate, &keys::certificate_base64("rsa1024"))),
        ("dsa_key", swap(&good, &certificate, &keys::certificate_base64("dsa"))),
        ("malformed_certificate", swap(&good, &certificate, "AAAA")),
        ("invalid_certificate", swap(&good, &certificate, &keys::certificate_base64("expired"))),
    ] {
        let refused = create(&app, &organization, json!({ "idp_metadata_xml": document })).await;
        let refused = refused.expect(400);
        assert_eq!(refused["code"], code, "{refused}");
    }
    assert_eq!(app.get("/connections").await.expect(200)["data"], json!([]));
    // One that has expired beside one that holds: only the latter counts.
    let key = &good[good.find("<md:KeyDescriptor").unwrap()..good.find("<md:SingleSignOnService").unwrap()];
    let expired = swap(key, &certificate, &keys::certificate_base64("expired"));
    let both = swap(&good, key, &format!("{expired}{key}"));
    let made = create(&app, &organization, json!({ "idp_metadata_xml": both })).await.expect(201);
    assert_eq!(made["saml_options"]["idp_signing_certs"], json!([keys::certificate_pem("idp")]));
    // An address browsers would be sent to must be one that fits.
    let long = format!("https://idp.example.com/{}", "x".repeat(3000));
    let long = swap(&good, "https://idp.example.com/sso", &long);
    create(&app, &organization, json!({ "idp_metadata_xml": long })).await.expect(422);
}

#[tokio::test]
async fn s32_metadata_is_fetched_from_public_addresses_only() {
    let app = TestApp::guarded().await;
    let organization = customer(&app).await;
    let canary = Canary::listen().await;
    let port = canary.authority().rsplit(':').next().unwrap().to_owned();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "[fd00::1]",
        "[fe80::1]",
    ] {
        let url = format!("https://{host}:{port}/metadata");
        let refused = create(&app, &organization, json!({ "idp_metadata_url": url })).await.expect(400);
        assert_eq!(refused["code"], "address_not_allowed", "{host}");
        assert!(refused["message"].as_str().unwrap().contains("`outbound.allow`"), "{refused}");
    }
    for (url, code) in [
        (format!("http://127.0.0.1:{port}/"), "plain_http_not_allowed"),
        (format!("https://user:pw@127.0.0.1:{port}/"), "url_not_allowed"),
        ("file:///etc/passwd".to_owned(), "url_not_allowed"),
        (format!("gopher://127.0.0.1:{port}/"), "url_not_allowed"),
        (format!("ftp://127.0.0.1:{port}/"), "url_not_allowed"),
        ("data:text/xml,x".to_owned(), "url_not_allowed"),
        ("/metadata".to_owned(), "url_not_allowed"),
        (String::new(), "url_not_allowed"),
    ] {
        let refused = create(&app, &organization, json!({ "idp_metadata_url": url })).await.expect(400);
        assert_eq!(refused["code"], code, "{url}");
    }
    assert_eq!(canary.hits().await, 0);
}

#[tokio::test]
async fn s32_a_metadata_address_that_does_not_deliver_is_named() {
    let app = TestApp::new().await;
    let organization = customer(&app).await;
    let big = "x".repeat(2 << 20);
    let good = SamlIdp::new().metadata();
    let there = async |location: &'static str| (http::StatusCode::FOUND, [("location", location)]);
    let router = Router::new()
        .route("/404", get(|| async { http::StatusCode::NOT_FOUND }))
        .route("/html", get(|| async { "<html/>" }))
        .route("/big", get(move || async move { big }))
        .route("/private", get(move || there("http://169.254.169.254/latest")))
        .route("/loop", get(move || there("/loop")))
        .route("/moved", get(move || there("/good")))
        .route("/good", get(move || async move { good }));
    let server = Loopback::serve(router).await;
    for (path, code) in [
        ("404", "metadata_not_found"),
        ("html", "not_metadata"),
        ("big", "response_too_large"),
        ("private", "address_not_allowed"),
        ("loop", "too_many_redirects"),
    ] {
        let url = format!("{}/{path}", server.origin());
        let refused = create(&app, &organization, json!({ "idp_metadata_url": url })).await.expect(400);
        assert_eq!(refused["code"], code, "{path}");
    }
    let closed = Loopback::serve(Router::new()).await.origin();
    let refused = create(&app, &organization, json!({ "idp_metadata_url": closed })).await.expect(400);
    assert_eq!(refused["code"], "unreachable");
    let url = format!("{}/moved", server.origin());
    let made = create(&app, &organization, json!({ "idp_metadata_url": url })).await.expect(201);
    assert_eq!(made["saml_options"]["idp_metadata_url"], url, "as it was given");
}

#[tokio::test]
async fn what_is_missing_or_contradicts_itself_is_named() {
    let app = TestApp::new().await;
    let organization = customer(&app).await;
    let (saml, provider) = (SamlIdp::new().options(), OidcProvider::start().await);
    let oidc = provider.options();
    let without = |options: &Value, name: &str| {
        let mut options = options.clone();
        options.as_object_mut().unwrap().remove(name);
        options
    };
    let with = |options: &Value, name: &str, value: Value| {
        let mut options = options.clone();
        options[name] = value;
        options
    };
    let both = json!({ "saml_options": saml, "oidc_options": oidc });
    let long = "x".repeat(2048);
    for (body, code, field) in [
        (both, "exclusive", "oidc_options"),
        (json!({}), "required", "connection_type"),
        (json!({ "connection_type": "Nonsense" }), "invalid", "connection_type"),
        (json!({ "connection_type": "Pending" }), "invalid", "connection_type"),
        (json!({ "connection_type": "MagicLink" }), "invalid", "connection_type"),
        (json!({ "connection_type": "GoogleOAuth" }), "invalid", "connection_type"),
        (json!({ "connection_type": "GoogleOAuth", "oidc_options": oidc }), "invalid", "organization_id"),
        (json!({ "connection_type": "OktaOIDC", "saml_options": saml }), "invalid", "connection_type"),
        (json!({ "connection_type": "OktaSAML", "oidc_options": oidc }), "invalid", "connection_type"),
        (json!({ "saml_options": without(&saml, "idp_sso_url") }), "required", "saml_options.idp_sso_url"),
        (
            json!({ "saml_options": without(&saml, "idp_entity_id") }),
            "required",
            "saml_options.idp_entity_id",
        ),
        (
            json!({ "saml_options": without(&saml, "idp_signing_certs") }),
            "required",
            "saml_options.idp_signing_certs",
        ),
        (
            json!({ "saml_options": with(&saml, "idp_metadata_url", json!("https://x.example/")) }),
            "exclusive",
            "saml_options.idp_metadata_url",
        ),
        (
            json!({ "saml_options": with(&saml, "idp_metadata_xml", json!("<x/>")) }),
            "exclusive",
            "saml_options.idp_metadata_url",
        ),
        (
            json!({ "saml_options": with(&saml, "idp_sso_url", json!("javascript:alert(1)")) }),
            "invalid",
            "saml_options.idp_sso_url",
        ),
        (
            json!({ "saml_options": with(&saml, "acs_url", json!("//evil.example")) }),
            "invalid",
            "saml_options.acs_url",
        ),
        (
            json!({ "saml_options": with(&saml, "acs_url", json!("https://u:p@x.example/")) }),
            "invalid",
            "saml_options.acs_url",
        ),
        (
            json!({ "saml_options": with(&saml, "sp_entity_id", json!("")) }),
            "invalid",
            "saml_options.sp_entity_id",
        ),
        (
            json!({ "saml_options": with(&saml, "idp_entity_id", json!("a\nb")) }),
            "invalid",
            "saml_options.idp_entity_id",
        ),
        (
            json!({ "saml_options": with(&saml, "idp_entity_id", json!("x".repeat(1025))) }),
            "invalid",
            "saml_options.idp_entity_id",
        ),
        (
            json!({ "saml_options": with(&saml, "idp_signing_certs", json!("x")) }),
            "invalid_type",
            "saml_options.idp_signing_certs",
        ),
        (
            json!({ "oidc_options": without(&oidc, "client_secret") }),
            "required",
            "oidc_options.client_secret",
        ),
        (json!({ "oidc_options": without(&oidc, "client_id") }), "required", "oidc_options.client_id"),
        (
            json!({ "oidc_options": without(&oidc, "discovery_endpoint") }),
            "required",
            "oidc_options.discovery_endpoint",
        ),
        (
            json!({ "oidc_options": with(&oidc, "client_secret", json!("")) }),
            "invalid",
            "oidc_options.client_secret",
        ),
        (
            json!({ "oidc_options": with(&oidc, "id_token_signature_algorithm", json!("HS256")) }),
            "invalid",
            "oidc_options.id_token_signature_algorithm",
        ),
        (
            json!({ "oidc_options": with(&oidc, "id_token_signature_algorithm", json!("none")) }),
            "invalid",
            "oidc_options.id_token_signature_algorithm",
        ),
        (
            json!({ "oidc_options": with(&oidc, "discovery_endpoint", json!(format!("https://idp.example/{}", long))) }),
            "invalid",
            "oidc_options.discovery_endpoint",
        ),
        (
            json!({ "saml_options": { "idp_metadata_url": format!("https://idp.example/{long}") } }),
            "invalid",
            "saml_options.idp_metadata_url",
        ),
        (json!({ "saml_options": saml, "name": "" }), "invalid", "name"),
        (json!({ "saml_options": saml, "name": " " }), "invalid", "name"),
        (json!({ "saml_options": saml, "name": "x".repeat(256) }), "invalid", "name"),
        (json!({ "saml_options": saml, "external_id": "" }), "invalid", "external_id"),
        (json!({ "saml_options": saml, "external_id": "x".repeat(129) }), "invalid", "external_id"),
        (json!({ "saml_options": saml, "external_id": "ü" }), "invalid", "external_id"),
        (json!({ "saml_options": saml, "name": 7 }), "invalid_type", "name"),
        (
            json!({ "saml_options": saml, "attribute_maps": { "standard_attributes": { "role": "r" } } }),
            "invalid",
            "attribute_maps.standard_attributes.role",
        ),
        (
            json!({ "saml_options": saml, "attribute_maps": { "standard_attributes": { "email": "" } } }),
            "invalid",
            "attribute_maps.standard_attributes.email",
        ),
    ] {
        let mut body = body;
        body["organization_id"] = json!(organization);
        let refused = app.post("/connections", body).await.expect(422);
        assert_eq!(refused["errors"], json!([{ "code": code, "field": field }]), "{refused}");
    }
    let custom = json!({ "custom_attributes": { "department": "d" } });
    let body = json!({ "organization_id": organization, "saml_options": saml, "attribute_maps": custom });
    assert_eq!(app.post("/connections", body).await.expect(400)["code"], "custom_attribute_not_found");
    let body = json!({ "saml_options": saml });
    let refused = app.post("/connections", body).await.expect(422);
    assert_eq!(refused["errors"], json!([{ "code": "required", "field": "organization_id" }]));
    for id in ["org_01EHWNCE74X7JSDV0X3SZ3KJNY", "nonsense", ""] {
        let body = json!({ "organization_id": id, "saml_options": saml });
        app.post("/connections", body).await.expect(404);
    }
    assert_eq!(app.get("/connections").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn the_older_path_and_spelling_are_taken() {
    let app = TestApp::new().await;
    let organization = customer(&app).await;
    let body = json!({ "organizationId": organization, "connectionType": "SAML", "name": "Acme" });
    let made = app.post("/sso/connections", body).await.expect(201);
    assert_eq!(
        (&made["connection_type"], &made["state"], &made["status"], &made["name"]),
        (&json!("GenericSAML"), &json!("draft"), &json!("unlinked"), &json!("Acme"))
    );
    let body = json!({ "organizationId": organization, "connectionType": "OIDC", "externalId": "x-1" });
    let made = app.post("/sso/connections", body).await.expect(201);
    assert_eq!((&made["connection_type"], &made["external_id"]), (&json!("GenericOIDC"), &json!("x-1")));
    let body = json!({ "organizationId": organization, "samlOptions": SamlIdp::new().options() });
    assert_eq!(app.post("/sso/connections", body).await.expect(201)["state"], "validating");
    let list = app.get("/sso/connections").await.expect(200);
    assert_eq!(list, app.get("/connections").await.expect(200));
    assert_eq!(list["data"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_external_id_makes_one_connection_however_often_it_is_sent() {
    let app = TestApp::new().await;
    let node = app.another_node().await;
    let (first, second) = (customer(&app).await, app.organization("Other", &[]).await);
    let body = |organization: &str| json!({ "organization_id": organization, "external_id": "c-1", "saml_options": SamlIdp::new().options() });
    let requests = (0..12).map(|number| {
        let request = [&app, &node][number % 2].request(Method::POST, "/connections").json(&body(&first));
        async move { tokio::spawn(request.send()).await.unwrap().expect(201)["id"].clone() }
    });
    let ids = join_all(requests).await;
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    let other = app.post("/connections", body(&second)).await.expect(201)["id"].clone();
    assert_ne!(other, ids[0]);
    // What is there already isn't changed by it.
    let mut changed = body(&first);
    changed["name"] = json!("Changed");
    assert_eq!(app.post("/connections", changed).await.expect(201)["name"], "GenericSAML");
    app.delete(format!("/connections/{}", ids[0].as_str().unwrap())).await.expect(204);
    let again = app.post("/connections", body(&first)).await.expect(201)["id"].clone();
    assert_ne!(again, ids[0], "gone is gone");
}
