//! Organizations, domains, connections and events with the official Rust SDK.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt;
use portcullis_client_checks::Server;
use workos::events::ListEventsParams;
use workos::organization_domains::CreateOrganizationDomainParams;
use workos::organizations::{CreateOrganizationParams, ListOrganizationsParams, UpdateOrganizationParams};
use workos::sso::{
    CreateConnectionParams, CreateConnectionParamsBody, CreateProtocolOptions, ListConnectionsParams,
};
use workos::{
    Client, ConnectionState, ConnectionType, CreateConnectionOidcOptions, CreateOrganizationDomain, Error,
    Organization, OrganizationDomainData, OrganizationDomainDataState, OrganizationDomainState,
    OrganizationInput, PaginationOrder, UpdateOrganization,
};

const ABSENT: &str = "01H00000000000000000000000";

fn named(name: &str) -> OrganizationInput {
    serde_json::from_value(serde_json::json!({ "name": name })).unwrap()
}

async fn create(client: &Client, body: OrganizationInput) -> Result<Organization, Error> {
    client.organizations().create_organization(CreateOrganizationParams::new(body)).await
}

async fn update(client: &Client, id: &str, changes: serde_json::Value) -> Result<Organization, Error> {
    let body: UpdateOrganization = serde_json::from_value(changes).unwrap();
    client.organizations().update_organization(id, UpdateOrganizationParams::new(body)).await
}

fn verified(domain: &str) -> OrganizationDomainData {
    OrganizationDomainData { domain: domain.to_owned(), state: OrganizationDomainDataState::Verified }
}

#[tokio::test]
async fn an_organization_lives_and_ends() {
    let server = Server::start().await;
    let client = server.client();
    let external_id = "rust/1 ?&%";
    let created = create(
        &client,
        OrganizationInput {
            domain_data: Some(vec![verified("rust-lifecycle-corp.com")]),
            metadata: Some(HashMap::from([("tier".to_owned(), "gold".to_owned())])),
            external_id: Some(external_id.to_owned()),
            ..named("Lifecycle Ltd")
        },
    )
    .await
    .unwrap();
    assert!(created.id.starts_with("org_"));
    assert_eq!(created.metadata["tier"], "gold");
    assert_eq!(created.domains.len(), 1);
    assert_eq!(created.domains[0].domain, "rust-lifecycle-corp.com");
    assert_eq!(created.domains[0].state, Some(OrganizationDomainState::Verified));

    let organizations = client.organizations();
    assert_eq!(organizations.get_organization(&created.id).await.unwrap().name, "Lifecycle Ltd");
    let found = organizations.get_organization_by_external_id(external_id).await.unwrap();
    assert_eq!(found.id, created.id);

    let renamed = update(&client, &created.id, serde_json::json!({ "name": "Renamed Ltd" })).await.unwrap();
    assert_eq!(renamed.name, "Renamed Ltd");
    assert_eq!(renamed.metadata, created.metadata, "what is not sent stays");
    assert_eq!(renamed.domains.len(), 1);
    assert_eq!(renamed.external_id.as_deref(), Some(external_id));

    organizations.delete_organization(&created.id).await.unwrap();
    assert!(organizations.get_organization(&created.id).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn organizations_are_listed_page_by_page_to_the_end() {
    let server = Server::start().await;
    let client = server.client();
    let mut expected = HashSet::from([server.organization_id.clone()]);
    for index in 0..105 {
        expected.insert(create(&client, named(&format!("Paging {index}"))).await.unwrap().id);
    }
    let organizations = client.organizations();
    let params = ListOrganizationsParams { limit: Some(50), ..Default::default() };
    let descending: Vec<Organization> =
        organizations.list_organizations_auto_paging(params.clone()).try_collect().await.unwrap();
    let ids: Vec<&str> = descending.iter().map(|organization| organization.id.as_str()).collect();
    assert_eq!(ids.len(), expected.len(), "no organization is listed twice, none is missing");
    assert!(ids.iter().all(|id| expected.contains(*id)));
    assert!(descending.is_sorted_by(|newer, older| newer.created_at >= older.created_at), "newest first");

    let params = ListOrganizationsParams { order: Some(PaginationOrder::Asc), ..params };
    let ascending: Vec<Organization> =
        organizations.list_organizations_auto_paging(params).try_collect().await.unwrap();
    assert!(ascending.iter().rev().map(|organization| organization.id.as_str()).eq(ids));

    let error = organizations
        .list_organizations(ListOrganizationsParams { limit: Some(101), ..Default::default() })
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(422));
}

#[tokio::test]
async fn a_domain_is_added_and_removed() {
    let server = Server::start().await;
    let client = server.client();
    let organization = create(&client, named("Domains Ltd")).await.unwrap();
    let domains = client.organization_domains();
    let wanted = CreateOrganizationDomain {
        domain: "rust-pending-corp.com".to_owned(),
        organization_id: organization.id.clone(),
    };
    let add = || domains.create_organization_domain(CreateOrganizationDomainParams::new(wanted.clone()));
    let domain = add().await.unwrap();
    assert_eq!(domain.state, Some(OrganizationDomainState::Pending));
    assert!(domain.verification_token.is_some());
    let error = add().await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(409), Some("domain_already_exists")));

    let found = client
        .organizations()
        .list_organizations(ListOrganizationsParams {
            domains: Some(vec!["rust-pending-corp.com".to_owned(), "nobody-corp.com".to_owned()]),
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(found.data.iter().map(|found| &found.id).collect::<Vec<_>>(), [&organization.id]);

    let again = domains.verify_organization_domain(&domain.id).await.unwrap();
    assert_eq!(again.state, Some(OrganizationDomainState::Pending));
    domains.delete_organization_domain(&domain.id).await.unwrap();
    assert!(domains.get_organization_domain(&domain.id).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_connection_is_created_read_and_deleted() {
    let server = Server::start().await;
    let client = server.client();
    let organization = create(&client, named("Connections Ltd")).await.unwrap();
    let sso = client.sso();
    let body = CreateConnectionParamsBody {
        name: Some("Short-lived".to_owned()),
        ..CreateConnectionParamsBody::new(
            organization.id.clone(),
            CreateProtocolOptions::Oidc {
                oidc_options: CreateConnectionOidcOptions {
                    discovery_endpoint: "http://localhost:9/.well-known/openid-configuration".to_owned(),
                    client_id: "portcullis".to_owned(),
                    client_secret: Some("not a secret".into()),
                    redirect_uri: None,
                    pkce: None,
                    token_authentication_method: None,
                    jwt_signing_key_pair: None,
                    id_token_signature_algorithm: None,
                    fetch_user_info: None,
                },
            },
        )
    };
    let created = sso.create_connection(CreateConnectionParams::new(body)).await.unwrap();
    assert_eq!(created.connection_type, ConnectionType::GenericOidc, "the type follows from the options");
    assert_eq!(created.state, ConnectionState::Validating);
    assert_eq!(sso.get_connection(&created.id).await.unwrap().name, "Short-lived");

    let of_organization =
        ListConnectionsParams { organization_id: Some(organization.id.clone()), ..Default::default() };
    let listed = sso.list_connections(of_organization.clone()).await.unwrap();
    assert_eq!(listed.data.iter().map(|found| &found.id).collect::<Vec<_>>(), [&created.id]);
    sso.delete_connection(&created.id).await.unwrap();
    assert!(sso.get_connection(&created.id).await.unwrap_err().is_not_found());
    assert!(sso.list_connections(of_organization).await.unwrap().data.is_empty());
}

#[tokio::test]
async fn events_are_read_in_both_directions() {
    let server = Server::start().await;
    let client = server.client();
    let organization = create(&client, named("Eventful Ltd")).await.unwrap();
    update(&client, &organization.id, serde_json::json!({ "name": "More Eventful Ltd" })).await.unwrap();
    client.organizations().delete_organization(&organization.id).await.unwrap();

    let types = ["organization.created", "organization.updated", "organization.deleted"];
    // The SDK's own default asks for the newest first.
    let params = ListEventsParams {
        organization_id: Some(organization.id.clone()),
        limit: Some(1),
        ..ListEventsParams::new(types.map(str::to_owned).to_vec())
    };
    let events = client.events();
    let descending: Vec<_> = events.list_events_auto_paging(params.clone()).try_collect().await.unwrap();
    assert!(descending.iter().rev().map(|event| event.event.as_str()).eq(types));
    assert!(descending.iter().all(|event| event.data["id"] == organization.id.as_str()));

    let params = ListEventsParams { order: Some(PaginationOrder::Asc), ..params };
    let ascending: Vec<_> = events.list_events_auto_paging(params).try_collect().await.unwrap();
    assert!(ascending.iter().map(|event| &event.id).eq(descending.iter().rev().map(|event| &event.id)));

    let unknown = ListEventsParams::new(vec!["no.such_event".to_owned()]);
    assert_eq!(events.list_events(unknown).await.unwrap_err().status(), Some(422));
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let server = Server::start().await;
    let client = server.client();
    let stranger = server.client_with_key("sk_test_not_a_key");
    let error = create(&stranger, named("Nobody's")).await.unwrap_err();
    assert!(error.is_unauthorized(), "{error}");
    assert!(error.request_id().is_some());

    let missing = format!("org_{ABSENT}");
    let error = client.organizations().get_organization(&missing).await.unwrap_err();
    assert!(error.is_not_found());
    assert!(error.to_string().contains(&missing), "{error}");
    assert!(client.sso().get_connection(&format!("conn_{ABSENT}")).await.unwrap_err().is_not_found());
    assert_eq!(create(&client, named("")).await.unwrap_err().status(), Some(422));

    let taken = OrganizationInput { external_id: Some("rust-taken".to_owned()), ..named("First") };
    create(&client, taken.clone()).await.unwrap();
    let error = create(&client, taken).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(400), Some("external_id_already_used")));
}
