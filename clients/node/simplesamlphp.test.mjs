// A customer whose identity provider is SimpleSAMLphp, from the metadata exchange to the profile.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, sdk, startApplication, startBrowser, startPortcullis } from './harness.mjs';
import { startSimpleSamlPhp } from './simplesamlphp.mjs';

const people = {
  'grace:hopper': {
    id: ['employee-1906'],
    email: ['grace@navy-corp.com'],
    firstName: ['Grace'],
    lastName: ['Hopper <&> "Ünïcode"'],
    groups: ['compilers', 'admirals & co'],
    shoeSize: ['39'],
  },
  'eve:outside': {
    id: ['employee-666'],
    email: ['eve@elsewhere-corp.com'],
    firstName: ['Eve'],
    lastName: ['Outside'],
  },
  'madonna:unmapped': { id: ['employee-1958'], email: ['madonna@navy-corp.com'], firstName: ['Madonna'] },
};

let server;
let application;
let browser;
let identityProvider;
let workos;
let organization;
let connection;

before(async () => {
  identityProvider = await startSimpleSamlPhp(people);
  server = await startPortcullis('simplesamlphp');
  application = await startApplication(server);
  browser = await startBrowser();
  workos = sdk(server);
  organization = await workos.organizations.createOrganization({
    name: 'Navy',
    domainData: [{ domain: 'navy-corp.com', state: 'verified' }],
  });
  const { data } = await workos.post('/connections', {
    organization_id: organization.id,
    name: 'Navy SimpleSAMLphp',
    connection_type: 'SimpleSamlPhpSAML',
    saml_options: { idp_metadata_url: identityProvider.metadataUrl },
  });
  connection = data;
  const metadata = await fetch(connection.saml_options.sp_metadata_url);
  assert.equal(metadata.status, 200);
  identityProvider.trust('portcullis', await metadata.text());
});

after(async () => {
  await browser?.close();
  await application?.stop();
  await server?.stop();
  await identityProvider?.stop();
});

const authorizationUrl = (selector, extra = '') =>
  workos.sso.getAuthorizationUrl({
    ...selector,
    clientId: server.client_id,
    redirectUri: application.redirectUri,
    state: 'from-the-application',
  }) + extra;

/** Goes to `url`, signs in at SimpleSAMLphp when it asks, and returns the query the application was called with. */
async function signIn(page, url, login, password) {
  const arrival = application.callback();
  await page.goto(url);
  if (login) {
    await page.locator('input[name=username]').fill(login);
    await page.locator('input[name=password]').fill(password);
    await page.locator('input[name=password]').press('Enter');
  }
  const query = await arrival;
  await page.getByTestId('arrived').waitFor();
  return query;
}

async function withPage(body) {
  const page = await openPage(browser);
  try {
    await body(page);
  } finally {
    await page.context().close();
  }
}

test('the connection holds what the metadata document said', () => {
  assert.equal(connection.connection_type, 'SimpleSamlPhpSAML');
  assert.equal(connection.state, 'validating');
  assert.equal(connection.saml_options.idp_entity_id, identityProvider.metadataUrl);
  assert.equal(connection.saml_options.idp_sso_url, `${identityProvider.url}/saml2/idp/SSOService.php`);
  assert.equal(connection.saml_options.idp_metadata_url, identityProvider.metadataUrl);
  assert.equal(connection.saml_options.idp_signing_certs.length, 1);
  assert.ok(connection.saml_options.acs_url.startsWith(`${server.url}/sso/saml/acs/`));
});

test('a person signs in at the identity provider and the application gets the profile', async () => {
  await withPage(async (page) => {
    const callback = await signIn(page, authorizationUrl({ connection: connection.id }), 'grace', 'hopper');
    assert.equal(callback.state, 'from-the-application');
    assert.equal(callback.error, undefined);
    const { profile, accessToken } = await workos.sso.getProfileAndToken({
      code: callback.code,
      clientId: server.client_id,
    });
    assert.equal(profile.idpId, 'employee-1906');
    assert.equal(profile.email, 'grace@navy-corp.com');
    assert.equal(profile.firstName, 'Grace');
    assert.equal(profile.lastName, 'Hopper <&> "Ünïcode"');
    assert.deepEqual(profile.groups, ['compilers', 'admirals & co']);
    assert.equal(profile.connectionId, connection.id);
    assert.equal(profile.connectionType, 'SimpleSamlPhpSAML');
    assert.equal(profile.organizationId, organization.id);
    assert.deepEqual(await workos.sso.getProfile({ accessToken }), profile);
  });
  assert.equal((await workos.sso.getConnection(connection.id)).state, 'active', 'the first sign-in activates it');
  const { data: events } = await workos.events.listEvents({ events: ['connection.activated'] });
  assert.ok(events.some(({ data }) => data.id === connection.id));
});

test('a second sign-in needs no password, prompt=login asks again', async () => {
  await withPage(async (page) => {
    const first = await signIn(page, authorizationUrl({ organization: organization.id }), 'grace', 'hopper');
    const second = await signIn(page, authorizationUrl({ organization: organization.id }));
    assert.ok(second.code);
    assert.notEqual(second.code, first.code);
    const third = await signIn(page, authorizationUrl({ connection: connection.id }, '&prompt=login'), 'grace', 'hopper');
    assert.ok(third.code);
  });
});

test('a person of another domain is turned away', async () => {
  await withPage(async (page) => {
    const callback = await signIn(page, authorizationUrl({ connection: connection.id }), 'eve', 'outside');
    assert.equal(callback.code, undefined);
    assert.equal(callback.error, 'profile_not_allowed_outside_organization');
    assert.equal(callback.state, 'from-the-application');
  });
});

test('a missing attribute is a mystery to the browser and plain to the operator', async () => {
  await withPage(async (page) => {
    const callback = await signIn(page, authorizationUrl({ connection: connection.id }), 'madonna', 'unmapped');
    assert.equal(callback.code, undefined);
    assert.equal(callback.error, 'server_error');
    assert.ok(!/lastName|attribute/i.test(callback.error_description), callback.error_description);
  });
  const { data: signIns } = await workos.get('/_portcullis/sign_ins', { query: { connection_id: connection.id } });
  assert.equal(signIns.data[0].status, 'failed');
  assert.equal(signIns.data[0].failure.code, 'invalid_attributes');
  assert.match(signIns.data[0].failure.message, /lastName/);
});

test('a captured response is worth nothing a second time', async () => {
  await withPage(async (page) => {
    let captured;
    page.on('request', (request) => {
      if (request.method() === 'POST' && request.url() === connection.saml_options.acs_url) {
        captured = request.postData();
      }
    });
    await signIn(page, authorizationUrl({ connection: connection.id }), 'grace', 'hopper');
    assert.ok(captured, 'the response went through the browser');
    const replay = await fetch(connection.saml_options.acs_url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: captured,
      redirect: 'manual',
    });
    const location = replay.headers.get('location') ?? '';
    assert.ok(!location.includes('code='), `the replay was answered with a code: ${location}`);
  });
});
