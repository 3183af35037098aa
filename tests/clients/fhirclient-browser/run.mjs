// fhirclient (npm, in Chromium) proves: a page of another origin launches standalone, a person signs in and allows, and
// the page reads one record of both practices. No console error, no violation of a content security policy. The sign-in
// and consent pages are labelled, narrow, usable by keyboard and without JavaScript.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { request } from '../support/authorize.mjs';
import { browser, decide, open, output } from '../support/browser.mjs';
import { onlyPatient, whole } from '../support/check.mjs';
import { SCOPE, account, demo, publicApp } from '../support/demo.mjs';
import { TYPES } from '../support/fixtures.mjs';

const maria = account('maria');

const FILES = {
  '/index.html': [new URL('index.html', import.meta.url), 'text/html'],
  '/app.js': [new URL('app.js', import.meta.url), 'text/javascript'],
  '/fhir-client.js': [createRequire(import.meta.url).resolve('fhirclient/build/fhir-client.js'), 'text/javascript'],
};
const site = createServer((incoming, response) => {
  const path = new URL(incoming.url, 'http://app').pathname;
  if (path === '/callback') return response.end('<!doctype html><html lang="en"><title>Back</title><link rel="icon" href="data:,"><h1>Back</h1></html>');
  const [file, type] = FILES[path] ?? [];
  if (!file) return response.writeHead(404).end();
  return response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(readFileSync(file));
}).listen(0, '127.0.0.1');
await once(site, 'listening');
const origin = `http://127.0.0.1:${site.address().port}`;

try {
  // The app of another origin, as a person with an ordinary browser meets it.
  const { context, page, complaints } = await open();
  await page.goto(`${origin}/index.html?${new URLSearchParams({ iss: demo.fhir, client: publicApp.client_id })}`);
  await decide(page, maria, 'allow', 'ordinary');
  await page.waitForURL((url) => url.origin === origin);
  await page.locator('#record:not([hidden]), #problem:not([hidden])').first().waitFor({ timeout: 60_000 });
  const problem = await page.textContent('#problem');
  assert.equal(problem, '', `the app failed: ${problem}\n${complaints.join('\n')}`);
  const { patient, fhirUser, record } = JSON.parse(await page.textContent('#record'));
  assert.deepEqual(complaints, []);
  assert.equal(patient, maria.person_id);
  assert.ok(fhirUser.endsWith(`Patient/${maria.person_id}`), fhirUser);
  assert.equal(record.Patient.id, maria.person_id);
  for (const type of TYPES) {
    whole('maria-alvarez', type, record[type]);
    onlyPatient(maria.person_id, record[type]);
  }
  await context.close();

  // The same pages with JavaScript switched off: first refused, then allowed.
  for (const decision of ['deny', 'allow']) {
    const plain = await open({ javaScriptEnabled: false });
    const { url, state } = await request({ client: publicApp, redirectUri: `${origin}/callback`, scope: SCOPE });
    await plain.page.goto(url.href);
    await decide(plain.page, maria, decision, `without-javascript-${decision}`);
    await plain.page.waitForURL((at) => at.origin === origin);
    const back = new URL(plain.page.url()).searchParams;
    assert.equal(back.get('state'), state);
    assert.equal(back.get('iss'), demo.issuer);
    assert.equal(back.get('error'), decision === 'deny' ? 'access_denied' : null);
    assert.equal(back.has('code'), decision === 'allow');
    assert.deepEqual(plain.complaints, []);
    await plain.context.close();
  }
  console.log(`pictures of the pages: ${output}`);
} finally {
  await browser.close();
  site.close();
}
