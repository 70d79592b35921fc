//! One sign-in: the flow while it runs, the record of it afterwards.

pub(crate) mod browser;
mod events;
pub(crate) mod queries;
mod refusal;
mod routes;

pub use refusal::Refusal;
pub use routes::router;

use kernel::clock::MINUTE;
use kernel::crypto::hash_token;
use kernel::events::{Actor, Scope, emit};
use kernel::http::ClientInfo;
use kernel::ids::{ConnectionId, EnvironmentId, OrganizationId, SignInId};
use kernel::{App, Error, Result, Timestamp};
use saml::request::AuthnRequest;
use store::Tx;

use crate::attributes::Identity;
use crate::connections::{self, Connection};
use crate::profiles;
use events::{Details, OauthFailed, SsoFailed, SsoStarted};

/// How long a person may take at the identity provider.
const FLOW_LIFETIME: i64 = 15 * MINUTE;
/// RFC 6749 §4.1.2: a code lives ten minutes at most.
const CODE_LIFETIME: i64 = 10 * MINUTE;
/// 190 bits.
const CODE_LENGTH: usize = 32;
const HANDLE_LENGTH: usize = 32;

/// The system as cause of what a sign-in does.
const SYSTEM: Actor = Actor::System;

/// What the application asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub redirect_uri: String,
    pub state: Option<String>,
    pub code_challenge: Option<String>,
    pub login_hint: Option<String>,
    pub force_authentication: bool,
}

/// A sign-in under way.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub id: SignInId,
    pub environment: EnvironmentId,
    pub organization_id: Option<OrganizationId>,
    pub connection_id: ConnectionId,
    pub status: Status,
    /// `RelayState` and OIDC `state`.
    pub handle: String,
    pub browser_hash: String,
    pub request: Request,
    /// SAML: the request's id. OIDC: the nonce.
    pub request_id: String,
    /// OIDC: the PKCE verifier, sealed.
    pub request_secret: Option<Vec<u8>>,
    pub client: ClientInfo,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Where a sign-in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The person is at the identity provider.
    Started,
    /// The identity provider's answer was accepted; the code waits to be exchanged.
    Authorized,
    Succeeded,
    Failed,
}

impl Status {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Authorized => "authorized",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

impl Flow {
    /// Prepares a sign-in through `connection` for the browser that holds `browser_token`.
    pub fn new(
        app: &App,
        connection: &Connection,
        browser_token: &str,
        request: Request,
        client: ClientInfo,
    ) -> Self {
        let now = app.clock.now();
        Self {
            id: SignInId::generate(app),
            environment: connection.environment,
            organization_id: connection.organization_id,
            connection_id: connection.id,
            status: Status::Started,
            handle: app.random.alphanumeric(HANDLE_LENGTH),
            browser_hash: hash_token(browser_token),
            request,
            // An xs:ID can't begin with a digit.
            request_id: format!("_{}", kernel::crypto::hex(&app.random.bytes::<20>())),
            request_secret: None,
            client,
            created_at: now,
            expires_at: now.plus(FLOW_LIFETIME),
        }
    }

    /// What the sealed PKCE verifier is bound to.
    pub fn secret_identity(&self) -> String {
        format!("sign_in_verifier:{}", self.id)
    }

    fn scope(&self) -> Scope<'static> {
        Scope { environment: self.environment, organization: self.organization_id, actor: &SYSTEM }
    }

    fn details(&self, email: Option<String>) -> Details {
        Details::new(&self.client, email, self.organization_id, self.connection_id, self.id)
    }

    /// Records the start, before the browser leaves.
    pub async fn start(&self, app: &App) -> Result<()> {
        kernel::transaction!(app, |tx| {
            queries::insert(tx, self).await?;
            if self.organization_id.is_some() {
                let details = self.details(None);
                emit(tx, app, self.scope(), &SsoStarted::new(details)).await?;
            }
            Ok(())
        })
    }
}

/// How an identity provider's answer ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The code for the application.
    Authorized {
        code: String,
    },
    Refused(Refusal),
}

/// Ends the identity provider's part: checks what only the database can tell, stores the profile and hands
/// out the code, all in one transaction. `assertion` is the accepted assertion's id and until when (epoch
/// milliseconds) it is remembered.
pub(crate) async fn authorize(
    app: &App,
    flow: &Flow,
    connection: &Connection,
    identity: &Identity,
    assertion: Option<(&str, i64)>,
) -> Result<Outcome> {
    let code = app.random.alphanumeric(CODE_LENGTH);
    let now = app.clock.now();
    kernel::transaction!(app, |tx| {
        let refusal = match check(tx, flow, connection, identity).await? {
            Some(refusal) => Some(refusal),
            None => match assertion {
                Some((id, until))
                    if !queries::remember_assertion(tx, flow.connection_id, id, until).await? =>
                {
                    Some(Refusal::replayed())
                }
                _ => None,
            },
        };
        if let Some(refusal) = refusal {
            fail(tx, app, flow, &refusal, Some(&identity.email)).await?;
            return Ok(Outcome::Refused(refusal));
        }
        let profile = profiles::upsert(tx, app, connection, identity).await?;
        let code_hash = hash_token(&code);
        let expires_at = now.plus(CODE_LIFETIME);
        if !queries::authorize(tx, flow, profile, &identity.email, &code_hash, expires_at, now).await? {
            // Another answer to the same request was first; this one changes nothing but the record.
            let refusal = Refusal::used();
            record(tx, app, flow, &refusal, Some(&identity.email)).await?;
            return Ok(Outcome::Refused(refusal));
        }
        Ok(Outcome::Authorized { code: code.clone() })
    })
}

/// What may have changed since the flow began, and the e-mail domain guard.
async fn check(
    tx: &mut Tx,
    flow: &Flow,
    connection: &Connection,
    identity: &Identity,
) -> Result<Option<Refusal>> {
    let Some(now) = connections::queries::get_in(tx, flow.environment, connection.id).await? else {
        return Ok(Some(Refusal::connection_gone()));
    };
    if !now.state.is_usable() {
        return Ok(Some(Refusal::connection_inactive()));
    }
    let Some(organization) = flow.organization_id else { return Ok(None) };
    if queries::allows_profiles_outside(tx, organization).await? {
        return Ok(None);
    }
    let domain = identity.email_domain();
    if organizations::domains::is_verified_for(tx, organization, &domain).await? {
        return Ok(None);
    }
    Ok(Some(Refusal::outside_organization(&domain)))
}

/// Refuses an answer within a transaction: the running flow fails, or, if it is past that, a record of its
/// own is written.
async fn fail(tx: &mut Tx, app: &App, flow: &Flow, refusal: &Refusal, email: Option<&str>) -> Result<()> {
    if queries::fail(tx, flow, refusal, email, app.clock.now()).await? {
        announce_failure(tx, app, flow, refusal, email).await
    } else {
        record(tx, app, flow, refusal, email).await
    }
}

/// Records a refusal apart from the flow it was aimed at: a stranger's answer must not end somebody's
/// sign-in.
async fn record(tx: &mut Tx, app: &App, flow: &Flow, refusal: &Refusal, email: Option<&str>) -> Result<()> {
    let now = app.clock.now();
    let apart = Flow {
        id: SignInId::generate(app),
        handle: app.random.alphanumeric(HANDLE_LENGTH),
        created_at: now,
        expires_at: now,
        request_secret: None,
        ..flow.clone()
    };
    queries::insert(tx, &apart).await?;
    queries::fail(tx, &apart, refusal, email, now).await?;
    announce_failure(tx, app, &apart, refusal, email).await
}

async fn announce_failure(
    tx: &mut Tx,
    app: &App,
    flow: &Flow,
    refusal: &Refusal,
    email: Option<&str>,
) -> Result<()> {
    let details = flow.details(email.map(ToOwned::to_owned));
    if flow.organization_id.is_some() {
        emit(tx, app, flow.scope(), &SsoFailed::new(details, refusal)).await?;
    } else {
        emit(tx, app, flow.scope(), &OauthFailed::new(details, refusal)).await?;
    }
    Ok(())
}

/// Refuses the answer of the browser that began: the flow ends here.
pub(crate) async fn refuse(app: &App, flow: &Flow, refusal: &Refusal) -> Result<()> {
    kernel::transaction!(app, |tx| { fail(tx, app, flow, refusal, None).await })
}

/// Refuses an answer that belongs to no flow, or not to this browser; nobody's flow ends by it.
pub(crate) async fn refuse_apart(
    app: &App,
    connection: &Connection,
    flow: Option<&Flow>,
    client: ClientInfo,
    refusal: &Refusal,
) -> Result<()> {
    let request = Request {
        redirect_uri: String::new(),
        state: None,
        code_challenge: None,
        login_hint: None,
        force_authentication: false,
    };
    let mut aimed_at =
        Flow::new(app, connection, "", flow.map_or(request, |flow| flow.request.clone()), client);
    aimed_at.browser_hash.clear();
    kernel::transaction!(app, |tx| { record(tx, app, &aimed_at, refusal, None).await })
}

/// Emits the success of a sign-in whose code was just exchanged.
pub(crate) async fn succeeded(tx: &mut Tx, app: &App, exchanged: &queries::Exchanged) -> Result<()> {
    let scope =
        Scope { environment: exchanged.environment, organization: exchanged.organization_id, actor: &SYSTEM };
    let details = Details::new(
        &exchanged.client,
        Some(exchanged.email.clone()),
        exchanged.organization_id,
        exchanged.connection_id,
        exchanged.id,
    );
    if exchanged.organization_id.is_some() {
        emit(tx, app, scope, &events::SsoSucceeded::new(details)).await?;
    } else {
        emit(tx, app, scope, &events::OauthSucceeded::new(details)).await?;
    }
    Ok(())
}

/// An authentication request as a form to be posted to the identity provider.
#[derive(Clone, Debug)]
pub struct PostForm {
    pub destination: String,
    pub saml_request: String,
    pub relay_state: String,
}

/// The form of a running flow whose identity provider wants the request by HTTP-POST; `None` if there is no
/// such flow.
pub async fn post_form(app: &App, handle: &str) -> Result<Option<PostForm>> {
    let Some(flow) = queries::by_handle(&app.db, handle).await? else { return Ok(None) };
    if flow.status != Status::Started || flow.expires_at <= app.clock.now() {
        return Ok(None);
    }
    let connection = connections::queries::get(&app.db, flow.environment, flow.connection_id).await?;
    let Some(connection) = connection.filter(|connection| connection.state.is_usable()) else {
        return Ok(None);
    };
    Ok(Some(PostForm {
        destination: destination(&connection)?.to_owned(),
        saml_request: authn_request(&flow, &connection)?.post_value(),
        relay_state: flow.handle.clone(),
    }))
}

fn destination(connection: &Connection) -> Result<&str> {
    connection
        .saml()
        .and_then(|saml| saml.idp_sso_url.as_deref())
        .ok_or_else(|| Error::internal("a usable SAML connection without sign-on URL"))
}

/// The request that `flow` sends to the identity provider.
pub(crate) fn authn_request<'a>(flow: &'a Flow, connection: &'a Connection) -> Result<AuthnRequest<'a>> {
    let saml = connection.saml().ok_or_else(|| Error::internal("not a SAML connection"))?;
    Ok(AuthnRequest {
        id: &flow.request_id,
        issue_instant: flow.created_at.0,
        issuer: &saml.sp_entity_id,
        acs_url: &saml.acs_url,
        destination: destination(connection)?,
        force_authn: flow.request.force_authentication,
        name_id_format: None,
    })
}

/// The scope of what a sign-in itself changes about its connection.
pub(crate) fn system(connection: &Connection) -> Scope<'static> {
    Scope { environment: connection.environment, organization: connection.organization_id, actor: &SYSTEM }
}
