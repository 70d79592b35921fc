"""Organizations, domains, connections and events with the official Python SDK."""

from __future__ import annotations

import re
from typing import Any

import pytest
from workos import WorkOSClient
from workos._errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    UnprocessableEntityError,
)
from workos.organizations.models import OrganizationDomainData
from workos.sso._resource import CreateProtocolOptionsOIDC, CreateProtocolOptionsSAML
from workos.sso.models import CreateConnectionOIDCOptions, CreateConnectionSAMLOptions

from conftest import Server

ULID = r"[0-9A-HJKMNP-TV-Z]{26}"
ABSENT = "01H00000000000000000000000"
CERTIFICATE_FREE_SAML = CreateConnectionSAMLOptions(
    idp_entity_id="https://idp.acme-corp.com", idp_sso_url="https://idp.acme-corp.com/sso", idp_signing_certs=[]
)


def verified(domain: str) -> OrganizationDomainData:
    return OrganizationDomainData(domain=domain, state="verified")


def refused(expected: type[APIError], call: Any, *arguments: Any, **named: Any) -> APIError:
    with pytest.raises(expected) as caught:
        call(*arguments, **named)
    assert caught.value.request_id, "every error carries a request id"
    return caught.value


def test_an_organization_lives_and_ends(workos: WorkOSClient) -> None:
    external_id = "python/1 ?&%"
    created = workos.organizations.create_organization(
        name="Lifecycle Ltd",
        domain_data=[verified("python-lifecycle-corp.com")],
        external_id=external_id,
        metadata={"tier": "gold", "region": "eu"},
    )
    assert re.fullmatch(f"org_{ULID}", created.id)
    assert created.external_id == external_id
    assert created.metadata == {"tier": "gold", "region": "eu"}
    assert [(domain.domain, domain.state) for domain in created.domains] == [
        ("python-lifecycle-corp.com", "verified")
    ]
    assert workos.organizations.get_organization(created.id) == created
    assert workos.organizations.get_organization_by_external_id(external_id) == created

    renamed = workos.organizations.update_organization(created.id, name="Renamed Ltd")
    assert renamed.name == "Renamed Ltd"
    assert (renamed.metadata, renamed.domains) == (created.metadata, created.domains), "what is not sent stays"

    changes: dict[str, Any] = {"tier": None, "region": "us"}
    trimmed = workos.organizations.update_organization(created.id, metadata=changes)
    assert trimmed.metadata == {"region": "us"}, "null deletes one key"
    assert workos.organizations.update_organization(created.id, metadata=None).metadata == {}, "null clears all"
    assert workos.organizations.update_organization(created.id, external_id=None).external_id is None
    refused(NotFoundError, workos.organizations.get_organization_by_external_id, external_id)

    workos.organizations.delete_organization(created.id)
    refused(NotFoundError, workos.organizations.get_organization, created.id)


def test_organizations_are_listed_page_by_page_to_the_end(server: Server, workos: WorkOSClient) -> None:
    created = [workos.organizations.create_organization(name=f"Paging {index}").id for index in range(105)]
    first = workos.organizations.list_organizations(limit=7)
    assert len(first.data) == 7
    assert first.before is None
    assert first.after == first.data[-1].id
    second = workos.organizations.list_organizations(limit=7, after=first.after)
    assert second.before == second.data[0].id
    back = workos.organizations.list_organizations(limit=7, before=second.before)
    assert back.data == first.data, "before leads back to the first page"

    descending = list(workos.organizations.list_organizations().auto_paging_iter())
    ids = [organization.id for organization in descending]
    assert len(set(ids)) == len(ids), "no organization is listed twice"
    assert set(created) | {server.organization_id} <= set(ids), "none is missing"
    times = [organization.created_at for organization in descending]
    assert times == sorted(times, reverse=True), "newest first"
    ascending = workos.organizations.list_organizations(order="asc", limit=100).auto_paging_iter()
    assert [organization.id for organization in ascending] == ids[::-1]


def test_organizations_are_found_by_domain_and_by_name(workos: WorkOSClient) -> None:
    created = workos.organizations.create_organization(
        name="Findable Völker", domain_data=[verified("python-found-corp.com")]
    )
    by_domain = workos.organizations.list_organizations(domains=["python-found-corp.com", "nobody-corp.com"])
    assert [organization.id for organization in by_domain.data] == [created.id]
    by_name = workos.organizations.list_organizations(search="findable")
    assert [organization.id for organization in by_name.data] == [created.id]


def test_a_domain_is_added_and_removed(server: Server, workos: WorkOSClient) -> None:
    organization = workos.organizations.create_organization(name="Domains Ltd")
    domain = workos.organization_domains.create_organization_domain(
        domain="python-pending-corp.com", organization_id=organization.id
    )
    assert re.fullmatch(f"org_domain_{ULID}", domain.id)
    assert (domain.state, domain.verification_strategy) == ("pending", "dns")
    assert domain.verification_token
    assert workos.organization_domains.get_organization_domain(domain.id).domain == "python-pending-corp.com"

    conflict = refused(
        ConflictError,
        workos.organization_domains.create_organization_domain,
        domain="python-pending-corp.com",
        organization_id=organization.id,
    )
    assert conflict.code == "domain_already_exists"
    assert workos.organization_domains.verify_organization_domain(domain.id).state == "pending"
    workos.organization_domains.delete_organization_domain(domain.id)
    refused(NotFoundError, workos.organization_domains.get_organization_domain, domain.id)

    [example] = workos.organizations.get_organization(server.organization_id).domains
    error = refused(BadRequestError, workos.organization_domains.verify_organization_domain, example.id)
    assert error.code == "domain_already_verified"


def test_a_connection_is_created_read_and_deleted(server: Server, workos: WorkOSClient) -> None:
    organization = workos.organizations.create_organization(name="Connections Ltd")
    options = CreateConnectionOIDCOptions(
        discovery_endpoint=f"{server.url}/not-an-identity-provider/.well-known/openid-configuration",
        client_id="portcullis",
        client_secret="not a secret",
    )
    created = workos.sso.create_connection(
        organization_id=organization.id,
        name="Short-lived",
        external_id="python-1",
        protocol_options=CreateProtocolOptionsOIDC(oidc_options=options),
    )
    assert created.connection_type == "GenericOIDC", "the type follows from the options"
    assert created.state == "validating"
    again = workos.sso.create_connection(
        organization_id=organization.id,
        name="Short-lived",
        external_id="python-1",
        protocol_options=CreateProtocolOptionsOIDC(oidc_options=options),
    )
    assert again.id == created.id, "one external id is one connection"

    listed = workos.sso.list_connections(organization_id=organization.id)
    assert [connection.id for connection in listed.data] == [created.id]
    assert workos.sso.get_connection(created.id).name == "Short-lived"
    workos.sso.delete_connection(created.id)
    refused(NotFoundError, workos.sso.get_connection, created.id)
    assert workos.sso.list_connections(organization_id=organization.id).data == []


def test_a_saml_connection_needs_a_certificate(workos: WorkOSClient) -> None:
    organization = workos.organizations.create_organization(name="No Certificate Ltd")
    error = refused(
        APIError,
        workos.sso.create_connection,
        organization_id=organization.id,
        protocol_options=CreateProtocolOptionsSAML(saml_options=CERTIFICATE_FREE_SAML),
    )
    assert error.status_code in (400, 422)


def test_the_seeded_connections_are_there(server: Server, workos: WorkOSClient) -> None:
    listed = workos.sso.list_connections(organization_id=server.organization_id).auto_paging_iter()
    assert {(connection.id, connection.connection_type.value) for connection in listed} == {
        (server.saml_connection_id, "GenericSAML"),
        (server.oidc_connection_id, "GenericOIDC"),
        (server.test_idp_connection_id, "TestIdp"),
    }
    saml = workos.sso.list_connections(connection_type="GenericSAML", domain="example.com")
    assert [connection.id for connection in saml.data] == [server.saml_connection_id]


def test_events_tell_what_happened_in_order(workos: WorkOSClient) -> None:
    organization = workos.organizations.create_organization(
        name="Eventful Ltd", domain_data=[verified("python-eventful-corp.com")]
    )
    workos.organizations.update_organization(organization.id, name="More Eventful Ltd")
    workos.organizations.delete_organization(organization.id)
    types = ["organization.created", "organization.updated", "organization.deleted"]
    page = workos.events.list_events(events=types, organization_id=organization.id)
    assert [event.event for event in page.data] == types
    assert [event.data.name for event in page.data[:2]] == ["Eventful Ltd", "More Eventful Ltd"]
    followed = workos.events.list_events(events=types, organization_id=organization.id, limit=1)
    assert [event.id for event in followed.auto_paging_iter()] == [event.id for event in page.data]
    refused(UnprocessableEntityError, workos.events.list_events, events=["no.such_event"])
    refused(BadRequestError, workos.events.list_events, events=types, after=f"event_{ABSENT}")


def test_errors_are_the_exceptions_the_sdk_promises(server: Server, workos: WorkOSClient) -> None:
    stranger = WorkOSClient(api_key="sk_test_not_a_key", client_id=server.client_id, base_url=server.url)
    refused(AuthenticationError, stranger.organizations.list_organizations)
    missing = refused(NotFoundError, workos.organizations.get_organization, f"org_{ABSENT}")
    assert f"org_{ABSENT}" in missing.message
    refused(NotFoundError, workos.sso.get_connection, f"conn_{ABSENT}")
    refused(UnprocessableEntityError, workos.organizations.list_organizations, limit=101)
    refused(UnprocessableEntityError, workos.organizations.create_organization, name="")
    wrong = refused(BadRequestError, stranger.sso.get_profile_and_token, code=ABSENT)
    assert wrong.error == "invalid_client"

    workos.organizations.create_organization(name="First", external_id="python-taken")
    taken = refused(
        BadRequestError, workos.organizations.create_organization, name="Second", external_id="python-taken"
    )
    assert taken.code == "external_id_already_used"
