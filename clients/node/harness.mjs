// What every browser test needs: a Portcullis of its own, an application that waits for the callback, and a Chromium.
//
// Each test file starts its own `portcullis dev --ephemeral`, so files don't see each other's data. Whatever is
// started here is stopped by the returned `stop` functions and, should a test crash, when the process exits.

import { spawn } from 'node:child_process';
import { appendFileSync, createWriteStream, existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WorkOS } from '@workos-inc/node';
import { chromium } from 'playwright-core';

export const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const outputFolder = join(repository, 'test-output');

const binary = process.env.PORTCULLIS_BIN ?? join(repository, 'target', 'debug', 'portcullis');
const chromiumBinary = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';
const startSeconds = 30;

const children = new Set();
process.on('exit', () => {
  for (const child of children) signalGroup(child, 'SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

// Children lead process groups of their own, so that their workers end with them.
function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** A TCP port on the loopback interface that nobody listens on at this moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createTcpServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/**
 * Starts a child process whose output goes to `test-output/logs/<name>.log`.
 * Resolves to `{ child, stop }`; `stop` ends it and waits until it has ended.
 */
export function startProcess(name, command, args, options = {}) {
  mkdirSync(join(outputFolder, 'logs'), { recursive: true });
  const logFile = join(outputFolder, 'logs', `${name}.log`);
  const log = createWriteStream(logFile);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...options });
  children.add(child);
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const ended = new Promise((resolve) => {
    child.on('exit', () => {
      children.delete(child);
      resolve();
    });
    child.on('error', resolve);
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      signalGroup(child, 'SIGTERM');
      const killer = setTimeout(() => signalGroup(child, 'SIGKILL'), 5000);
      await ended;
      clearTimeout(killer);
    }
    log.end();
  };
  return { child, logFile, stop };
}

/**
 * Starts `portcullis dev` on a free port with an empty database of its own.
 * Resolves to the JSON line it prints (`url`, `api_key`, `client_id`, `organization_id`, `*_connection_id`), plus `stop`.
 */
export async function startPortcullis(name) {
  if (!existsSync(binary)) throw new Error(`no binary at ${binary}: build it, or name one in PORTCULLIS_BIN`);
  const port = await freePort();
  const started = startProcess(`${name}-portcullis`, binary, ['dev', '--ephemeral', '--port', String(port), '--json']);
  const line = await firstLine(started);
  let description;
  try {
    description = JSON.parse(line);
  } catch {
    throw new Error(`portcullis printed something else than one JSON line: ${line}`);
  }
  return { ...description, stop: started.stop };
}

async function firstLine({ child, logFile }) {
  let timer;
  try {
    return await new Promise((resolve, reject) => {
      let text = '';
      timer = setTimeout(
        () => reject(new Error(`portcullis was not ready after ${startSeconds} s, see ${logFile}`)),
        startSeconds * 1000,
      );
      child.on('error', reject);
      child.on('exit', (code) => reject(new Error(`portcullis ended with ${code} before it was ready, see ${logFile}`)));
      child.stdout.on('data', (chunk) => {
        text += chunk;
        const end = text.indexOf('\n');
        if (end >= 0) resolve(text.slice(0, end));
      });
    });
  } finally {
    clearTimeout(timer);
  }
}

/** The official SDK, pointed at the started server and otherwise unmodified. `key` null gives a public client. */
export function sdk(server, key = server.api_key) {
  const { hostname, port, protocol } = new URL(server.url);
  const options = { apiHostname: hostname, port: Number(port), https: protocol === 'https:', clientId: server.client_id };
  return key === null ? new WorkOS(options) : new WorkOS(key, options);
}

recordAnswers();

// With PORTCULLIS_RECORD set, every API answer an SDK receives is also written to that folder, for the check
// against the OpenAPI document. The SDK's own `fetch` call is untouched: it gets the response, we read a clone.
function recordAnswers() {
  const folder = process.env.PORTCULLIS_RECORD;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `node-${process.pid}.jsonl`);
  const original = globalThis.fetch;
  globalThis.fetch = async function fetch(input, init) {
    const response = await original.call(this, input, init);
    const method = init?.method ?? input?.method ?? 'GET';
    const { pathname } = new URL(input?.url ?? input);
    const text = await response.clone().text();
    if (text === '' || response.headers.get('content-type')?.includes('application/json')) {
      const body = text === '' ? null : JSON.parse(text);
      appendFileSync(file, `${JSON.stringify({ method, path: pathname, status: response.status, body })}\n`);
    }
    return response;
  };
}

const arrivalPage = `<!doctype html>
<html lang="en">
<link rel="icon" href="data:,">
<title>Application</title>
<p data-testid="arrived">Back in the application.`;

/**
 * An application waiting for a sign-in to come back: a web server whose `/callback` remembers the query it was called
 * with. Its redirect URI is registered with `server`.
 */
export async function startApplication(server) {
  const received = [];
  let waiting = null;
  const listener = createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    if (url.pathname !== '/callback') {
      response.writeHead(404).end();
      return;
    }
    const query = Object.fromEntries(url.searchParams);
    if (waiting) {
      waiting(query);
      waiting = null;
    } else {
      received.push(query);
    }
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(arrivalPage);
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const redirectUri = `http://localhost:${listener.address().port}/callback`;
  await sdk(server).post('/user_management/redirect_uris', { uri: redirectUri });

  return {
    redirectUri,
    /** The query of the next callback (or of one that arrived already); fails after `seconds`. */
    callback(seconds = 20) {
      if (received.length > 0) return Promise.resolve(received.shift());
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting = null;
          reject(new Error(`no callback within ${seconds} s`));
        }, seconds * 1000);
        waiting = (query) => {
          clearTimeout(timer);
          resolve(query);
        };
      });
    },
    /** How many callbacks arrived that nobody has taken. */
    get unexpected() {
      return received.length;
    },
    stop: () =>
      new Promise((resolve) => {
        listener.close(resolve);
        listener.closeAllConnections();
      }),
  };
}

/** Debian's Chromium, headless, with everything switched off that would talk to somebody else. */
export async function startBrowser() {
  const browser = await chromium.launch({
    executablePath: chromiumBinary,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return browser;
}

/**
 * A page in a profile of its own. `page.complaints` collects what no page of ours may do: console errors (Content
 * Security Policy violations among them), uncaught exceptions, requests that leave this machine.
 */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') page.complaints.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => page.complaints.push(`exception: ${error.message}`));
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    const local = ['localhost', '127.0.0.1', '[::1]'].includes(hostname) || hostname.endsWith('.localhost');
    if (protocol.startsWith('http') && !local) page.complaints.push(`foreign request: ${request.url()}`);
  });
  return page;
}

/** Fills the form of the built-in identity provider and sends it. Fields left out stay as the page proposes them. */
export async function signInAtBuiltInProvider(page, { email, firstName, lastName, groups }) {
  await page.getByTestId('sign-in').waitFor();
  const values = { email, first_name: firstName, last_name: lastName, groups };
  for (const [field, value] of Object.entries(values)) {
    if (value !== undefined) await page.locator(`[name="${field}"]:visible`).first().fill(value);
  }
  await page.getByTestId('sign-in').click();
}
