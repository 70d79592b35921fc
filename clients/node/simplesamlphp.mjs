// Debian's SimpleSAMLphp as a customer's identity provider: PHP's own web server on the loopback interface, with a
// configuration folder, a key and a session store that exist only for this run.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startProcess } from './harness.mjs';

const installation = process.env.SIMPLESAMLPHP_DIR ?? '/usr/share/simplesamlphp';

const config = (folder, url) => `<?php
$config = [
  'baseurlpath' => '${url}/',
  'certdir' => '${folder}/cert/',
  'loggingdir' => '${folder}/log/',
  'datadir' => '${folder}/data/',
  'tempdir' => '${folder}/tmp',
  'metadatadir' => '${folder}/metadata/',
  'attributenamemapdir' => '${installation}/config/attributemap/',
  'technicalcontact_name' => 'Nobody',
  'technicalcontact_email' => 'nobody@example.org',
  'timezone' => 'UTC',
  'secretsalt' => '${folder}',
  'auth.adminpassword' => '${folder}',
  'logging.handler' => 'errorlog',
  'logging.level' => SimpleSAML\\Logger::NOTICE,
  'enable.saml20-idp' => true,
  'module.enable' => ['core' => true, 'saml' => true, 'exampleauth' => true],
  'session.cookie.name' => 'SimpleSAMLSessionID',
  'session.cookie.secure' => false,
  'session.cookie.samesite' => null,
  'session.phpsession.cookiename' => 'SimpleSAML',
  'session.phpsession.savepath' => '${folder}/sessions',
  'store.type' => 'phpsession',
  'language.available' => ['en'],
  'language.default' => 'en',
  'production' => true,
  'metadata.sources' => [['type' => 'flatfile']],
];
`;

const phpString = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

// `people` is { 'login:password': { attribute: [values] } }.
const authSources = (people) => {
  const entries = Object.entries(people).map(([login, attributes]) => {
    const lines = Object.entries(attributes).map(
      ([name, values]) => `      ${phpString(name)} => [${values.map(phpString).join(', ')}],\n`,
    );
    return `    ${phpString(login)} => [\n${lines.join('')}    ],\n`;
  });
  return `<?php
$config = [
  'admin' => ['core:AdminPassword'],
  'people' => [
    'exampleauth:UserPass',
${entries.join('')}  ],
];
`;
};

const identityProvider = `<?php
$metadata['__DYNAMIC:1__'] = [
  'host' => '__DEFAULT__',
  'privatekey' => 'idp.key',
  'certificate' => 'idp.crt',
  'auth' => 'people',
  'SingleSignOnServiceBinding' => ['urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect'],
];
`;

// The service provider's metadata document is read by SimpleSAMLphp's own parser, as an administrator's upload would be.
const serviceProviders = (folder) => `<?php
foreach (glob('${folder}/service-providers/*.xml') as $file) {
  foreach (SimpleSAML\\Metadata\\SAMLParser::parseDescriptorsString(file_get_contents($file)) as $entity => $parser) {
    $parsed = $parser->getMetadata20SP();
    if ($parsed === null) {
      throw new Exception("no SAML 2.0 service provider in $file");
    }
    $metadata[$entity] = $parsed;
  }
}
`;

/** Starts SimpleSAMLphp with the given people, each `{ 'login:password': { attribute: [values] } }`. */
export async function startSimpleSamlPhp(people) {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-simplesamlphp-'));
  for (const name of ['cert', 'data', 'log', 'metadata', 'service-providers', 'sessions', 'tmp']) {
    mkdirSync(join(folder, name));
  }
  const port = await freePort();
  const url = `http://localhost:${port}`;
  writeFileSync(join(folder, 'config.php'), config(folder, url));
  writeFileSync(join(folder, 'authsources.php'), authSources(people));
  writeFileSync(join(folder, 'metadata', 'saml20-idp-hosted.php'), identityProvider);
  writeFileSync(join(folder, 'metadata', 'saml20-sp-remote.php'), serviceProviders(folder));
  const key = join(folder, 'cert', 'idp.key');
  const certificate = join(folder, 'cert', 'idp.crt');
  const subject = ['-subj', '/CN=SimpleSAMLphp under test', '-days', '2'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', certificate, ...subject],
    { stdio: 'pipe' },
  );

  // Two workers: its metadata page is fetched by Portcullis while the browser holds a connection open.
  const environment = { ...process.env, SIMPLESAMLPHP_CONFIG_DIR: folder, PHP_CLI_SERVER_WORKERS: '2' };
  const options = ['-d', 'display_errors=0', '-d', 'opcache.enable_cli=1', '-d', `session.save_path=${folder}/sessions`];
  const started = startProcess(
    'simplesamlphp',
    'php',
    [...options, '-S', `127.0.0.1:${port}`, '-t', join(installation, 'www')],
    { env: environment },
  );
  const metadataUrl = `${url}/saml2/idp/metadata.php`;
  const stop = async () => {
    await started.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await answering(metadataUrl);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    metadataUrl,
    /** Trusts the service provider whose metadata document is `xml`. */
    trust(name, xml) {
      writeFileSync(join(folder, 'service-providers', `${name}.xml`), xml);
    },
    stop,
  };
}

async function answering(url) {
  let last;
  for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    try {
      const response = await fetch(url);
      if (response.ok) return;
      last = `${response.status}: ${(await response.text()).slice(0, 500)}`;
    } catch (error) {
      last = error.message;
    }
  }
  throw new Error(`${url} did not answer: ${last}`);
}
