//! Profiles: who somebody is to one connection, and nothing that only looks like it.

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::forge::{Form, swap};
use testkit::{Asked, Browser, Person, SamlIdp};

use crate::support::{Oidc, Records, Saml, ada, code, exchange, profile};

type Attributes<'a> = Vec<(&'a str, Vec<String>)>;

/// A sign-in with these attributes, however it ends.
async fn sign_in_with(saml: &Saml, connection: &str, attributes: &Attributes<'_>) -> testkit::Answer {
    let mut browser = Browser::new();
    let asked = Asked::by(&browser.authorize(&saml.app, &[("connection", connection)]).await);
    let xml = saml.idp.response_with(&saml.app, &asked, "name-id", attributes);
    asked.post(&saml.app, &mut browser, &saml.idp.sign(&xml, Form::Assertion)).await
}

async fn profile_with(saml: &Saml, connection: &str, attributes: &Attributes<'_>) -> Value {
    let answer = sign_in_with(saml, connection, attributes).await;
    exchange(&saml.app, &code(&answer)).await.expect(200)["profile"].clone()
}

fn one(value: &str) -> Vec<String> {
    vec![value.to_owned()]
}

/// The attributes of a good sign-in, with one of them changed, or left out if it has no values.
fn changed<'a>(name: &'a str, values: &[&str]) -> Attributes<'a> {
    let mut attributes: Attributes<'a> = ada().attributes();
    attributes.retain(|(present, _)| *present != name);
    if !values.is_empty() {
        attributes.push((name, values.iter().map(|value| (*value).to_owned()).collect()));
    }
    attributes
}

#[tokio::test]
async fn the_same_person_keeps_the_profile_and_is_described_anew() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let first = exchange(app, &saml.code().await).await.expect(200);
    app.advance(60_000);
    let later = Person {
        email: "countess@example.com".to_owned(),
        first_name: "Augusta".to_owned(),
        last_name: "King".to_owned(),
        groups: vec!["nobility".to_owned()],
        ..ada()
    };
    let answer = saml.idp.sign_in(app, &mut Browser::new(), &saml.connection, &later).await;
    let second = exchange(app, &code(&answer)).await.expect(200)["profile"].clone();
    assert_eq!(second["id"], first["profile"]["id"]);
    assert_eq!(second["email"], "countess@example.com");
    assert_eq!(second["name"], "Augusta King");
    assert_eq!(second["groups"], json!(["nobility"]));
    assert_eq!(second["raw_attributes"]["lastName"], "King");
    // Whoever asks with the first token hears of the same person as they are now.
    let token = first["access_token"].as_str().unwrap();
    assert_eq!(profile(app, token).await.expect(200), second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_person_who_comes_in_by_many_doors_at_once_is_one() {
    let saml = Saml::new().await;
    let node = saml.app.another_node().await;
    let mut browser = Browser::new();
    let mut answers = Vec::new();
    for number in 0..12 {
        let asked = saml.begin(&mut browser).await;
        let form = asked.form(&saml.answer(&asked, &ada()));
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let path = url::Url::parse(&asked.acs_url).unwrap().path().to_owned();
        let request =
            [&saml.app, &node][number % 2].request(http::Method::POST, path).anonymous().form(&form);
        answers.push(browser.with_cookies(request));
    }
    let answers = join_all(answers.into_iter().map(|request| tokio::spawn(request.send()))).await;
    let mut ids = Vec::new();
    for answer in answers {
        let granted = exchange(&saml.app, &code(&answer.unwrap())).await.expect(200);
        ids.push(granted["profile"]["id"].clone());
    }
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}

#[tokio::test]
async fn s42_two_people_with_one_address_are_two_and_one_id_at_two_connections_too() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let second = saml.idp.connect(app, &saml.organization).await;
    let other = SamlIdp::named("https://idp.other.example/metadata", "other");
    let third = other.connect(app, &saml.organization).await;
    let mut seen = Vec::new();
    for (idp, connection, id) in [
        (&saml.idp, &saml.connection, "ada-1815"),
        (&saml.idp, &saml.connection, "ada-1816"),
        (&saml.idp, &saml.connection, "ADA-1815"),
        (&saml.idp, &saml.connection, "ada-1815\u{a0}"),
        (&saml.idp, &saml.connection, "ada\u{2010}1815"),
        (&saml.idp, &second, "ada-1815"),
        (&other, &third, "ada-1815"),
    ] {
        let person = Person::new(id, "ada@example.com");
        let answer = idp.sign_in(app, &mut Browser::new(), connection, &person).await;
        let profile = exchange(app, &code(&answer)).await.expect(200)["profile"].clone();
        assert_eq!((&profile["idp_id"], &profile["email"]), (&json!(id), &json!("ada@example.com")));
        assert_eq!(profile["connection_id"], connection.as_str());
        assert!(!seen.contains(&profile["id"]), "{id:?}");
        seen.push(profile["id"].clone());
    }
}

#[tokio::test]
async fn s42_attributes_named_like_our_fields_are_only_attributes() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let victim = exchange(app, &saml.code().await).await.expect(200)["profile"].clone();
    let foreign = app.organization("Foreign", &["foreign.example"]).await;
    let mut attributes = Person::new("mallory", "mallory@example.com").attributes();
    for (name, value) in [
        ("role", "admin"),
        ("roles", "admin"),
        ("idp_id", "ada-1815"),
        ("sub", "ada-1815"),
        ("NameID", "ada-1815"),
        ("profile_id", victim["id"].as_str().unwrap()),
        ("organization_id", &foreign),
        ("connection_id", "conn_01EHWNCE74X7JSDV0X3SZ3KJNY"),
        ("connection_type", "GoogleOAuth"),
        ("email_verified", "true"),
        ("custom_attributes", "{\"admin\":true}"),
        ("raw_attributes", "{}"),
        ("object", "user"),
        ("__proto__", "x"),
        ("ID", "ada-1815"),
        ("Email", "ada@example.com"),
    ] {
        attributes.push((name, one(value)));
    }
    let profile = profile_with(&saml, &saml.connection, &attributes).await;
    assert_ne!(profile["id"], victim["id"]);
    let raw = profile["raw_attributes"].clone();
    assert_eq!(
        profile,
        json!({
            "object": "profile", "id": profile["id"], "organization_id": saml.organization,
            "connection_id": saml.connection, "connection_type": "GenericSAML", "idp_id": "mallory",
            "email": "mallory@example.com", "first_name": "Ada", "last_name": "Lovelace",
            "name": "Ada Lovelace", "role": null, "roles": null,
            "groups": ["engineers", "mathematicians"], "custom_attributes": {}, "raw_attributes": raw,
        })
    );
    assert_eq!(raw["role"], "admin", "as the provider sent it, where nobody takes it for ours");
}

#[tokio::test]
async fn s42_claims_named_like_our_fields_are_only_claims() {
    let oidc = Oidc::new().await;
    let mut browser = Browser::new();
    let redirect = oidc.begin(&mut browser).await;
    let mut claims = ada().claims();
    for name in ["role", "roles", "id", "idp_id", "organization_id", "connection_id", "custom_attributes"] {
        claims[name] = json!("evil");
    }
    let answer = browser.get(&oidc.app, &oidc.provider.approve_claims(&oidc.app, &redirect, claims)).await;
    let profile = exchange(&oidc.app, &code(&answer)).await.expect(200)["profile"].clone();
    for (name, value) in [("role", json!(null)), ("roles", json!(null)), ("custom_attributes", json!({}))] {
        assert_eq!(profile[name], value);
    }
    for name in ["id", "idp_id", "organization_id", "connection_id"] {
        assert_ne!(profile[name], "evil");
    }
}

#[tokio::test]
async fn the_type_of_a_connection_says_where_its_attributes_are() {
    let saml = Saml::new().await;
    let claim = |name: &str| format!("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/{name}");
    let entra_groups = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups".to_owned();
    let entra_name = "http://schemas.microsoft.com/identity/claims/displayname".to_owned();
    let adfs_groups = "http://schemas.xmlsoap.org/claims/Group".to_owned();
    for (kind, id, groups, name) in [
        ("AzureSAML", claim("name"), entra_groups, Some(entra_name)),
        ("ADFSSAML", claim("upn"), adfs_groups, None),
        ("OktaSAML", "id".to_owned(), "groups".to_owned(), Some("name".to_owned())),
    ] {
        let generic = kind == "OktaSAML";
        let at = |uri: &str, plain: &str| if generic { plain.to_owned() } else { claim(uri) };
        let body = json!({
            "organization_id": saml.organization, "connection_type": kind, "saml_options": saml.idp.options(),
        });
        let made = saml.app.post("/connections", body).await.expect(201);
        let connection = made["id"].as_str().unwrap();
        assert_eq!(made["attribute_maps"]["standard_attributes"]["idp_id"], id);
        let (email, first, last) =
            (at("emailaddress", "email"), at("givenname", "firstName"), at("surname", "lastName"));
        let mut attributes = vec![
            (id.as_str(), one("ada@tenant.example")),
            (email.as_str(), one("ada@example.com")),
            (first.as_str(), one("Ada")),
            (last.as_str(), one("Lovelace")),
            (groups.as_str(), vec!["g1".to_owned(), "g2".to_owned()]),
        ];
        if let Some(name) = &name {
            attributes.push((name, one("Countess Lovelace")));
        }
        let profile = profile_with(&saml, connection, &attributes).await;
        assert_eq!(profile["connection_type"], kind);
        assert_eq!(
            (&profile["idp_id"], &profile["email"]),
            (&json!("ada@tenant.example"), &json!("ada@example.com"))
        );
        assert_eq!(profile["groups"], json!(["g1", "g2"]));
        let expected = if name.is_some() { "Countess Lovelace" } else { "Ada Lovelace" };
        assert_eq!(profile["name"], expected);
    }
}

#[tokio::test]
async fn attribute_maps_outrank_the_type() {
    let saml = Saml::new().await;
    let maps = json!({ "standard_attributes": {
        "idp_id": "employeeNumber", "email": "mail", "first_name": "urn:oid:2.5.4.42",
        "last_name": "urn:oid:2.5.4.4", "name": "displayName", "groups": "memberOf",
    } });
    let path = format!("/connections/{}", saml.connection);
    saml.app.patch(&path, json!({ "attribute_maps": maps })).await.expect(200);
    let attributes = vec![
        ("employeeNumber", one("7")),
        ("mail", one("ada@example.com")),
        ("urn:oid:2.5.4.42", one("Ada")),
        ("urn:oid:2.5.4.4", one("Lovelace")),
        ("displayName", one("A. L.")),
        ("memberOf", vec!["a".to_owned()]),
        ("id", one("not-this")),
        ("email", one("not@this.example")),
    ];
    let profile = profile_with(&saml, &saml.connection, &attributes).await;
    for (field, value) in [
        ("idp_id", "7"),
        ("email", "ada@example.com"),
        ("first_name", "Ada"),
        ("last_name", "Lovelace"),
        ("name", "A. L."),
    ] {
        assert_eq!(profile[field], value, "{field}");
    }
    assert_eq!(profile["groups"], json!(["a"]));
    // The names of the type don't count any more.
    let mut records = Records::watch(&saml.app).await;
    let answer = sign_in_with(&saml, &saml.connection, &ada().attributes()).await;
    let record = records.refused(&answer, "server_error", "invalid_attributes").await;
    let message = record["failure"]["message"].as_str().unwrap();
    assert!(message.contains("'employeeNumber' for idp_id") && message.contains("firstName"), "{message}");
}

#[tokio::test]
async fn attributes_that_are_missing_doubtful_or_too_much_are_refused() {
    let saml = Saml::new().await;
    let mut records = Records::watch(&saml.app).await;
    let long = "x".repeat(1025);
    let mut cases = Vec::new();
    for name in ["id", "email", "firstName", "lastName"] {
        cases.push(changed(name, &[]));
        cases.push(changed(name, &[""]));
        cases.push(changed(name, &[" \n\t "]));
        cases.push(changed(name, &["one@example.com", "two@example.com"]));
        cases.push(changed(name, &[&long]));
    }
    cases.push(changed("name", &["one", "two"]));
    cases.push(changed("groups", &[&long]));
    let groups: Vec<String> = (0..2001).map(|number| format!("g{number}")).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    cases.push(changed("groups", &groups));
    cases.push(Vec::new());
    for attributes in cases {
        let answer = sign_in_with(&saml, &saml.connection, &attributes).await;
        records.refused(&answer, "server_error", "invalid_attributes").await;
    }
    // Twice the same is no doubt; white space around a value is the document's; groups need not be there.
    for attributes in [
        changed("id", &["ada-1815", "ada-1815"]),
        changed("id", &["\n      ada-1815\n    "]),
        changed("groups", &[]),
        changed("groups", &groups[..2000]),
    ] {
        let profile = profile_with(&saml, &saml.connection, &attributes).await;
        assert_eq!(profile["idp_id"], "ada-1815");
    }
    // What nobody needs isn't kept when it is very much.
    let mut attributes = ada().attributes();
    attributes.push(("photo", one(&"x".repeat(70_000))));
    assert_eq!(profile_with(&saml, &saml.connection, &attributes).await["raw_attributes"], json!({}));
}

#[tokio::test]
async fn the_name_id_is_nobodys_identity() {
    let saml = Saml::new().await;
    let mut records = Records::watch(&saml.app).await;
    let mut browser = Browser::new();
    let asked = saml.begin(&mut browser).await;
    let xml = saml.idp.response_with(&saml.app, &asked, "ada-1815", &changed("id", &[]));
    let answer = asked.post(&saml.app, &mut browser, &saml.idp.sign(&xml, Form::Both)).await;
    records.refused(&answer, "server_error", "invalid_attributes").await;
    // Nor are attributes of a second statement another person's: one name, one list of values.
    let asked = saml.begin(&mut browser).await;
    let xml = saml.idp.response(&saml.app, &asked, &ada());
    let second = "</saml2:AttributeStatement><saml2:AttributeStatement><saml2:Attribute Name=\"id\"><saml2:AttributeValue>mallory</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement>";
    let xml = swap(&xml, "</saml2:AttributeStatement>", second);
    let answer = asked.post(&saml.app, &mut browser, &saml.idp.sign(&xml, Form::Both)).await;
    records.refused(&answer, "server_error", "invalid_attributes").await;
}

#[tokio::test]
async fn openid_names_and_groups_come_in_several_shapes() {
    let oidc = Oidc::new().await;
    let app = &oidc.app;
    let mut records = Records::watch(app).await;
    let sign_in = async |change: Value| {
        let mut browser = Browser::new();
        let redirect = oidc.begin(&mut browser).await;
        let mut claims = json!({ "sub": "ada-1815", "email": "ada@example.com" });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        browser.get(app, &oidc.provider.approve_claims(app, &redirect, claims)).await
    };
    for (change, expected) in [
        (json!({}), json!([null, null, null, []])),
        (json!({ "name": "Ada King Lovelace" }), json!(["Ada", "King Lovelace", "Ada King Lovelace", []])),
        (json!({ "name": "Ada" }), json!(["Ada", null, "Ada", []])),
        (json!({ "given_name": "Ada", "family_name": null }), json!(["Ada", null, "Ada", []])),
        (json!({ "given_name": "Ada", "family_name": "L." }), json!(["Ada", "L.", "Ada L.", []])),
        (json!({ "groups": ["a", "b"] }), json!([null, null, null, ["a", "b"]])),
        (json!({ "groups": "a" }), json!([null, null, null, ["a"]])),
        (json!({ "groups": [{ "id": 1 }, "b", null] }), json!([null, null, null, ["b"]])),
        (json!({ "groups": { "a": 1 } }), json!([null, null, null, []])),
    ] {
        let answer = sign_in(change.clone()).await;
        let profile = exchange(app, &code(&answer)).await.expect(200)["profile"].clone();
        let shown = json!([profile["first_name"], profile["last_name"], profile["name"], profile["groups"]]);
        assert_eq!(shown, expected, "{change}");
    }
    // An ID token without an address makes us ask UserInfo, which may not have one either.
    assert_eq!(oidc.provider.seen("userinfo").len(), 0);
    let answer = sign_in(json!({ "email": null })).await;
    records.refused(&answer, "server_error", "invalid_attributes").await;
    assert_eq!(oidc.provider.seen("userinfo").len(), 1);
    oidc.provider.edit("userinfo", |claims| claims["email"] = json!("ada@example.com"));
    let mut browser = Browser::new();
    let redirect = oidc.begin(&mut browser).await;
    let callback = oidc.provider.approve_claims(app, &redirect, json!({ "sub": "ada-1815" }));
    code(&browser.get(app, &callback).await);
    for change in
        [json!({ "given_name": 7 }), json!({ "name": ["Ada"] }), json!({ "email": ["ada@example.com"] })]
    {
        let answer = sign_in(change).await;
        let (_, event) = records.failed_with(&["invalid_attributes", "id_token_claim_invalid"]).await;
        crate::support::assert_refused(&answer, "server_error");
        assert_eq!(event["error"]["code"], "server_error");
    }
}
