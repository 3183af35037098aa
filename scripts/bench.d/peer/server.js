// A SMART gateway of the open-source FHIR Works kind, as far as its packages go: fhir-works-on-aws-routing takes the
// requests, an ES256 token is checked for each, the upstream is asked, and every entry must be the patient's. Its own
// authorization package is not published, so that step is written here as theirs describes it.
//
//     node server.js PORT UPSTREAM PATIENTS.json TOKENS.json
//
// PATIENTS.json holds patient ids; a token for each is written to TOKENS.json before it listens.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const { Pool } = require('undici');
const { generateServerlessRouter } = require('fhir-works-on-aws-routing');
const { stubs } = require('fhir-works-on-aws-interface');

const [port, upstream, patientsFile, tokensFile] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const base = new URL(upstream);
const pool = new Pool(base.origin, { connections: 64, pipelining: 1, keepAliveTimeout: 600_000 });

const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function sign(claims) {
  const text = `${encoded({ alg: 'ES256', typ: 'JWT' })}.${encoded(claims)}`;
  const signature = crypto.sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

function verify(token) {
  const [head, claims, signature] = (token || '').split('.');
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' };
  const good = crypto.verify('sha256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature || '', 'base64url'));
  const said = good ? JSON.parse(Buffer.from(claims, 'base64url')) : {};
  if (said.iss !== issuer || !(said.exp > Date.now() / 1000)) {
    throw new Error('the token is not valid');
  }
  return said;
}

async function ask(path) {
  const answer = await pool.request({ method: 'GET', path: base.pathname + path, headers: { accept: 'application/fhir+json' } });
  if (answer.statusCode !== 200) {
    answer.body.resume();
    throw new Error(`the upstream answers ${answer.statusCode}`);
  }
  return answer.body.json();
}

const belongs = (resource, patient) =>
  resource.resourceType === 'Patient' ? resource.id === patient : resource.subject?.reference === `Patient/${patient}`;

const authorization = {
  ...stubs.passThroughAuthz,
  async verifyAccessToken({ accessToken, resourceType, operation }) {
    const claims = verify(accessToken);
    const action = operation === 'read' ? 'r' : 's';
    const covers = claims.scope.split(' ').some((scope) => {
      const [, type, actions] = /^patient\/(\*|\w+)\.([a-z]+)$/.exec(scope) || [];
      return type && (type === '*' || type === resourceType) && actions.includes(action);
    });
    if (!covers) {
      throw new Error('no scope covers it');
    }
    return claims;
  },
  async authorizeAndFilterReadResponse({ operation, userIdentity, readResponse }) {
    if (operation !== 'search-type') {
      if (!belongs(readResponse, userIdentity.patient)) {
        throw new Error('somebody else');
      }
      return readResponse;
    }
    const entry = readResponse.entry.filter(({ resource }) => belongs(resource, userIdentity.patient));
    return { ...readResponse, entry, total: entry.length };
  },
};

const persistence = {
  async readResource({ resourceType, id }) {
    return { message: 'read', resource: await ask(`/${resourceType}/${id}`) };
  },
};

const search = {
  ...stubs.search,
  async getCapabilities() {
    return {};
  },
  async typeSearch({ resourceType, queryParams, baseUrl }) {
    const bundle = await ask(`/${resourceType}?${new URLSearchParams(queryParams)}`);
    const entries = bundle.entry.map(({ resource }) => ({
      fullUrl: `${baseUrl}/${resourceType}/${resource.id}`,
      resource,
      search: { mode: 'match' },
    }));
    return { result: { numberOfResults: entries.length, entries, message: '' } };
  },
};

const app = generateServerlessRouter(
  {
    configVersion: 1,
    productInfo: { orgName: 'Bench' },
    auth: { strategy: { service: 'OAuth' }, authorization },
    server: { url: issuer },
    validators: [],
    profile: {
      fhirVersion: '4.0.1',
      systemOperations: [],
      bundle: stubs.bundle,
      systemSearch: stubs.search,
      systemHistory: stubs.history,
      genericResource: {
        operations: ['read', 'search-type'],
        fhirVersions: ['4.0.1'],
        persistence,
        typeSearch: search,
        typeHistory: stubs.history,
      },
    },
  },
  ['Patient', 'Observation'],
);

const patients = JSON.parse(fs.readFileSync(patientsFile, 'utf8'));
const exp = Math.floor(Date.now() / 1000) + 86_400;
const token = (patient) => sign({ iss: issuer, sub: patient, patient, scope: 'patient/*.rs', exp });
fs.writeFileSync(tokensFile, JSON.stringify(Object.fromEntries(patients.map((patient) => [patient, token(patient)]))));
const server = app.listen(Number(port), '127.0.0.1');
server.keepAliveTimeout = 600_000;
