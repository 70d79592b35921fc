// The official Node SDK, unmodified, against a running Portcullis.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  ConflictException,
  GenericServerException,
  NotFoundException,
  OauthException,
  UnauthorizedException,
  UnprocessableEntityException,
} from '@workos-inc/node';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { openPage, sdk, signInAtBuiltInProvider, startApplication, startBrowser, startPortcullis } from './harness.mjs';

const alice = { email: 'alice@example.com', firstName: 'Alice', lastName: 'Ångström', groups: 'engineering' };
// Everything a query string, a form or a header could mangle.
const awkwardState = 'a+b %2B c/d?e=f&g=ü✓"<\'>';

let server;
let application;
let browser;
let workos;

before(async () => {
  server = await startPortcullis('sdk');
  application = await startApplication(server);
  browser = await startBrowser();
  workos = sdk(server);
});

after(async () => {
  await browser?.close();
  await application?.stop();
  await server?.stop();
});

/** Follows `url` in a fresh browser profile, signs `person` in at the built-in provider, returns the callback's query. */
async function signIn(url, person = alice) {
  const page = await openPage(browser);
  try {
    const [query] = await Promise.all([
      application.callback(),
      page.goto(url).then(() => signInAtBuiltInProvider(page, person)),
    ]);
    await page.getByTestId('arrived').waitFor();
    assert.deepEqual(page.complaints, []);
    return query;
  } finally {
    await page.context().close();
  }
}

/** A callback for a request that is refused before any identity provider is asked. */
async function refused(url) {
  const page = await openPage(browser);
  try {
    const [query] = await Promise.all([application.callback(), page.goto(url)]);
    return query;
  } finally {
    await page.context().close();
  }
}

/** Runs `call`, which must fail with `type`, and returns the exception. */
async function failure(type, call) {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof type, `expected ${type.name}, got ${error?.name}: ${error?.message}`);
    assert.ok(error.requestID, 'every error carries a request id');
    return error;
  }
  assert.fail(`expected ${type.name}, but the call succeeded`);
}

describe('single sign-on', () => {
  const connections = [
    { field: 'saml_connection_id', type: 'GenericSAML' },
    { field: 'oidc_connection_id', type: 'GenericOIDC' },
    { field: 'test_idp_connection_id', type: 'TestIdp' },
  ];

  for (const { field, type } of connections) {
    test(`signs a person in through ${type}`, async () => {
      const connection = server[field];
      const url = workos.sso.getAuthorizationUrl({
        connection,
        clientId: server.client_id,
        redirectUri: application.redirectUri,
        state: awkwardState,
      });
      const callback = await signIn(url);
      assert.equal(callback.state, awkwardState);
      assert.match(callback.code, /^[0-9A-Za-z]{26,}$/);

      const { profile, accessToken } = await workos.sso.getProfileAndToken({
        code: callback.code,
        clientId: server.client_id,
      });
      assert.match(profile.id, /^prof_[0-9A-HJKMNP-TV-Z]{26}$/);
      assert.equal(profile.connectionId, connection);
      assert.equal(profile.connectionType, type);
      assert.equal(profile.organizationId, server.organization_id);
      assert.equal(profile.email, alice.email);
      assert.equal(profile.firstName, alice.firstName);
      assert.equal(profile.lastName, alice.lastName);
      assert.deepEqual(profile.groups, ['engineering']);
      assert.ok(profile.idpId);

      assert.deepEqual(await workos.sso.getProfile({ accessToken }), profile);

      const keys = createRemoteJWKSet(new URL(`${server.url}/sso/jwks/${server.client_id}`));
      const { payload, protectedHeader } = await jwtVerify(accessToken, keys);
      assert.equal(protectedHeader.alg, 'RS256');
      assert.ok(payload.exp > Date.now() / 1000);
      assert.ok(payload.exp <= Date.now() / 1000 + 600 + 5, 'the token lives no longer than it says');
    });
  }

  test('gives the same profile to the same person, and another to another person', async () => {
    const options = {
      connection: server.saml_connection_id,
      clientId: server.client_id,
      redirectUri: application.redirectUri,
    };
    const profileOf = async (person) => {
      const { code } = await signIn(workos.sso.getAuthorizationUrl(options), person);
      return (await workos.sso.getProfileAndToken({ code, clientId: server.client_id })).profile;
    };
    const first = await profileOf({ ...alice, firstName: 'Before' });
    const again = await profileOf({ ...alice, firstName: 'After' });
    const other = await profileOf({ email: 'bob@example.com', firstName: 'Bob', lastName: 'Builder', groups: '' });
    assert.equal(again.id, first.id);
    assert.equal(first.firstName, 'Before');
    assert.equal(again.firstName, 'After');
    assert.notEqual(other.id, first.id);
  });

  test('exchanges a code with PKCE and no secret', async () => {
    const publicClient = sdk(server, null);
    const { url, state, codeVerifier } = await publicClient.sso.getAuthorizationUrlWithPKCE({
      connection: server.oidc_connection_id,
      clientId: server.client_id,
      redirectUri: application.redirectUri,
    });
    const callback = await signIn(url);
    assert.equal(callback.state, state);
    const { profile } = await publicClient.sso.getProfileAndToken({
      code: callback.code,
      codeVerifier,
      clientId: server.client_id,
    });
    assert.equal(profile.email, alice.email);
  });

  test('refuses a wrong code verifier', async () => {
    const publicClient = sdk(server, null);
    const { url } = await publicClient.sso.getAuthorizationUrlWithPKCE({
      connection: server.saml_connection_id,
      clientId: server.client_id,
      redirectUri: application.redirectUri,
    });
    const { code } = await signIn(url);
    const error = await failure(OauthException, () =>
      publicClient.sso.getProfileAndToken({ code, codeVerifier: 'x'.repeat(43), clientId: server.client_id }),
    );
    assert.equal(error.status, 400);
    assert.equal(error.error, 'invalid_grant');
  });

  test('refuses a code that was used before', async () => {
    const url = workos.sso.getAuthorizationUrl({
      connection: server.saml_connection_id,
      clientId: server.client_id,
      redirectUri: application.redirectUri,
    });
    const { code, state } = await signIn(url);
    assert.equal(state, undefined, 'no state was given, none comes back');
    const exchange = () => workos.sso.getProfileAndToken({ code, clientId: server.client_id });
    await exchange();
    const error = await failure(OauthException, exchange);
    assert.equal(error.status, 400);
    assert.equal(error.error, 'invalid_grant');
    assert.ok(error.errorDescription);
  });

  test('refuses a code under a wrong secret, and does not burn it', async () => {
    const url = workos.sso.getAuthorizationUrl({
      connection: server.saml_connection_id,
      clientId: server.client_id,
      redirectUri: application.redirectUri,
    });
    const { code } = await signIn(url);
    const stranger = sdk(server, 'sk_test_not_a_key');
    const error = await failure(OauthException, () =>
      stranger.sso.getProfileAndToken({ code, clientId: server.client_id }),
    );
    assert.equal(error.error, 'invalid_client');
    const { profile } = await workos.sso.getProfileAndToken({ code, clientId: server.client_id });
    assert.equal(profile.email, alice.email);
  });

  test('turns away a person from outside the organization', async () => {
    const url = workos.sso.getAuthorizationUrl({
      connection: server.saml_connection_id,
      clientId: server.client_id,
      redirectUri: application.redirectUri,
      state: awkwardState,
    });
    const callback = await signIn(url, { email: 'mallory@elsewhere-corp.com', firstName: 'M', lastName: 'M' });
    assert.equal(callback.code, undefined);
    assert.equal(callback.error, 'profile_not_allowed_outside_organization');
    assert.equal(callback.state, awkwardState);
  });

  for (const field of ['saml_connection_id', 'oidc_connection_id']) {
    test(`tells the application that the person refused (${field})`, async () => {
      const url = workos.sso.getAuthorizationUrl({
        connection: server[field],
        clientId: server.client_id,
        redirectUri: application.redirectUri,
        state: awkwardState,
      });
      const page = await openPage(browser);
      try {
        await page.goto(url);
        const [callback] = await Promise.all([application.callback(), page.getByTestId('deny').click()]);
        assert.equal(callback.error, 'access_denied');
        assert.equal(callback.state, awkwardState);
        assert.equal(callback.code, undefined);
      } finally {
        await page.context().close();
      }
    });
  }

  test('tells the application which selector was wrong', async () => {
    const common = { clientId: server.client_id, redirectUri: application.redirectUri, state: awkwardState };
    const cases = [
      [{ connection: 'conn_01H00000000000000000000000' }, 'connection_invalid'],
      [{ organization: 'org_01H00000000000000000000000' }, 'organization_invalid'],
      [{ organization: server.organization_id }, 'ambiguous_connection_selector'],
    ];
    for (const [selector, expected] of cases) {
      const callback = await refused(workos.sso.getAuthorizationUrl({ ...common, ...selector }));
      assert.equal(callback.error, expected);
      assert.equal(callback.state, awkwardState);
      assert.equal(callback.code, undefined);
    }
  });

  test('never sends a browser to a redirect URI that is not registered', async () => {
    const before = application.unexpected;
    for (const redirectUri of [`${application.redirectUri}/more`, 'https://elsewhere-corp.com/callback']) {
      const page = await openPage(browser);
      await page.goto(
        workos.sso.getAuthorizationUrl({
          connection: server.saml_connection_id,
          clientId: server.client_id,
          redirectUri,
        }),
      );
      await page.getByTestId('error-code').waitFor();
      assert.equal(new URL(page.url()).origin, new URL(server.url).origin);
      await page.context().close();
    }
    assert.equal(application.unexpected, before);
  });

  test('refuses a profile to a token that is none', async () => {
    await failure(UnauthorizedException, () => workos.sso.getProfile({ accessToken: 'none' }));
    await failure(UnauthorizedException, () => workos.sso.getProfile({ accessToken: server.api_key }));
  });
});

describe('organizations', () => {
  test('are created, read, updated and deleted', async () => {
    const externalId = 'lifecycle/1 ?&%';
    const created = await workos.organizations.createOrganization({
      name: 'Lifecycle Ltd',
      domainData: [{ domain: 'lifecycle-corp.com', state: 'verified' }],
      externalId,
      metadata: { tier: 'gold', region: 'eu' },
    });
    assert.match(created.id, /^org_[0-9A-HJKMNP-TV-Z]{26}$/);
    assert.equal(created.object, 'organization');
    assert.equal(created.name, 'Lifecycle Ltd');
    assert.equal(created.externalId, externalId);
    assert.deepEqual(created.metadata, { tier: 'gold', region: 'eu' });
    assert.equal(created.domains.length, 1);
    assert.equal(created.domains[0].domain, 'lifecycle-corp.com');
    assert.equal(created.domains[0].state, 'verified');
    assert.match(created.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

    assert.deepEqual(await workos.organizations.getOrganization(created.id), created);
    assert.deepEqual(await workos.organizations.getOrganizationByExternalId(externalId), created);

    const renamed = await workos.organizations.updateOrganization({ organization: created.id, name: 'Renamed Ltd' });
    assert.equal(renamed.name, 'Renamed Ltd');
    assert.deepEqual(renamed.metadata, created.metadata, 'what is not sent stays');
    assert.deepEqual(renamed.domains, created.domains);
    assert.equal(renamed.externalId, externalId);

    const trimmed = await workos.organizations.updateOrganization({
      organization: created.id,
      metadata: { tier: null, region: 'us', seats: '12' },
    });
    assert.deepEqual(trimmed.metadata, { region: 'us', seats: '12' }, 'null deletes one key');

    const detached = await workos.organizations.updateOrganization({ organization: created.id, externalId: null });
    assert.equal(detached.externalId, null);
    await failure(NotFoundException, () => workos.organizations.getOrganizationByExternalId(externalId));

    const moved = await workos.organizations.updateOrganization({
      organization: created.id,
      domainData: [{ domain: 'moved-corp.com', state: 'pending' }],
    });
    assert.deepEqual(
      moved.domains.map(({ domain, state }) => [domain, state]),
      [['moved-corp.com', 'pending']],
      'domain_data replaces the whole set',
    );

    await workos.organizations.deleteOrganization(created.id);
    await failure(NotFoundException, () => workos.organizations.getOrganization(created.id));
  });

  test('are listed page by page to the end', async () => {
    const names = Array.from({ length: 105 }, (_, index) => `Paging ${index}`);
    const created = [];
    for (const name of names) created.push((await workos.organizations.createOrganization({ name })).id);

    const firstPage = await workos.organizations.listOrganizations({ limit: 7 });
    assert.equal(firstPage.data.length, 7);
    assert.equal(firstPage.listMetadata.before, null);
    assert.equal(firstPage.listMetadata.after, firstPage.data[6].id);
    const secondPage = await workos.organizations.listOrganizations({ limit: 7, after: firstPage.listMetadata.after });
    assert.equal(secondPage.listMetadata.before, secondPage.data[0].id);
    const back = await workos.organizations.listOrganizations({ limit: 7, before: secondPage.listMetadata.before });
    assert.deepEqual(back.data, firstPage.data, 'before leads back to the first page');

    const list = await workos.organizations.listOrganizations();
    const organizations = await list.autoPagination();
    const all = organizations.map((organization) => organization.id);
    assert.equal(new Set(all).size, all.length, 'no organization is listed twice');
    assert.ok(all.includes(server.organization_id));
    assert.deepEqual(created.filter((id) => !all.includes(id)), [], 'none is missing');
    const times = organizations.map((organization) => organization.createdAt);
    assert.deepEqual(times, times.toSorted().toReversed(), 'newest first');

    const ascending = await (await workos.organizations.listOrganizations({ order: 'asc' })).autoPagination();
    assert.deepEqual(ascending.map((organization) => organization.id), all.toReversed());
  });

  test('are found by domain', async () => {
    const { id } = await workos.organizations.createOrganization({
      name: 'Found Ltd',
      domainData: [{ domain: 'found-corp.com', state: 'verified' }],
    });
    const list = await workos.organizations.listOrganizations({ domains: ['found-corp.com', 'nobody-corp.com'] });
    assert.deepEqual(list.data.map((organization) => organization.id), [id]);
  });
});

describe('organization domains', () => {
  test('are added, verified and removed', async () => {
    const organization = await workos.organizations.createOrganization({ name: 'Domains Ltd' });
    const domain = await workos.organizationDomains.createOrganizationDomain({
      organizationId: organization.id,
      domain: 'pending-corp.com',
    });
    assert.match(domain.id, /^org_domain_[0-9A-HJKMNP-TV-Z]{26}$/);
    assert.equal(domain.organizationId, organization.id);
    assert.equal(domain.state, 'pending');
    assert.equal(domain.verificationStrategy, 'dns');
    assert.ok(domain.verificationToken);
    assert.deepEqual(await workos.organizationDomains.getOrganizationDomain(domain.id), domain);
    const listed = await workos.organizations.getOrganization(organization.id);
    assert.deepEqual(listed.domains.map(({ id }) => id), [domain.id]);

    const conflict = await failure(ConflictException, () =>
      workos.organizationDomains.createOrganizationDomain({
        organizationId: organization.id,
        domain: 'pending-corp.com',
      }),
    );
    assert.equal(conflict.code, 'domain_already_exists');

    const restarted = await workos.organizationDomains.verifyOrganizationDomain(domain.id);
    assert.equal(restarted.id, domain.id);
    assert.equal(restarted.state, 'pending');

    await workos.organizationDomains.deleteOrganizationDomain(domain.id);
    await failure(NotFoundException, () => workos.organizationDomains.getOrganizationDomain(domain.id));
  });

  test('are not verified twice', async () => {
    const organization = await workos.organizations.getOrganization(server.organization_id);
    const verified = organization.domains.find(({ domain }) => domain === 'example.com');
    assert.equal(verified.state, 'verified');
    const error = await failure(GenericServerException, () =>
      workos.organizationDomains.verifyOrganizationDomain(verified.id),
    );
    assert.equal(error.status, 400);
    assert.equal(error.code, 'domain_already_verified');
  });
});

describe('connections', () => {
  test('are listed, filtered, read and deleted', async () => {
    const seeded = await workos.sso.listConnections({ organizationId: server.organization_id });
    const expected = [server.saml_connection_id, server.oidc_connection_id, server.test_idp_connection_id];
    assert.deepEqual(seeded.data.map(({ id }) => id).toSorted(), expected.toSorted());

    const saml = await workos.sso.listConnections({ connectionType: 'GenericSAML' });
    assert.deepEqual(saml.data.map(({ id }) => id), [server.saml_connection_id]);
    const connection = await workos.sso.getConnection(server.saml_connection_id);
    assert.deepEqual(connection, saml.data[0]);
    assert.equal(connection.type, 'GenericSAML');
    assert.equal(connection.organizationId, server.organization_id);
    assert.ok(['active', 'validating'].includes(connection.state), connection.state);

    const { data: created } = await workos.post('/connections', {
      organization_id: server.organization_id,
      name: 'Short-lived',
      connection_type: 'GenericOIDC',
      oidc_options: {
        discovery_endpoint: 'http://localhost:9/.well-known/openid-configuration',
        client_id: 'portcullis',
        client_secret: 'not a secret',
      },
    });
    assert.equal(created.state, 'validating');
    assert.equal(created.oidc_options.client_secret, undefined, 'a secret is never read back');
    assert.ok(created.oidc_options.redirect_uri.startsWith(server.url));
    await workos.sso.deleteConnection(created.id);
    await failure(NotFoundException, () => workos.sso.getConnection(created.id));
  });
});

describe('events', () => {
  test('tell what happened, in order, to a reader who pages by cursor', async () => {
    const organization = await workos.organizations.createOrganization({
      name: 'Eventful Ltd',
      domainData: [{ domain: 'eventful-corp.com', state: 'verified' }],
    });
    await workos.organizations.updateOrganization({ organization: organization.id, name: 'More Eventful Ltd' });
    await workos.organizations.deleteOrganization(organization.id);

    const types = ['organization.created', 'organization.updated', 'organization.deleted'];
    const page = await workos.events.listEvents({ events: types, organizationId: organization.id, limit: 100 });
    assert.deepEqual(page.data.map(({ event }) => event), types);
    assert.deepEqual(page.data.map(({ data }) => data.id), types.map(() => organization.id));
    assert.equal(page.data[0].data.name, 'Eventful Ltd');
    assert.equal(page.data[1].data.name, 'More Eventful Ltd');
    for (const event of page.data) assert.match(event.id, /^event_[0-9A-HJKMNP-TV-Z]{26}$/);

    const followed = [];
    let after;
    do {
      const next = await workos.events.listEvents({ events: types, organizationId: organization.id, limit: 1, after });
      followed.push(...next.data.map(({ id }) => id));
      after = next.data.at(-1)?.id;
    } while (after);
    assert.deepEqual(followed, page.data.map(({ id }) => id));
  });

  test('tell of a sign-in once its code was exchanged', async () => {
    const url = workos.sso.getAuthorizationUrl({
      connection: server.test_idp_connection_id,
      clientId: server.client_id,
      redirectUri: application.redirectUri,
    });
    const list = async () =>
      (await workos.events.listEvents({ events: ['authentication.sso_succeeded'], limit: 100 })).data;
    const before = await list();
    const { code } = await signIn(url);
    assert.equal((await list()).length, before.length, 'not before the exchange');
    await workos.sso.getProfileAndToken({ code, clientId: server.client_id });
    const added = (await list()).slice(before.length);
    assert.equal(added.length, 1);
    assert.equal(added[0].data.email, alice.email);
    assert.equal(added[0].data.sso.connectionId, server.test_idp_connection_id);
    assert.equal(added[0].data.sso.organizationId, server.organization_id);
  });

  test('refuse an unknown type', async () => {
    await failure(UnprocessableEntityException, () => workos.events.listEvents({ events: ['no.such_event'] }));
  });
});

describe('errors', () => {
  const absent = 'org_01H00000000000000000000000';

  test('are the exceptions the SDK promises', async () => {
    const stranger = sdk(server, 'sk_test_not_a_key');
    await failure(UnauthorizedException, () => stranger.organizations.listOrganizations());
    const notFound = await failure(NotFoundException, () => workos.organizations.getOrganization(absent));
    assert.match(notFound.message, new RegExp(absent));
    await failure(NotFoundException, () => workos.sso.getConnection('conn_01H00000000000000000000000'));
    await failure(NotFoundException, () => workos.get('/no_such_path'));
    await failure(UnprocessableEntityException, () => workos.organizations.listOrganizations({ limit: 101 }));
    await failure(UnprocessableEntityException, () => workos.organizations.createOrganization({}));
  });

  test('name the external id that is taken', async () => {
    await workos.organizations.createOrganization({ name: 'First', externalId: 'taken' });
    const error = await failure(GenericServerException, () =>
      workos.organizations.createOrganization({ name: 'Second', externalId: 'taken' }),
    );
    assert.equal(error.status, 400);
    assert.equal(error.code, 'external_id_already_used');
  });

  test('refuse a wrong client on the token endpoint', async () => {
    const error = await failure(OauthException, () =>
      workos.sso.getProfileAndToken({ code: '01H00000000000000000000000', clientId: 'client_01H00000000000000000000000' }),
    );
    assert.equal(error.error, 'invalid_client');
  });
});
