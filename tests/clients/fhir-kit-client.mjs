// fhir-kit-client (npm) proves: discovery in the three places where it looks, search by GET and by POST, paging with
// `next` to the end giving every resource of both practices exactly once, and a 403 for a type the person held back.
import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';
import { authorize } from './support/authorize.mjs';
import { matches, onlyPatient, whole } from './support/check.mjs';
import { SCOPE, account, demo, publicApp } from './support/demo.mjs';
import { TYPES, expectedCount } from './support/fixtures.mjs';

const maria = account('maria');
const token = await authorize({ client: publicApp, account: maria, scope: SCOPE });
const client = new Client({ baseUrl: demo.fhir, bearerToken: token.access_token });

const endpoints = await client.smartAuthMetadata();
assert.ok(endpoints.authorizeUrl.href.startsWith(demo.issuer), 'the authorization endpoint is at the issuer');
assert.ok(endpoints.tokenUrl.href.startsWith(demo.issuer), 'the token endpoint is at the issuer');

const patient = token.patient;
assert.equal(patient, maria.person_id);

/** All pages of a search. */
async function pagesOf(resourceType, searchParams) {
  const found = [];
  let page = await client.search({ resourceType, searchParams });
  for (let pages = 1; page; page = await client.nextPage({ bundle: page }), pages += 1) {
    const entries = matches(page);
    assert.ok(entries.length <= searchParams._count, `${resourceType}: a page of ${entries.length}`);
    assert.ok(pages <= 500, `${resourceType}: paging does not end`);
    found.push(...entries);
  }
  return found;
}

for (const resourceType of TYPES) {
  const search = { resourceType, searchParams: { patient } };
  // Without _count a page has the size that the server likes.
  const byGet = matches(await client.search(search));
  const byPost = matches(await client.search(search, { postSearch: true }));
  assert.deepEqual(byPost.map(({ id }) => id), byGet.map(({ id }) => id), `${resourceType}: POST answers like GET`);

  // Who wants to know how many there are says so: counting means to fetch everything.
  const first = await client.search({ resourceType, searchParams: { patient, _count: 7, _total: 'accurate' } });
  assert.equal(first.total, expectedCount('maria-alvarez', resourceType), `${resourceType}: total`);
  const paged = await pagesOf(resourceType, { patient, _count: 7 });
  whole('maria-alvarez', resourceType, paged);
  onlyPatient(patient, paged);

  // Who the record is about is in the token: an app need not say it again.
  const unsaid = await pagesOf(resourceType, { _count: 50 });
  whole('maria-alvarez', resourceType, unsaid, true);
  onlyPatient(patient, unsaid);

  // Small pages tell the same story in the same order as large ones.
  assert.deepEqual(paged.slice(0, byGet.length).map(({ id }) => id), byGet.map(({ id }) => id), `${resourceType}: order`);
  const read = await client.read({ resourceType, id: paged.at(-1).id });
  assert.deepEqual(read, paged.at(-1), `${resourceType}: a read gives what the search gave`);
}

const narrow = await authorize({
  client: publicApp, account: maria, scope: SCOPE, untick: (value) => value.includes('Observation'),
});
assert.ok(!narrow.scope.includes('Observation'), `unticked and granted all the same: ${narrow.scope}`);
client.bearerToken = narrow.access_token;
await assert.rejects(
  client.search({ resourceType: 'Observation', searchParams: { patient } }),
  (error) => error.response?.status === 403,
  'a search for a type that the person held back is a 403',
);
assert.ok(matches(await client.search({ resourceType: 'Condition', searchParams: { patient } })).length > 0);
