//! What all pages have in common: HTML with a Content-Security-Policy of its own, never cached.

use std::fmt::Write;

use access::redirect_uris;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use kernel::ids::EnvironmentId;
use kernel::{App, Error, Result};
use store::{Order, PageRequest};
use url::Url;

/// The places a page's forms lead to. Chromium holds each redirect after a post to the same list, so it has the
/// whole way in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FormAction(Vec<String>);

impl FormAction {
    /// The page has no form.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// The page's forms come back to us.
    pub(crate) fn to_us() -> Self {
        Self(vec!["'self'".to_owned()])
    }

    /// Adds the origin of a URL; one without a host (which a form can't be sent to either) adds nothing.
    #[must_use]
    pub(crate) fn and_url(mut self, url: &str) -> Self {
        let origin = Url::parse(url).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
        self.extend(origin.map(|origin| origin.ascii_serialization()));
        self
    }

    /// Adds every https address: for an identity provider, which may send people on to hosts of its own that
    /// nobody can list.
    #[must_use]
    pub(crate) fn and_any_https(mut self) -> Self {
        self.extend(["https:".to_owned()]);
        self
    }

    /// Adds where a sign-in of this environment may end: its redirect URIs, and in development whatever listens
    /// on this machine, because applications there hand people on from one port to another.
    pub(crate) async fn and_applications(mut self, app: &App, environment: EnvironmentId) -> Result<Self> {
        let first = PageRequest { limit: 100, order: Order::Desc, before: None, after: None };
        let registered = redirect_uris::list(app, environment, &first).await?.0;
        self.extend(registered.data.iter().filter_map(|redirect_uri| source(&redirect_uri.uri)));
        if app.config.is_dev() {
            self.extend(["http://localhost:*", "http://127.0.0.1:*"].map(str::to_owned));
        }
        Ok(self)
    }

    fn extend(&mut self, sources: impl IntoIterator<Item = String>) {
        for source in sources {
            if !self.0.contains(&source) {
                self.0.push(source);
            }
        }
    }
}

/// The CSP source (CSP level 3, §2.3.1) that covers a registered redirect URI, whose host or port may have a
/// wildcard. CSP knows wildcards for whole labels only.
fn source(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:*_".contains(&b));
    if !matches!(scheme, "http" | "https") || authority.is_empty() || !is_plain(authority) {
        return None;
    }
    Some(match authority.split_once('.') {
        Some((label, parent)) if label.contains('*') => format!("{scheme}://*.{parent}"),
        _ => format!("{scheme}://{authority}"),
    })
}

/// Renders a page.
pub(crate) fn html(
    status: StatusCode,
    template: &impl Template,
    form_action: &FormAction,
) -> Result<Response> {
    let body =
        template.render().map_err(|error| Error::internal(format!("a page can't be rendered: {error}")))?;
    let mut policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; form-action"
        .to_owned();
    if form_action.0.is_empty() {
        policy.push_str(" 'none'");
    }
    for source in &form_action.0 {
        write!(policy, " {source}").map_err(|_| Error::internal("a policy can't be written"))?;
    }
    let policy = HeaderValue::try_from(policy).map_err(|_| Error::internal("a policy can't be a header"))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((status, headers, body).into_response())
}

/// Sends the browser on with a GET, also after a POST.
pub(crate) fn redirect(location: &str) -> Result<Response> {
    let location = HeaderValue::from_str(location).map_err(|_| Error::internal("a URL can't be a header"))?;
    let headers =
        [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_covers_registered_uris_and_no_others() {
        for (uri, expected) in [
            ("https://app.example.com/callback?x=y", Some("https://app.example.com")),
            ("http://localhost:3000/cb", Some("http://localhost:3000")),
            ("http://localhost:*/cb", Some("http://localhost:*")),
            ("https://*.example.com:8443/cb", Some("https://*.example.com:8443")),
            ("https://pre-*-post.example.com", Some("https://*.example.com")),
            ("https://a;b.example.com/", None),
            ("https://a b.example.com/", None),
            ("https:///x", None),
            ("javascript://x", None),
        ] {
            assert_eq!(source(uri).as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn form_action_takes_origins_only() {
        let action = FormAction::to_us()
            .and_url("https://idp.example.com:8443/sso?x; script-src *")
            .and_url("https://idp.example.com:8443/again")
            .and_url("javascript:alert(1)")
            .and_url("not a url");
        assert_eq!(action.0, ["'self'", "https://idp.example.com:8443"]);
    }
}
