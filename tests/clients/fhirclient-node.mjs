// fhirclient (npm, on a server) proves: the standalone launch of a confidential app, the record of both practices under
// one patient, and a refresh after which the app reads on.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import smart from 'fhirclient';
import { onlyPatient, whole } from './support/check.mjs';
import { SCOPE, account, confidentialApp, demo } from './support/demo.mjs';
import { TYPES } from './support/fixtures.mjs';
import { signIn } from './support/sign_in.mjs';

const session = new Map();
const storage = {
  get: async (key) => session.get(key),
  set: async (key, value) => (session.set(key, value), value),
  unset: async (key) => session.delete(key),
};

async function readAll(client) {
  const record = { Patient: await client.patient.read() };
  for (const type of TYPES) {
    record[type] = await client.request(`${type}?patient=${client.patient.id}`, { pageLimit: 0, flat: true });
  }
  return record;
}

const app = createServer(async (request, response) => {
  const api = smart(request, response, storage);
  try {
    if (request.url === '/launch') {
      const { client_id: clientId, secret: clientSecret } = confidentialApp;
      await api.authorize({ iss: demo.fhir, clientId, clientSecret, scope: SCOPE, redirectUri: '/callback' });
      return;
    }
    const client = await api.ready();
    const before = { token: client.state.tokenResponse.access_token, record: await readAll(client) };
    await client.refresh();
    const after = { token: client.state.tokenResponse.access_token, record: await readAll(client) };
    const { patient, user } = client;
    response.end(JSON.stringify({ patient: patient.id, fhirUser: user.fhirUser, sub: client.getIdToken()?.sub, before, after }));
  } catch (error) {
    response.writeHead(500).end(JSON.stringify({ error: String(error.stack) }));
  }
}).listen(0, '127.0.0.1');
await once(app, 'listening');
const origin = `http://127.0.0.1:${app.address().port}`;

const launch = await fetch(`${origin}/launch`, { redirect: 'manual' });
assert.equal(launch.status, 302, await launch.text());
const maria = account('maria');
const callback = await signIn(launch.headers.get('location'), { account: maria, redirectUri: `${origin}/callback` });
const answer = await (await fetch(callback)).json();
app.close();

assert.equal(answer.error, undefined, answer.error);
assert.equal(answer.patient, maria.person_id);
assert.ok(answer.fhirUser?.endsWith(`Patient/${maria.person_id}`), `fhirUser: ${answer.fhirUser}`);
assert.ok(answer.sub, 'the id_token says who signed in');
assert.notEqual(answer.before.token, answer.after.token, 'a refresh brings another access token');
for (const { record } of [answer.before, answer.after]) {
  assert.equal(record.Patient.id, maria.person_id);
  for (const type of TYPES) {
    whole('maria-alvarez', type, record[type]);
    onlyPatient(maria.person_id, record[type]);
  }
}
