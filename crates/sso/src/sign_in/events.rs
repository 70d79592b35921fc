use kernel::events::Event;
use kernel::http::ClientInfo;
use kernel::ids::{ConnectionId, OrganizationId, SignInId};
use serde::Serialize;

use super::Refusal;

/// What all authentication events of a sign-in tell.
#[derive(Debug, Serialize)]
pub struct Details {
    ip_address: Option<String>,
    user_agent: Option<String>,
    user_id: Option<String>,
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sso: Option<Sso>,
}

#[derive(Debug, Serialize)]
struct Sso {
    organization_id: Option<OrganizationId>,
    connection_id: ConnectionId,
    session_id: SignInId,
}

impl Details {
    pub fn new(
        client: &ClientInfo,
        email: Option<String>,
        organization_id: Option<OrganizationId>,
        connection_id: ConnectionId,
        session_id: SignInId,
    ) -> Self {
        Self {
            ip_address: client.ip_address.clone(),
            user_agent: client.user_agent.clone(),
            user_id: None,
            email,
            sso: Some(Sso { organization_id, connection_id, session_id }),
        }
    }
}

#[derive(Debug, Serialize)]
struct Failure {
    code: &'static str,
    message: &'static str,
}

/// The payload: consumers get the outward reason, the record keeps the exact one.
#[derive(Debug, Serialize)]
struct Payload {
    r#type: &'static str,
    status: &'static str,
    #[serde(flatten)]
    details: Details,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

fn failure(refusal: &Refusal) -> Failure {
    Failure { code: refusal.shown, message: refusal.description }
}

macro_rules! authentication_events {
    ($($event:ident, $name:literal, $kind:literal, $status:literal;)*) => {$(
        #[derive(Debug, Serialize)]
        #[serde(transparent)]
        pub struct $event(Payload);

        impl Event for $event {
            const NAME: &'static str = $name;
        }

        impl $event {
            fn payload(details: Details, error: Option<Failure>) -> Self {
                Self(Payload { r#type: $kind, status: $status, details, error })
            }
        }
    )*};
}

authentication_events! {
    SsoStarted, "authentication.sso_started", "sso", "started";
    SsoSucceeded, "authentication.sso_succeeded", "sso", "succeeded";
    SsoFailed, "authentication.sso_failed", "sso", "failed";
    SsoTimedOut, "authentication.sso_timed_out", "sso", "timed_out";
    OauthSucceeded, "authentication.oauth_succeeded", "oauth", "succeeded";
    OauthFailed, "authentication.oauth_failed", "oauth", "failed";
}

impl SsoTimedOut {
    pub fn new(details: Details) -> Self {
        let message = "The sign-in was not finished in time.";
        Self::payload(details, Some(Failure { code: "sso_timed_out", message }))
    }
}

impl SsoStarted {
    pub fn new(details: Details) -> Self {
        Self::payload(details, None)
    }
}

impl SsoSucceeded {
    pub fn new(details: Details) -> Self {
        Self::payload(details, None)
    }
}

impl SsoFailed {
    pub fn new(details: Details, refusal: &Refusal) -> Self {
        Self::payload(details, Some(failure(refusal)))
    }
}

impl OauthSucceeded {
    pub fn new(details: Details) -> Self {
        Self::payload(Details { sso: None, ..details }, None)
    }
}

impl OauthFailed {
    pub fn new(details: Details, refusal: &Refusal) -> Self {
        Self::payload(Details { sso: None, ..details }, Some(failure(refusal)))
    }
}
