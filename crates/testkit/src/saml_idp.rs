use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kernel::Timestamp;
use saml::request::parse_redirect;
use serde_json::{Value, json};
use url::Url;

use crate::forge::sign::{RSA_SHA256, Spec, sign, x509_data};
use crate::forge::{self, Form, keys, swap};
use crate::{Answer, Browser, Person, TestApp};

/// Times in the forged template, and how far each is from now, in milliseconds.
const TIMES: [(&str, i64); 4] = [
    ("2026-11-20T09:55:00.000Z", -300_000),
    ("2026-11-20T09:59:50.000Z", -10_000),
    ("2026-11-20T09:59:58.123Z", -1_877),
    ("2026-11-20T10:05:00.000Z", 300_000),
];

/// A SAML identity provider that answers whatever a test wants.
#[derive(Clone, Debug)]
pub struct SamlIdp {
    pub entity_id: String,
    pub sso_url: String,
    /// The name of its key in `saml/tests/keys`.
    pub key: &'static str,
}

/// What a service provider asked an identity provider for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub id: String,
    pub acs_url: String,
    pub sp_entity_id: String,
    pub force_authn: bool,
    pub relay_state: String,
}

impl Asked {
    /// Reads the redirect that carries the request.
    #[track_caller]
    pub fn by(redirect: &Answer) -> Self {
        let parameter = |name| {
            let value = redirect.location_parameter(name);
            value.unwrap_or_else(|| panic!("no {name} in {}", redirect.location()))
        };
        let request = parse_redirect(&parameter("SAMLRequest")).unwrap();
        Self {
            id: request.id,
            acs_url: request.acs_url.unwrap(),
            sp_entity_id: request.issuer,
            force_authn: request.force_authn,
            relay_state: parameter("RelayState"),
        }
    }

    /// The fields of a form with `xml` as its answer.
    pub fn form(&self, xml: &str) -> [(&'static str, String); 2] {
        [("SAMLResponse", STANDARD.encode(xml)), ("RelayState", self.relay_state.clone())]
    }

    /// Posts `xml` as the answer, from `browser`.
    pub async fn post(&self, app: &TestApp, browser: &mut Browser, xml: &str) -> Answer {
        let form = self.form(xml);
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        browser.post(app, &self.acs_url, &form).await
    }
}

impl SamlIdp {
    /// `https://idp.example.com/metadata`, which signs with the key `idp`.
    pub fn new() -> Self {
        Self::named(forge::IDP, "idp")
    }

    /// One with another name and the key `key`.
    pub fn named(entity_id: &str, key: &'static str) -> Self {
        let sso_url = Url::parse(entity_id).unwrap().join("/sso").unwrap();
        Self { entity_id: entity_id.to_owned(), sso_url: sso_url.into(), key }
    }

    /// The `saml_options` of a connection to it, written by hand.
    pub fn options(&self) -> Value {
        json!({
            "idp_entity_id": self.entity_id,
            "idp_sso_url": self.sso_url,
            "idp_signing_certs": [keys::certificate_pem(self.key)],
        })
    }

    /// Its metadata.
    pub fn metadata(&self) -> String {
        let certificate = keys::certificate_base64(self.key);
        format!(
            r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{}"><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{}"/></md:IDPSSODescriptor></md:EntityDescriptor>"#,
            self.entity_id, self.sso_url
        )
    }

    /// Makes a connection of an organization of environment A to it, and gives its id.
    pub async fn connect(&self, app: &TestApp, organization: &str) -> String {
        let connection = json!({ "organization_id": organization, "saml_options": self.options() });
        app.post("/connections", connection).await.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// An answer about a person, not signed yet. Each has ids of its own.
    pub fn response(&self, app: &TestApp, asked: &Asked, person: &Person) -> String {
        self.response_with(app, asked, &person.email, &person.attributes())
    }

    /// An answer with these attributes, not signed yet.
    pub fn response_with(
        &self,
        app: &TestApp,
        asked: &Asked,
        name_id: &str,
        attributes: &[(&str, Vec<String>)],
    ) -> String {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let mut xml = forge::template();
        for (time, distance) in TIMES {
            let at: Timestamp = app.app.clock.now().plus(distance);
            xml = swap(&xml, time, &at.to_string());
        }
        let (before, rest) = xml.split_once("<saml2:AttributeStatement>").unwrap();
        let (_, after) = rest.split_once("</saml2:AttributeStatement>").unwrap();
        let statement: String = attributes.iter().map(|(name, values)| attribute(name, values)).collect();
        let xml = format!("{before}<saml2:AttributeStatement>{statement}</saml2:AttributeStatement>{after}");
        [
            (forge::ACS, asked.acs_url.as_str()),
            (forge::SP, &asked.sp_entity_id),
            (forge::IDP, &self.entity_id),
            (forge::REQUEST, &asked.id),
            (forge::RESPONSE_ID, &format!("_response-{number}")),
            (forge::ASSERTION_ID, &format!("_assertion-{number}")),
            (&format!(">{}</saml2:NameID>", forge::USER), &format!(">{}</saml2:NameID>", escaped(name_id))),
        ]
        .into_iter()
        .fold(xml, |xml, (from, to)| swap(&xml, from, to))
    }

    /// Signs the parts of an answer that `form` says.
    pub fn sign(&self, xml: &str, form: Form) -> String {
        let spec = Spec { key_info: Some(x509_data(self.key)), ..self.spec() };
        self.sign_as(xml, form, &spec)
    }

    /// As [`SamlIdp::sign`], with a signature of any kind.
    pub fn sign_as(&self, xml: &str, form: Form, spec: &Spec) -> String {
        let document = roxmltree::Document::parse(xml).unwrap();
        let response = document.root_element();
        let assertion = response.children().find(|child| child.tag_name().name() == "Assertion").unwrap();
        let [response, assertion] = [response, assertion].map(|node| node.attribute("ID").unwrap());
        let signed = match form {
            Form::Response => xml.to_owned(),
            Form::Assertion | Form::Both => sign(xml, assertion, spec),
        };
        match form {
            Form::Assertion => signed,
            Form::Response | Form::Both => sign(&signed, response, spec),
        }
    }

    /// The usual signature with its key.
    pub fn spec(&self) -> Spec {
        let signature_method = match self.key {
            "p256" => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            _ => RSA_SHA256,
        };
        Spec { key: self.key, signature_method, ..Spec::default() }
    }

    /// A whole, honest sign-in through `connection`: the last answer is the redirect to the application.
    pub async fn sign_in(
        &self,
        app: &TestApp,
        browser: &mut Browser,
        connection: &str,
        person: &Person,
    ) -> Answer {
        let asked = Asked::by(&browser.authorize(app, &[("connection", connection)]).await);
        let xml = self.sign(&self.response(app, &asked, person), Form::Assertion);
        asked.post(app, browser, &xml).await
    }
}

impl Default for SamlIdp {
    fn default() -> Self {
        Self::new()
    }
}

fn attribute(name: &str, values: &[String]) -> String {
    let values: String = values
        .iter()
        .map(|value| format!("<saml2:AttributeValue>{}</saml2:AttributeValue>", escaped(value)))
        .collect();
    format!("<saml2:Attribute Name=\"{}\">{values}</saml2:Attribute>", escaped(name))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
