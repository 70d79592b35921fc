// What a person does first with a fresh Portcullis: open the demo, sign in, see the profile. Every page they pass is
// photographed (light and dark, phone and desktop), measured, and checked by axe.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openPage, outputFolder, sdk, signInAtBuiltInProvider, startBrowser, startPortcullis } from './harness.mjs';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const screenshots = join(outputFolder, 'screenshots');
const alice = { email: 'alice@example.com', firstName: 'Alice', lastName: 'Ångström', groups: 'engineering' };

const ways = [
  { name: 'saml', button: 'sign-in-saml', connection: 'saml_connection_id', type: 'GenericSAML' },
  { name: 'oidc', button: 'sign-in-oidc', connection: 'oidc_connection_id', type: 'GenericOIDC' },
];
const looks = [
  { name: 'desktop-light', viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  { name: 'desktop-dark', viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
  { name: 'phone-light', viewport: { width: 390, height: 844 }, colorScheme: 'light', isMobile: true, hasTouch: true },
  { name: 'phone-dark', viewport: { width: 390, height: 844 }, colorScheme: 'dark', isMobile: true, hasTouch: true },
];

let server;
let browser;

before(async () => {
  server = await startPortcullis('demo');
  browser = await startBrowser();
  mkdirSync(screenshots, { recursive: true });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function withPage(options, body) {
  const page = await openPage(browser, options);
  try {
    await body(page);
    assert.deepEqual(page.complaints, []);
  } finally {
    await page.context().close();
  }
}

/** A page that says what went wrong does so with a status, which the browser's console mentions. */
function forgiveStatus(page) {
  page.complaints = page.complaints.filter((complaint) => !/responded with a status of 4\d\d/.test(complaint));
}

async function seesProfile(page, type, email = alice.email) {
  await page.getByTestId('profile-email').waitFor();
  assert.equal((await page.getByTestId('profile-email').innerText()).trim(), email);
  assert.match((await page.getByTestId('profile-id').innerText()).trim(), /^prof_[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal((await page.getByTestId('connection-type').innerText()).trim(), type);
  const { origin } = new URL(page.url());
  assert.equal(origin, new URL(server.url).origin);
}

describe('sign-in from the demo', () => {
  for (const { name, button, type } of ways) {
    test(`by ${name}, as a new person`, () =>
      withPage({}, async (page) => {
        await page.goto(`${server.url}/demo`);
        await page.getByTestId(button).click();
        await signInAtBuiltInProvider(page, alice);
        await seesProfile(page, type);
      }));

    test(`by ${name}, as a suggested person`, () =>
      withPage({}, async (page) => {
        await page.goto(`${server.url}/demo`);
        await page.getByTestId(button).click();
        const suggested = page.locator('[data-testid^="user-"]').first();
        const email = (await suggested.getAttribute('data-testid')).slice('user-'.length);
        await suggested.click();
        await seesProfile(page, type, email);
      }));

    test(`by ${name}, without JavaScript`, () =>
      withPage({ javaScriptEnabled: false }, async (page) => {
        await page.goto(`${server.url}/demo`);
        await page.getByTestId(button).click();
        await signInAtBuiltInProvider(page, alice);
        if (name === 'saml') await page.getByTestId('continue').click();
        await seesProfile(page, type);
      }));

    test(`by ${name}, with the keyboard alone`, () =>
      withPage({}, async (page) => {
        await page.goto(`${server.url}/demo`);
        await tabTo(page, `[data-testid="${button}"]`);
        await page.keyboard.press('Enter');
        await page.getByTestId('sign-in').waitFor();
        await tabTo(page, '[data-testid^="user-"]');
        const email = await page.evaluate(() => document.activeElement.dataset.testid.slice('user-'.length));
        await page.keyboard.press('Enter');
        await seesProfile(page, type, email);
      }));
  }
});

/** Presses Tab until the element that matches `selector` has the focus, and checks that a person can see that. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate((wanted) => {
      const element = document.activeElement;
      if (!element?.matches(wanted)) return null;
      const style = getComputedStyle(element);
      return { outline: style.outlineStyle, width: parseFloat(style.outlineWidth), shadow: style.boxShadow };
    }, selector);
    if (focused) {
      const outlined = focused.outline !== 'none' && focused.width > 0;
      assert.ok(outlined || focused.shadow !== 'none', `${selector} shows its focus`);
      return;
    }
  }
  assert.fail(`${selector} is out of the keyboard's reach`);
}

describe('a sign-in that must not succeed', () => {
  for (const { name, button } of ways) {
    test(`is explained when the person refuses, by ${name}`, () =>
      withPage({}, async (page) => {
        await page.goto(`${server.url}/demo`);
        await page.getByTestId(button).click();
        await page.getByTestId('deny').click();
        assert.equal((await page.getByTestId('error').innerText()).trim(), 'access_denied');
        forgiveStatus(page);
      }));

    test(`is explained when the person is from elsewhere, by ${name}`, () =>
      withPage({}, async (page) => {
        await page.goto(`${server.url}/demo`);
        await page.getByTestId(button).click();
        await signInAtBuiltInProvider(page, { ...alice, email: 'mallory@elsewhere-corp.com' });
        const error = (await page.getByTestId('error').innerText()).trim();
        assert.equal(error, 'profile_not_allowed_outside_organization');
        forgiveStatus(page);
      }));
  }
});

describe('every page', () => {
  /** The pages a person can meet, each a way to get there. */
  const pages = {
    demo: (page) => page.goto(`${server.url}/demo`),
    'identity-provider-saml': (page) => atIdentityProvider(page, ways[0]),
    'identity-provider-oidc': (page) => atIdentityProvider(page, ways[1]),
    'continue-to-application': async (page) => {
      // Held still: without its script the page stays until the person presses the button.
      await page.route('**/*', (route) => (route.request().resourceType() === 'script' ? route.abort() : route.continue()));
      await atIdentityProvider(page, ways[0]);
      await signInAtBuiltInProvider(page, alice);
      await page.getByTestId('continue').waitFor();
      page.complaints = page.complaints.filter((complaint) => !complaint.includes('ERR_FAILED'));
    },
    'profile-saml': (page) => signedIn(page, ways[0]),
    'profile-oidc': (page) => signedIn(page, ways[1]),
    'demo-signed-in': async (page) => {
      await signedIn(page, ways[1]);
      await page.goto(`${server.url}/demo`);
      await page.getByTestId('session-email').waitFor();
    },
    'identity-provider-problem': async (page) => {
      await atIdentityProvider(page, ways[0]);
      await signInAtBuiltInProvider(page, { ...alice, groups: Array(60).fill('crowd').join(', ') });
      await page.getByTestId('problem').waitFor();
      forgiveStatus(page);
    },
    'refused-by-the-person': async (page) => {
      await atIdentityProvider(page, ways[1]);
      await page.getByTestId('deny').click();
      await page.getByTestId('demo-explanation').waitFor();
      forgiveStatus(page);
    },
    'foreign-state': async (page) => {
      await page.goto(`${server.url}/demo`);
      await page.getByTestId('try-state').click();
      await page.getByTestId('demo-explanation').waitFor();
      forgiveStatus(page);
    },
    'untrusted-redirect': async (page) => {
      await page.goto(`${server.url}/demo`);
      await page.getByTestId('try-redirect').click();
      await page.getByTestId('error-code').waitFor();
      forgiveStatus(page);
    },
    'unknown-client': async (page) => {
      const url = sdk(server).sso.getAuthorizationUrl({
        connection: server.saml_connection_id,
        clientId: 'client_01H00000000000000000000000',
        redirectUri: `${server.url}/demo/callback`,
      });
      await page.goto(url);
      await page.getByTestId('error-code').waitFor();
      forgiveStatus(page);
    },
  };

  async function atIdentityProvider(page, { button }) {
    await page.goto(`${server.url}/demo`);
    await page.getByTestId(button).click();
    await page.getByTestId('sign-in').waitFor();
  }

  async function signedIn(page, way) {
    await atIdentityProvider(page, way);
    await signInAtBuiltInProvider(page, alice);
    await seesProfile(page, way.type);
  }

  for (const [name, reach] of Object.entries(pages)) {
    for (const { name: look, ...options } of looks) {
      test(`${name} is accessible and fits, ${look}`, () =>
        withPage(options, async (page) => {
          await reach(page);
          await page.screenshot({ path: join(screenshots, `${name}-${look}.png`), fullPage: true });

          const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
          assert.ok(content <= width, `the page is ${content} px wide in a window of ${width} px`);
          assert.notEqual(await page.title(), '');
          assert.ok(await page.evaluate(() => document.documentElement.lang), 'the page names its language');

          await page.evaluate(axeSource);
          const { violations } = await page.evaluate(() => globalThis.axe.run(document));
          const grave = violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map(({ target }) => target).join('; ')})`);
          assert.deepEqual(grave, []);
        }));
    }
  }
});
