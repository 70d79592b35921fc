//! The sign-in page, the same for both protocols, and what its forms say.

use ::organizations::organizations::{self, Organization};
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use kernel::http::Params;
use kernel::ids::{EnvironmentId, OrganizationId};
use kernel::{App, Result};

use super::people::{Fields, Person, PersonProblem, Persona, personas};
use crate::page::{FormAction, html};

/// Which protocol the page is shown for; it differs in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Saml,
    Oidc,
}

/// The application that somebody signs in to, and its organization.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) environment: EnvironmentId,
    pub(super) connection_name: String,
    pub(super) organization: Option<Organization>,
    pub(super) protocol: Protocol,
}

/// What somebody chose on the page.
#[derive(Debug)]
pub(super) enum Choice {
    SignIn(Person),
    Deny,
    /// The form has to be filled in again.
    Again(Fields, PersonProblem),
}

#[derive(Template)]
#[template(path = "identity_provider/sign_in.html")]
struct SignInPage<'a> {
    connection: &'a str,
    organization: Option<&'a str>,
    protocol: &'static str,
    action: String,
    request: &'a str,
    personas: Vec<Persona>,
    fields: Fields,
    /// A SAML connection refuses a person without names; an application's handling of that can still be tried
    /// by posting the form without them.
    names_needed: bool,
    problem: Option<PersonProblem>,
}

impl Application {
    /// Finds the organization that belongs to a connection.
    pub(super) async fn of(
        app: &App,
        environment: EnvironmentId,
        connection_name: String,
        organization: Option<OrganizationId>,
        protocol: Protocol,
    ) -> Result<Self> {
        let organization = match organization {
            Some(id) => organizations::get(&app.db, environment, id).await?,
            None => None,
        };
        Ok(Self { environment, connection_name, organization, protocol })
    }

    /// Reads what somebody chose.
    pub(super) fn choice(&self, form: &Params) -> Choice {
        if form.first("deny").is_some() {
            return Choice::Deny;
        }
        if let Some(email) = form.first("user") {
            let suggested = personas(self.organization.as_ref());
            if let Some(persona) = suggested.into_iter().find(|persona| persona.person.email == email) {
                return Choice::SignIn(persona.person);
            }
            // The organization's domain changed while the page was open: the address is still as good as any.
            let fields = Fields { email: email.to_owned(), ..Fields::default() };
            return fields.person().map_or_else(|problem| Choice::Again(fields, problem), Choice::SignIn);
        }
        let fields = Fields::read(form);
        match fields.person() {
            Ok(person) => Choice::SignIn(person),
            Err(problem) => Choice::Again(fields, problem),
        }
    }

    /// The page. `request` is the sealed request, which its forms send back.
    pub(super) async fn page(
        &self,
        app: &App,
        request: &str,
        fields: Fields,
        problem: Option<PersonProblem>,
    ) -> Result<Response> {
        let (protocol, endpoint) = match self.protocol {
            Protocol::Saml => ("SAML", "saml/sso"),
            Protocol::Oidc => ("OpenID Connect", "oidc/authorize"),
        };
        let page = SignInPage {
            connection: &self.connection_name,
            organization: self.organization.as_ref().map(|organization| organization.name.as_str()),
            protocol,
            // A path, so that the form goes back to the host the page came from.
            action: format!("/_idp/{}/{endpoint}", self.environment),
            request,
            personas: personas(self.organization.as_ref()),
            fields,
            names_needed: self.protocol == Protocol::Saml,
            problem,
        };
        let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        // With OpenID Connect the answer to the post is a redirect, by way of our callback, to the application.
        let form_action = match self.protocol {
            Protocol::Saml => FormAction::to_us(),
            Protocol::Oidc => FormAction::to_us().and_applications(app, self.environment).await?,
        };
        html(status, &page, &form_action)
    }
}
