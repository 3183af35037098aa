// What the running demo said of itself when it was ready: addresses, people, apps.
import { readFileSync } from 'node:fs';

const file = process.env.CHARTGATE_DEMO;
if (!file) throw new Error('CHARTGATE_DEMO names no file: start this through tests/clients/run');

export const demo = JSON.parse(readFileSync(file, 'utf8'));

/** The scopes of an app that reads the whole record of one person, and stays connected. */
export const SCOPE = 'launch/patient openid fhirUser offline_access patient/*.rs';

/** What a client has to be told to speak http, which it does on loopback alone. */
export const relaxed = (oidc) => (demo.issuer.startsWith('https:') ? [] : [oidc.allowInsecureRequests]);

export const account = (username) => one(demo.accounts, 'username', username);
export const publicApp = one(demo.clients, 'kind', 'public');
export const confidentialApp = one(demo.clients, 'kind', 'confidential-symmetric');

function one(list, key, value) {
  const found = list.filter((item) => item[key] === value);
  if (found.length !== 1) throw new Error(`the demo lists ${found.length} entries with ${key} ${value}, expected one`);
  return found[0];
}
