// A customer whose identity provider speaks OpenID Connect: the certified `oidc-provider`, with its own sign-in and
// consent pages, from discovery to the profile.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';
import { openPage, sdk, startApplication, startBrowser, startPortcullis } from './harness.mjs';

// By subject, which is also what is typed into the provider's sign-in page.
const people = {
  'ada-1815': {
    email: 'ada@analytical-corp.com',
    email_verified: true,
    given_name: 'Ada',
    family_name: 'Lovelace ✓',
    groups: ['mathematics', 'poetry'],
  },
  'eve-666': { email: 'eve@elsewhere-corp.com', email_verified: true, given_name: 'Eve', family_name: 'Outside' },
};

/** How each connection talks to its provider, and where the provider puts the claims. */
const variants = [
  {
    title: 'client_secret_basic, claims in the ID token',
    options: {},
    client: { token_endpoint_auth_method: 'client_secret_basic' },
    provider: { conformIdTokenClaims: false },
  },
  {
    title: 'client_secret_post, claims from the userinfo endpoint',
    options: { token_authentication_method: 'client_secret_post', fetch_user_info: true },
    client: { token_endpoint_auth_method: 'client_secret_post' },
    provider: { conformIdTokenClaims: true },
  },
];

let server;
let application;
let browser;
let workos;
let organization;

before(async () => {
  server = await startPortcullis('oidc-provider');
  application = await startApplication(server);
  browser = await startBrowser();
  workos = sdk(server);
  organization = await workos.organizations.createOrganization({
    name: 'Analytical Engines',
    domainData: [{ domain: 'analytical-corp.com', state: 'verified' }],
  });
});

after(async () => {
  await browser?.close();
  await application?.stop();
  await server?.stop();
});

/**
 * Starts `oidc-provider`. It answers discovery at once; `trust(clients)` replaces it, under the same issuer and keys,
 * by one that knows the given clients (a connection's redirect URI exists only after the connection).
 */
async function startProvider(configuration) {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(privateKey)), kid: 'test', use: 'sig', alg: 'RS256' }] };
  let handler;
  const listener = createServer((request, response) => handler(request, response));
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const issuer = `http://localhost:${listener.address().port}`;
  const trust = (clients) => {
    const provider = new Provider(issuer, {
      clients,
      jwks,
      cookies: { keys: ['only for this run'] },
      features: { devInteractions: { enabled: true } },
      claims: {
        openid: ['sub'],
        email: ['email', 'email_verified'],
        profile: ['given_name', 'family_name', 'name', 'groups'],
      },
      findAccount: (_context, sub) => people[sub] && { accountId: sub, claims: () => ({ sub, ...people[sub] }) },
      ...configuration,
    });
    handler = provider.callback();
  };
  trust([]);
  return {
    issuer,
    trust,
    stop: () =>
      new Promise((resolve) => {
        listener.close(resolve);
        listener.closeAllConnections();
      }),
  };
}

/** Signs `login` in at the provider's own pages and consents, if `login` is given; cancels otherwise. */
async function visit(page, url, login) {
  const arrival = application.callback();
  await page.goto(url);
  if (login === null) {
    await page.getByRole('link', { name: 'Cancel' }).click();
  } else {
    await page.locator('input[name=login]').fill(login);
    await page.locator('input[name=password]').fill('any password');
    await page.getByRole('button', { name: 'Sign-in' }).click();
    await page.getByRole('heading', { name: 'Authorize' }).waitFor();
    await page.locator('button[type=submit]').click();
  }
  const query = await arrival;
  await page.getByTestId('arrived').waitFor();
  return query;
}

for (const variant of variants) {
  describe(variant.title, () => {
    let identityProvider;
    let connection;

    before(async () => {
      identityProvider = await startProvider(variant.provider);
      const client = { client_id: 'portcullis', client_secret: 'a secret: with / awkward + characters %' };
      const { data } = await workos.post('/connections', {
        organization_id: organization.id,
        name: variant.title,
        connection_type: 'GenericOIDC',
        oidc_options: {
          discovery_endpoint: `${identityProvider.issuer}/.well-known/openid-configuration`,
          ...client,
          ...variant.options,
        },
      });
      connection = data;
      const redirectUris = [connection.oidc_options.redirect_uri];
      identityProvider.trust([{ ...client, ...variant.client, redirect_uris: redirectUris }]);
    });

    after(async () => {
      await identityProvider?.stop();
    });

    const withVisit = async (login, check) => {
      const page = await openPage(browser);
      // The provider's demonstration pages ask a font server for a font; nobody shall be asked.
      await page.route(/fonts\.googleapis\.com/, (route) => route.abort());
      try {
        const url = workos.sso.getAuthorizationUrl({
          connection: connection.id,
          clientId: server.client_id,
          redirectUri: application.redirectUri,
          state: 'from-the-application',
        });
        const callback = await visit(page, url, login);
        assert.equal(callback.state, 'from-the-application');
        await check(callback);
      } finally {
        await page.context().close();
      }
    };

    test('a person signs in at the provider and the application gets the profile', async () => {
      assert.equal(connection.state, 'validating');
      await withVisit('ada-1815', async (callback) => {
        assert.equal(callback.error, undefined, callback.error_description);
        const { profile, accessToken } = await workos.sso.getProfileAndToken({
          code: callback.code,
          clientId: server.client_id,
        });
        assert.equal(profile.idpId, 'ada-1815');
        assert.equal(profile.email, 'ada@analytical-corp.com');
        assert.equal(profile.firstName, 'Ada');
        assert.equal(profile.lastName, 'Lovelace ✓');
        assert.deepEqual(profile.groups, ['mathematics', 'poetry']);
        assert.equal(profile.connectionId, connection.id);
        assert.equal(profile.connectionType, 'GenericOIDC');
        assert.equal(profile.organizationId, organization.id);
        assert.deepEqual(await workos.sso.getProfile({ accessToken }), profile);
      });
      assert.equal((await workos.sso.getConnection(connection.id)).state, 'active', 'the first sign-in activates it');
    });

    test('a person of another domain is turned away', async () => {
      await withVisit('eve-666', (callback) => {
        assert.equal(callback.code, undefined);
        assert.equal(callback.error, 'profile_not_allowed_outside_organization');
      });
    });

    test('a person who cancels comes back with an error', async () => {
      await withVisit(null, (callback) => {
        assert.equal(callback.code, undefined);
        assert.equal(callback.error, 'access_denied');
      });
    });
  });
}
