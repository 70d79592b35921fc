//! SAML 2.0 of the built-in identity provider: Web Browser SSO by HTTP-Redirect or HTTP-POST, answered by
//! HTTP-POST.

use ::saml::certificate::Certificate;
use ::saml::issue::{IssueResponse, SignedPart, SigningKey};
use ::saml::metadata::{BuiltInIdp, idp_metadata};
use ::saml::request::{ParsedAuthnRequest, parse_post, parse_redirect};
use access::signing_keys::{self, Purpose as KeyPurpose};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use kernel::clock::MINUTE;
use kernel::http::{Form, Query};
use kernel::ids::EnvironmentId;
use kernel::{App, Result};
use serde::{Deserialize, Serialize};
use sso::connections::{ServiceProvider, by_sp_entity_id};
use url::Url;

use super::people::{Fields, Person};
use super::sign_in::{Application, Choice, Protocol};
use super::{Provider, SIGN_IN_LIFETIME, fault, saml_entity_id, saml_sso_url};
use crate::error_page::{PageError, PageResult, Problem};
use crate::page::{FormAction, html};
use crate::sealed::{self, Purpose};

/// How long an assertion may be used, in milliseconds.
const ASSERTION_LIFETIME: i64 = 5 * MINUTE;
/// Longest `RelayState` that is carried, in bytes. SAML bindings 3.4.3 allows 80; few keep to it.
const MAX_RELAY_STATE: usize = 1024;
const EMAIL_FORMAT: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
const PERSISTENT_FORMAT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

/// A request while somebody looks at the sign-in page. Where the answer goes isn't part of it: that is looked up
/// by issuer, before the page and after.
#[derive(Debug, Serialize, Deserialize)]
struct PendingRequest {
    id: String,
    issuer: String,
    wants_persistent_id: bool,
    relay_state: Option<String>,
}

#[derive(Template)]
#[template(path = "saml/response.html")]
struct ResponsePage<'a> {
    destination: &'a str,
    origin: String,
    field: &'static str,
    message: &'a str,
    relay_state: Option<&'a str>,
}

/// A refusal (SAML core 3.2.2): it says nothing about anybody, and is not signed.
#[derive(Template)]
#[template(path = "identity_provider/refused.xml")]
struct Refused<'a> {
    destination: &'a str,
    id: &'a str,
    in_response_to: &'a str,
    issue_instant: String,
    issuer: &'a str,
}

/// `GET /_idp/{environment}/saml/metadata`
pub(super) async fn metadata(State(app): State<App>, Provider(environment): Provider) -> PageResult {
    let xml = metadata_xml(&app, environment).await?;
    Ok(([(header::CONTENT_TYPE, "application/samlmetadata+xml; charset=utf-8")], xml).into_response())
}

pub(super) async fn metadata_xml(app: &App, environment: EnvironmentId) -> Result<String> {
    let key = signing_keys::active(app, environment, KeyPurpose::BuiltInIdp).await?;
    Ok(idp_metadata(&BuiltInIdp {
        entity_id: &saml_entity_id(app, environment),
        sso_url: &saml_sso_url(app, environment),
        certificate: &Certificate::parse_der(&key.certificate).map_err(fault)?,
    }))
}

/// `GET /_idp/{environment}/saml/sso`: a request by HTTP-Redirect.
pub(super) async fn request(
    State(app): State<App>,
    Provider(environment): Provider,
    Query(query): Query,
) -> PageResult {
    let request = query.get("SAMLRequest")?.ok_or(Problem::TestRequestInvalid)?;
    let request = parse_redirect(request).map_err(|error| {
        tracing::info!(code = error.code(), "a request to the built-in identity provider was refused");
        Problem::TestRequestInvalid
    })?;
    show(&app, environment, request, query.get("RelayState")?).await
}

/// `POST /_idp/{environment}/saml/sso`: a request by HTTP-POST, or the sign-in page's form.
pub(super) async fn submit(
    State(app): State<App>,
    Provider(environment): Provider,
    Form(form): Form,
) -> PageResult {
    if let Some(request) = form.get("SAMLRequest")? {
        let request = parse_post(request).map_err(|error| {
            tracing::info!(code = error.code(), "a request to the built-in identity provider was refused");
            Problem::TestRequestInvalid
        })?;
        return show(&app, environment, request, form.get("RelayState")?).await;
    }
    let sealed = form.get("request")?.ok_or(Problem::TestRequestInvalid)?;
    let request: PendingRequest =
        sealed::open(&app, Purpose::SamlRequest(environment), sealed).ok_or(Problem::TestRequestExpired)?;
    let provider = service_provider(&app, environment, &request.issuer).await?;
    let application = application(&app, environment, &provider).await?;
    let message = match application.choice(&form) {
        Choice::SignIn(person) => success(&app, environment, &request, &provider, &person).await?,
        Choice::Deny => refusal(&app, environment, &request, &provider)?,
        Choice::Again(fields, problem) => {
            return Ok(application.page(&app, sealed, fields, Some(problem)).await?);
        }
    };
    Ok(answer(&app, environment, &provider, &message, request.relay_state.as_deref()).await?)
}

/// Shows the sign-in page, if the request is one this provider answers.
async fn show(
    app: &App,
    environment: EnvironmentId,
    request: ParsedAuthnRequest,
    relay_state: Option<&str>,
) -> PageResult {
    let is_for_us = request.destination.is_none_or(|url| url == saml_sso_url(app, environment));
    if !is_for_us || relay_state.is_some_and(|text| text.len() > MAX_RELAY_STATE) {
        return Err(Problem::TestRequestInvalid.into());
    }
    let provider = service_provider(app, environment, &request.issuer).await?;
    if request.acs_url.is_some_and(|url| url != provider.acs_url) {
        return Err(Problem::TestApplicationUnknown.into());
    }
    let pending = PendingRequest {
        id: request.id,
        issuer: request.issuer,
        wants_persistent_id: request.name_id_format.as_deref() == Some(PERSISTENT_FORMAT),
        relay_state: relay_state.map(ToOwned::to_owned),
    };
    let sealed = sealed::seal(app, Purpose::SamlRequest(environment), SIGN_IN_LIFETIME, &pending)?;
    let application = application(app, environment, &provider).await?;
    Ok(application.page(app, &sealed, Fields::default(), None).await?)
}

/// The service provider with that entity id; answers only ever go to the URL that is stored for it.
async fn service_provider(
    app: &App,
    environment: EnvironmentId,
    issuer: &str,
) -> Result<ServiceProvider, PageError> {
    by_sp_entity_id(app, environment, issuer).await?.ok_or_else(|| Problem::TestApplicationUnknown.into())
}

async fn application(
    app: &App,
    environment: EnvironmentId,
    provider: &ServiceProvider,
) -> Result<Application> {
    let name = provider.connection_name.clone();
    Application::of(app, environment, name, provider.organization_id, Protocol::Saml).await
}

async fn success(
    app: &App,
    environment: EnvironmentId,
    request: &PendingRequest,
    provider: &ServiceProvider,
    person: &Person,
) -> Result<String> {
    let key = signing_keys::active(app, environment, KeyPurpose::BuiltInIdp).await?;
    let certificate = Certificate::parse_der(&key.certificate).map_err(fault)?;
    let key = SigningKey::from_pkcs8(&key.private_key, certificate).map_err(fault)?;
    let id = person.id(environment);
    let (name_id, name_id_format) = if request.wants_persistent_id {
        (id.as_str(), PERSISTENT_FORMAT)
    } else {
        (person.email.as_str(), EMAIL_FORMAT)
    };
    let groups: Vec<&str> = person.groups.iter().map(String::as_str).collect();
    let (id, email) = ([id.as_str()], [person.email.as_str()]);
    let (first_name, last_name) = ([person.first_name.as_str()], [person.last_name.as_str()]);
    let all: [(&str, &[&str]); 5] = [
        ("id", &id),
        ("email", &email),
        ("firstName", &first_name),
        ("lastName", &last_name),
        ("groups", &groups),
    ];
    // What isn't known isn't sent.
    let attributes: Vec<_> =
        all.into_iter().filter(|(_, values)| values.iter().any(|v| !v.is_empty())).collect();
    let now = app.clock.now();
    let response = IssueResponse {
        response_id: &xml_id(app),
        assertion_id: &xml_id(app),
        issue_instant: now.0,
        issuer: &saml_entity_id(app, environment),
        audience: &provider.sp_entity_id,
        acs_url: &provider.acs_url,
        in_response_to: Some(&request.id),
        name_id,
        name_id_format,
        session_index: &xml_id(app),
        attributes: &attributes,
        not_on_or_after: now.plus(ASSERTION_LIFETIME).0,
        sign: SignedPart::Both,
    };
    response.to_base64(&key).map_err(fault)
}

fn refusal(
    app: &App,
    environment: EnvironmentId,
    request: &PendingRequest,
    provider: &ServiceProvider,
) -> Result<String> {
    let refused = Refused {
        destination: &provider.acs_url,
        id: &xml_id(app),
        in_response_to: &request.id,
        issue_instant: app.clock.now().to_string(),
        issuer: &saml_entity_id(app, environment),
    };
    Ok(STANDARD.encode(refused.render().map_err(fault)?))
}

/// An `xs:ID` nobody can guess.
fn xml_id(app: &App) -> String {
    format!("_{}", kernel::crypto::hex(&app.random.bytes::<16>()))
}

/// The page that posts the answer.
async fn answer(
    app: &App,
    environment: EnvironmentId,
    provider: &ServiceProvider,
    message: &str,
    relay_state: Option<&str>,
) -> Result<Response> {
    let page = ResponsePage {
        destination: &provider.acs_url,
        origin: Url::parse(&provider.acs_url).map_err(fault)?.origin().ascii_serialization(),
        field: "SAMLResponse",
        message,
        relay_state,
    };
    // The assertion consumer service redirects to the application.
    let form_action =
        FormAction::none().and_url(&provider.acs_url).and_applications(app, environment).await?;
    html(StatusCode::OK, &page, &form_action)
}
