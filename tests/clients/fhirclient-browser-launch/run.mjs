// fhirclient (npm, in Chromium, every kind of app) proves: pages of another origin are opened from the portal for a person
// and a visit, and launch by themselves, as a public app, with a secret, and with a key; they read, and refresh where the
// library can, as it does by default (a public app does not name itself then). No console error, no violation of a policy.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { accessible, browser, open } from '../support/browser.mjs';
import { account, demo } from '../support/demo.mjs';
import { addClient, data } from '../support/operator.mjs';

const maria = account('maria');
const KINDS = ['public', 'secret', 'ES384', 'RS384'];
const KEYS = {
  ES384: { name: 'ECDSA', namedCurve: 'P-384' },
  RS384: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
};
const FILES = {
  '/launch.js': [new URL('launch.js', import.meta.url), 'text/javascript'],
  '/index.js': [new URL('index.js', import.meta.url), 'text/javascript'],
  '/fhir-client.js': [createRequire(import.meta.url).resolve('fhirclient/build/fhir-client.js'), 'text/javascript'],
};
const clients = {};

/** The apps' own site: a folder for each of them. */
const site = createServer((incoming, response) => {
  const path = new URL(incoming.url, 'http://app').pathname;
  const [, kind, page] = path.split('/');
  const [file, type] = FILES[path] ?? (clients[kind] && page?.endsWith('.html') ? [new URL(page, import.meta.url), 'text/html'] : []);
  const headers = { 'content-type': `${type ?? 'text/javascript'}; charset=utf-8` };
  if (file) return response.writeHead(200, headers).end(readFileSync(file));
  if (page !== 'client.js') return response.writeHead(404).end();
  return response.writeHead(200, headers).end(`const CLIENT = ${JSON.stringify(clients[kind])};`);
}).listen(0, '127.0.0.1');
await once(site, 'listening');
const origin = `http://127.0.0.1:${site.address().port}`;

async function register(kind) {
  const options = ['--redirect-uri', `${origin}/${kind}/index.html`, '--launch-uri', `${origin}/${kind}/launch.html`];
  if (!KEYS[kind]) {
    const { id, secret } = addClient(`Opened ${kind}`, kind === 'secret' ? [...options, '--confidential'] : options);
    return { clientId: id, clientSecret: secret };
  }
  const pair = await crypto.subtle.generateKey(KEYS[kind], true, ['sign', 'verify']);
  const jwk = async (key) => ({ ...(await crypto.subtle.exportKey('jwk', key)), kid: kind, alg: kind });
  const { id } = addClient(`Opened ${kind}`, options, { keys: [{ ...(await jwk(pair.publicKey)), key_ops: ['verify'] }] });
  return { clientId: id, clientPrivateJwk: await jwk(pair.privateKey) };
}

/** Allows, and looks at what the app found. */
async function finish({ page, complaints }, kind, visit) {
  const allow = page.locator('button[name=decision][value=allow]');
  await allow.waitFor();
  assert.ok((await page.innerText('main')).includes(`Opened ${kind}`), 'the consent page names the app');
  await allow.click();
  await page.waitForURL((url) => url.href.startsWith(`${origin}/${kind}/index.html`));
  await page.locator('#record:not([hidden]), #problem:not([hidden])').first().waitFor({ timeout: 60_000 });
  assert.equal(await page.textContent('#problem'), '', `${kind}: ${complaints.join('\n')}`);
  const seen = JSON.parse(await page.textContent('#record'));
  assert.equal(seen.told.patient, maria.person_id);
  assert.equal(seen.patient.id, maria.person_id);
  assert.ok(seen.fhirUser.endsWith(`Patient/${maria.person_id}`), seen.fhirUser);
  assert.equal(seen.told.encounter ?? '', visit);
  assert.equal(seen.encounter?.id ?? '', visit);
  assert.equal(seen.told.need_patient_banner, true);
  assert.equal(seen.refreshed, KEYS[kind] ? undefined : true);
  assert.deepEqual(complaints, [], kind);
}

if (data) {
  try {
    const window = await open();
    await window.page.goto(`${demo.issuer}/sign-in`);
    await window.page.fill('input[name=username]', maria.username);
    await window.page.fill('input[name=password]', maria.password);
    await window.page.keyboard.press('Enter');
    await window.page.waitForURL(`${demo.issuer}/`);
    for (const kind of KINDS) {
      clients[kind] = await register(kind);
      // From the portal, about a visit.
      await window.page.goto(`${demo.issuer}/launch?person=${maria.person_id}`);
      if (kind === 'public') await accessible(window.page, 'launch');
      await window.page.selectOption('select[name=encounter]', { index: 1 });
      const visit = await window.page.inputValue('select[name=encounter]');
      assert.ok(visit);
      await window.page.getByRole('button', { name: `Open Opened ${kind}` }).click();
      await finish(window, kind, visit);
      // By itself.
      await window.page.goto(`${origin}/${kind}/launch.html?${new URLSearchParams({ iss: demo.fhir })}`);
      await finish(window, kind, '');
    }
    await window.context.close();
  } finally {
    await browser.close();
    site.close();
  }
} else {
  await browser.close();
  site.close();
  console.log('not tried: apps are registered where the data of the demo are known');
}
