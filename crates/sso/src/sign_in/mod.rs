//! One sign-in: the flow while it runs, the record of it afterwards.

pub(crate) mod browser;
mod events;
pub(crate) mod queries;
mod refusal;
mod routes;
mod sweep;

pub use refusal::Refusal;
pub use routes::router;
pub use sweep::jobs;

use std::fmt;

use kernel::clock::MINUTE;
use kernel::crypto::hash_token;
use kernel::events::{Actor, Scope, emit};
use kernel::http::ClientInfo;
use kernel::ids::{ConnectionId, EnvironmentId, OrganizationId, SignInId};
use kernel::{App, Error, Result, Timestamp};
use saml::request::AuthnRequest;
use store::Tx;

use crate::answer::Accepted;
use crate::connections::{self, Connection};
use crate::profiles;
use events::{Details, OauthFailed, OauthSucceeded, SsoFailed, SsoStarted, SsoSucceeded};
use queries::Exchanged;

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
#[derive(Clone)]
pub(crate) struct Request {
    pub redirect_uri: String,
    pub state: Option<String>,
    pub code_challenge: Option<String>,
    pub login_hint: Option<String>,
    pub force_authentication: bool,
}

/// A sign-in under way.
#[derive(Clone)]
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

    fn details(&self, email: Option<&str>) -> Details {
        let email = email.map(ToOwned::to_owned);
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
pub(crate) enum Outcome {
    /// The code for the application.
    Authorized {
        code: String,
    },
    Refused(Refusal),
}

/// Ends the identity provider's part: checks what only the database can tell, stores the profile and hands
/// out the code, all in one transaction.
pub(crate) async fn authorize(
    app: &App,
    flow: &Flow,
    connection: &Connection,
    accepted: &Accepted,
) -> Result<Outcome> {
    let identity = &accepted.identity;
    let email = Some(identity.email.as_str());
    let code = app.random.alphanumeric(CODE_LENGTH);
    let now = app.clock.now();
    kernel::transaction!(app, |tx| {
        // Whoever holds the row decides; of several answers at once the others find the flow ended.
        tx.lock("sign_ins", &flow.id.to_string()).await?;
        if !queries::is_running(tx, flow, now).await? {
            let refusal = Refusal::used();
            record(tx, app, flow, &refusal, email).await?;
            return Ok(Outcome::Refused(refusal));
        }
        if let Some(refusal) = check(tx, flow, connection, accepted).await? {
            fail(tx, app, flow, &refusal, email).await?;
            return Ok(Outcome::Refused(refusal));
        }
        let profile = profiles::upsert(tx, app, connection, identity).await?;
        let expires_at = now.plus(CODE_LIFETIME);
        queries::authorize(tx, flow, profile, &identity.email, &hash_token(&code), expires_at, now).await?;
        Ok(Outcome::Authorized { code: code.clone() })
    })
}

/// What may have changed since the flow began, the e-mail domain guard, and whether the assertion is new.
async fn check(
    tx: &mut Tx,
    flow: &Flow,
    connection: &Connection,
    accepted: &Accepted,
) -> Result<Option<Refusal>> {
    let Some(now) = connections::queries::get_in(tx, flow.environment, connection.id).await? else {
        return Ok(Some(Refusal::connection_gone()));
    };
    if !now.state.is_usable() {
        return Ok(Some(Refusal::connection_inactive()));
    }
    if let Some(organization) = flow.organization_id
        && !queries::allows_profiles_outside(tx, organization).await?
    {
        let domain = accepted.identity.email_domain();
        if !organizations::domains::is_verified_for(tx, organization, &domain).await? {
            return Ok(Some(Refusal::outside_organization(&domain)));
        }
    }
    if let Some(assertion) = &accepted.assertion
        && !queries::remember_assertion(tx, flow.connection_id, assertion).await?
    {
        return Ok(Some(Refusal::replayed()));
    }
    Ok(None)
}

/// Refuses an answer within a transaction: the running flow fails, or, if it is past that, a record of its
/// own is written.
async fn fail(tx: &mut Tx, app: &App, flow: &Flow, refusal: &Refusal, email: Option<&str>) -> Result<()> {
    if queries::fail(tx, flow, refusal, email, app.clock.now()).await? {
        announce_failure(tx, app, flow.scope(), flow.details(email), refusal).await
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
    announce_failure(tx, app, apart.scope(), apart.details(email), refusal).await
}

async fn announce_failure(
    tx: &mut Tx,
    app: &App,
    scope: Scope<'_>,
    details: Details,
    refusal: &Refusal,
) -> Result<()> {
    if scope.organization.is_some() {
        emit(tx, app, scope, &SsoFailed::new(details, refusal)).await?;
    } else {
        emit(tx, app, scope, &OauthFailed::new(details, refusal)).await?;
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
pub(crate) async fn succeeded(tx: &mut Tx, app: &App, exchanged: &Exchanged) -> Result<()> {
    let (scope, details) = (exchanged.scope(), exchanged.details());
    if scope.organization.is_some() {
        emit(tx, app, scope, &SsoSucceeded::new(details)).await?;
    } else {
        emit(tx, app, scope, &OauthSucceeded::new(details)).await?;
    }
    Ok(())
}

/// Ends a sign-in whose code can't be exchanged any more.
pub(crate) async fn fail_exchange(
    tx: &mut Tx,
    app: &App,
    exchanged: &Exchanged,
    refusal: &Refusal,
) -> Result<()> {
    if queries::fail_authorized(tx, exchanged.id, refusal, app.clock.now()).await? {
        announce_failure(tx, app, exchanged.scope(), exchanged.details(), refusal).await?;
    }
    Ok(())
}

impl Exchanged {
    fn scope(&self) -> Scope<'static> {
        Scope { environment: self.environment, organization: self.organization_id, actor: &SYSTEM }
    }

    fn details(&self) -> Details {
        let email = Some(self.email.clone());
        Details::new(&self.client, email, self.organization_id, self.connection_id, self.id)
    }
}

/// An authentication request as a form to be posted to the identity provider.
#[derive(Clone)]
pub struct PostForm {
    pub destination: String,
    pub saml_request: String,
    pub relay_state: String,
}

impl fmt::Debug for PostForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostForm").field("destination", &self.destination).finish_non_exhaustive()
    }
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
