"""Single sign-on with the official Python SDK and a browser that has no JavaScript."""

from __future__ import annotations

import re

import pytest
from workos import WorkOSClient
from workos._errors import AuthenticationError, BadRequestError
from workos.public_client import create_public_client

from browser import Browser
from conftest import REDIRECT_URI, Server

ALICE = {
    "email": "alice@example.com",
    "first_name": "Alice",
    "last_name": "Ångström",
    "groups": "engineering, admins",
}
# Everything a query string, a form or a header could mangle.
AWKWARD_STATE = "a+b %2B c/d?e=f&g=ü✓\"<'>"
ULID = r"[0-9A-HJKMNP-TV-Z]{26}"


def sign_in(browser: Browser, url: str, **person: str) -> dict[str, str]:
    """Walks from `url` through the built-in identity provider to the application, which is called with the result."""
    browser.open(url)
    browser.press("sign-in", **(person or ALICE))
    if not browser.arrived:
        browser.press("continue")
    return browser.query


@pytest.mark.parametrize(
    ("attribute", "connection_type"),
    [
        ("saml_connection_id", "GenericSAML"),
        ("oidc_connection_id", "GenericOIDC"),
        ("test_idp_connection_id", "TestIdp"),
    ],
)
def test_a_person_signs_in(
    server: Server, workos: WorkOSClient, browser: Browser, attribute: str, connection_type: str
) -> None:
    connection_id = getattr(server, attribute)
    url = workos.sso.get_authorization_url(
        connection=connection_id, redirect_uri=REDIRECT_URI, state=AWKWARD_STATE
    )
    callback = sign_in(browser, url)
    assert callback.keys() == {"code", "state"}
    assert callback["state"] == AWKWARD_STATE
    assert re.fullmatch(r"[0-9A-Za-z]{26,}", callback["code"])

    answer = workos.sso.get_profile_and_token(code=callback["code"])
    profile = answer.profile
    assert re.fullmatch(f"prof_{ULID}", profile.id)
    assert profile.connection_id == connection_id
    assert profile.connection_type == connection_type
    assert profile.organization_id == server.organization_id
    assert profile.email == ALICE["email"]
    assert profile.first_name == ALICE["first_name"]
    assert profile.last_name == ALICE["last_name"]
    assert profile.groups == ["engineering", "admins"]
    assert answer.expires_in == 600

    assert workos.sso.get_profile(access_token=answer.access_token) == profile


def test_a_suggested_person_signs_in_with_one_button(
    server: Server, workos: WorkOSClient, browser: Browser
) -> None:
    browser.open(
        workos.sso.get_authorization_url(connection=server.oidc_connection_id, redirect_uri=REDIRECT_URI)
    )
    buttons = [name for form in browser.forms for name in form.buttons if name.startswith("user-")]
    assert buttons, "the identity provider suggests nobody"
    browser.press(buttons[0])
    profile = workos.sso.get_profile_and_token(code=browser.query["code"]).profile
    assert f"user-{profile.email}" == buttons[0]


def test_a_code_is_exchanged_with_pkce_and_no_secret(server: Server, browser: Browser) -> None:
    public = create_public_client(client_id=server.client_id, base_url=server.url)
    started = public.sso.get_authorization_url_with_pkce(
        connection=server.saml_connection_id, redirect_uri=REDIRECT_URI
    )
    callback = sign_in(browser, started["url"])
    assert callback["state"] == started["state"]

    with pytest.raises(BadRequestError) as refused:
        public.sso.get_profile_and_token_pkce(code=callback["code"], code_verifier="x" * 43)
    assert refused.value.error == "invalid_grant"

    callback = sign_in(browser, started["url"])
    answer = public.sso.get_profile_and_token_pkce(
        code=callback["code"], code_verifier=started["code_verifier"]
    )
    assert answer.profile.email == ALICE["email"]


def test_a_code_works_once(server: Server, workos: WorkOSClient, browser: Browser) -> None:
    url = workos.sso.get_authorization_url(connection=server.saml_connection_id, redirect_uri=REDIRECT_URI)
    callback = sign_in(browser, url)
    assert callback.keys() == {"code"}, "no state was given, none comes back"
    workos.sso.get_profile_and_token(code=callback["code"])
    with pytest.raises(BadRequestError) as refused:
        workos.sso.get_profile_and_token(code=callback["code"])
    assert refused.value.error == "invalid_grant"
    assert refused.value.error_description
    assert refused.value.request_id


def test_a_person_from_outside_the_organization_is_turned_away(
    server: Server, workos: WorkOSClient, browser: Browser
) -> None:
    url = workos.sso.get_authorization_url(
        connection=server.oidc_connection_id, redirect_uri=REDIRECT_URI, state=AWKWARD_STATE
    )
    callback = sign_in(browser, url, email="mallory@elsewhere-corp.com")
    assert "code" not in callback
    assert callback["error"] == "profile_not_allowed_outside_organization"
    assert callback["error_description"]
    assert callback["state"] == AWKWARD_STATE


def test_an_unregistered_redirect_uri_is_never_visited(
    server: Server, workos: WorkOSClient, browser: Browser
) -> None:
    url = workos.sso.get_authorization_url(
        connection=server.saml_connection_id, redirect_uri="https://elsewhere-corp.com/callback"
    )
    browser.open(url)
    assert browser.url.startswith(server.url)
    assert browser.texts["error-code"]


def test_a_profile_is_refused_to_a_token_that_is_none(server: Server, workos: WorkOSClient) -> None:
    for token in ("none", server.api_key):
        with pytest.raises(AuthenticationError):
            workos.sso.get_profile(access_token=token)
