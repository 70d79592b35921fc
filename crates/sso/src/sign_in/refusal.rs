//! Why a sign-in was refused: the exact reason for the record, a generic one for the browser.

use kernel::outbound::OutboundError;

/// A refusal. `code` and `message` go to the record and the event's reader, `shown` to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable reason, for example `audience_mismatch`.
    pub code: &'static str,
    /// One sentence for an operator; may name values, never secrets.
    pub message: String,
    /// The `error` on the redirect.
    pub shown: &'static str,
    /// The `error_description` on the redirect; tells a stranger nothing.
    pub description: &'static str,
}

const GENERIC: &str = "The sign-in could not be completed.";

impl Refusal {
    /// The identity provider's answer wasn't acceptable; outwardly all such reasons are one.
    pub fn answer(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), shown: "server_error", description: GENERIC }
    }

    pub fn denied(message: impl Into<String>) -> Self {
        Self {
            code: "access_denied",
            message: message.into(),
            shown: "access_denied",
            description: "The identity provider denied the sign-in.",
        }
    }

    pub fn outbound(error: &OutboundError) -> Self {
        Self::answer(error.code(), format!("The identity provider could not be asked: {error}."))
    }

    pub fn replayed() -> Self {
        Self::answer("assertion_replayed", "This assertion was accepted before; each counts once.")
    }

    pub fn used() -> Self {
        Self::answer("flow_already_used", "This sign-in was already answered.")
    }

    pub fn expired() -> Self {
        Self::answer("flow_expired", "The answer came after the sign-in had expired.")
    }

    pub fn unknown_flow() -> Self {
        Self::answer("unknown_flow", "The answer names no sign-in that was begun through this connection.")
    }

    pub fn unsolicited() -> Self {
        Self::answer(
            "unsolicited_response",
            "The identity provider began this sign-in itself; this connection only takes answers to its own requests.",
        )
    }

    pub fn other_browser() -> Self {
        Self::answer("other_browser", "The answer came from another browser than the one that began.")
    }

    pub fn authentication_too_old() -> Self {
        Self::answer(
            "authentication_too_old",
            "The application asked for the person to sign in anew; the identity provider let an older sign-in stand.",
        )
    }

    pub fn connection_gone() -> Self {
        Self {
            code: "connection_deleted",
            message: "The connection or its organization was deleted while the sign-in was under way.".into(),
            shown: "connection_invalid",
            description: "The connection does not exist.",
        }
    }

    pub fn connection_inactive() -> Self {
        Self {
            code: "connection_inactive",
            message: "The connection was switched off while the sign-in was under way.".into(),
            shown: "connection_unlinked",
            description: "The connection is not active.",
        }
    }

    pub fn outside_organization(domain: &str) -> Self {
        Self {
            code: "profile_not_allowed_outside_organization",
            message: format!("'{domain}' is not a verified domain of the organization."),
            shown: "profile_not_allowed_outside_organization",
            description: "The profile's email domain is not one of the organization's verified domains.",
        }
    }
}
