// fhirclient (npm, on a server) proves: standalone and EHR launch of a public app, of one with a secret and of one with a
// key; the record of both practices under one patient, and a refresh after which the app reads on.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import smart from 'fhirclient';
import { onlyPatient, whole } from './support/check.mjs';
import { SCOPE, account, confidentialApp, demo, publicApp } from './support/demo.mjs';
import { TYPES } from './support/fixtures.mjs';
import { addClient, data } from './support/operator.mjs';
import { openApp, session, signIn } from './support/sign_in.mjs';

const maria = account('maria');
const REDIRECT = '/callback';
let app;
let held = new Map();
const storage = {
  get: async (key) => held.get(key),
  set: async (key, value) => (held.set(key, value), value),
  unset: async (key) => held.delete(key),
};

async function readAll(client) {
  const record = { Patient: await client.patient.read() };
  for (const type of TYPES) {
    record[type] = await client.request(`${type}?patient=${client.patient.id}`, { pageLimit: 0, flat: true });
  }
  return record;
}

const server = createServer(async (request, response) => {
  const api = smart(request, response, storage);
  try {
    if (request.url.startsWith('/launch')) {
      const isOpened = new URL(request.url, origin).searchParams.has('launch');
      const scope = isOpened ? SCOPE.replace('launch/patient', 'launch') : SCOPE;
      await api.authorize({ ...(isOpened ? {} : { iss: demo.fhir }), ...app, scope, redirectUri: REDIRECT });
      return;
    }
    const client = await api.ready();
    const before = { token: client.state.tokenResponse.access_token, record: await readAll(client) };
    let after = null;
    // fhirclient proves itself with a key for the code only: it cannot refresh such an app.
    if (!app.clientPrivateJwk) {
      await client.refresh();
      after = { token: client.state.tokenResponse.access_token, record: await readAll(client) };
    }
    const { patient, user } = client;
    response.end(JSON.stringify({ patient: patient.id, fhirUser: user.fhirUser, sub: client.getIdToken()?.sub, before, after }));
  } catch (error) {
    response.writeHead(500).end(JSON.stringify({ error: String(error.stack) }));
  }
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://127.0.0.1:${server.address().port}`;

/** One launch from the address that the person's browser is sent to first. */
async function launched(address, cookies) {
  held = new Map();
  const launch = await fetch(address, { redirect: 'manual' });
  assert.equal(launch.status, 302, await launch.text());
  const redirectUri = `${origin}${REDIRECT}`;
  const callback = await signIn(launch.headers.get('location'), { account: maria, redirectUri, cookies });
  const answer = await (await fetch(callback)).json();
  assert.equal(answer.error, undefined, answer.error);
  assert.equal(answer.patient, maria.person_id);
  assert.ok(answer.fhirUser?.endsWith(`Patient/${maria.person_id}`), `fhirUser: ${answer.fhirUser}`);
  assert.ok(answer.sub, 'the id_token says who signed in');
  assert.notEqual(answer.before.token, answer.after?.token, 'a refresh brings another access token');
  for (const { record } of [answer.before, answer.after].filter(Boolean)) {
    assert.equal(record.Patient.id, maria.person_id);
    for (const type of TYPES) {
      whole('maria-alvarez', type, record[type]);
      onlyPatient(maria.person_id, record[type]);
    }
  }
}

const { client_id: clientId, secret: clientSecret } = confidentialApp;
for (app of [{ clientId: publicApp.client_id }, { clientId, clientSecret }]) await launched(`${origin}/launch`);

if (data) {
  const options = ['--redirect-uri', `${origin}${REDIRECT}`, '--launch-uri', `${origin}/launch`];
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify']);
  const jwk = async (key) => ({ ...(await crypto.subtle.exportKey('jwk', key)), kid: 'node', alg: 'ES384' });
  const { key_ops: _, ...shown } = await jwk(pair.publicKey);
  const plain = addClient('Node public', options);
  const secret = addClient('Node secret', [...options, '--confidential']);
  const keyed = addClient('Node key', options, { keys: [shown] });
  const cookies = await session(demo.issuer, maria);
  for (app of [
    { clientId: plain.id },
    { clientId: secret.id, clientSecret: secret.secret },
    { clientId: keyed.id, clientPrivateJwk: await jwk(pair.privateKey) },
  ]) {
    const opened = await openApp(demo.issuer, cookies, { person: maria.person_id, app: app.clientId });
    assert.equal(opened.searchParams.get('iss'), demo.fhir);
    await launched(opened, cookies);
    if (app.clientPrivateJwk) await launched(`${origin}/launch`, cookies);
  }
} else console.log('no EHR launch was tried: apps are registered where the data of the demo are known');
server.close();
