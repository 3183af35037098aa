// What must be found, read from fixtures/ by a filter of its own: a second reading, that shares nothing with the gateway.
import { readFileSync } from 'node:fs';
import { demo } from './demo.mjs';

const ROOT = new URL('../../../fixtures/', import.meta.url);
const wiring = readFileSync(new URL('demo.toml', ROOT), 'utf8').split(/^\[\[/m);

/** Organizations of demo.toml: key, name, folder. */
const organizations = wiring
  .filter((table) => table.startsWith('organization]]'))
  .map((table) => Object.fromEntries([...table.matchAll(/^(\w+) = "(.*)"$/gm)].map(([, key, value]) => [key, value])));

/** Where a person is known: [{ organization, patient }]. */
function links(person) {
  const table = wiring.find((text) => text.startsWith('person]]') && text.includes(`key = "${person}"`));
  if (!table) throw new Error(`demo.toml knows nobody with the key ${person}`);
  return [...table.matchAll(/\{ organization = "(.*?)", patient = "(.*?)" \}/g)].map(([, organization, patient]) => ({
    organization,
    patient,
  }));
}

// {{base}}/Patient/7/_history/2 and Patient/7 are one patient.
const names = (reference, patient) =>
  (reference?.reference ?? '').replace(/^\{\{base\}\}\//, '').replace(/\/_history\/.*$/, '') === `Patient/${patient}`;

/** Whose a resource is, by type. */
const BELONGS = {
  Observation: (resource, patient) => names(resource.subject, patient),
  MedicationRequest: (resource, patient) => names(resource.subject, patient),
  Condition: (resource, patient) => names(resource.subject, patient),
  Appointment: (resource, patient) => resource.participant.some((one) => names(one.actor, patient)),
  Communication: (resource, patient) => names(resource.subject, patient),
};

/** The types that can be counted. */
export const TYPES = Object.keys(BELONGS);

/** A message about nobody in particular is its sender's and its recipients': found without `patient`, not by it. */
const aboutNobody = (resource, patient) =>
  resource.resourceType === 'Communication' && !resource.subject &&
  [resource.sender, ...(resource.recipient ?? [])].some((one) => names(one, patient));

const held = (folder, type) =>
  readFileSync(new URL(`${folder}/${type}.ndjson`, ROOT), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/**
 * The ids under which the gateway must show a person's resources of a type, per practice:
 * [{ practice, key, ids, hashed }]. An id that is too long beside the source key, or begins like a hashed one, is shown
 * as a hash: of those only the number is known here. `everything` adds what a search without `patient` also finds.
 */
export function expected(person, type, everything = false) {
  return links(person).map(({ organization, patient }) => {
    const { name, folder } = organizations.find((entry) => entry.key === organization);
    const sources = demo.sources.filter((source) => source.name.startsWith(name));
    if (sources.length !== 1) throw new Error(`the demo lists ${sources.length} sources of ${name}`);
    const { key } = sources[0];
    const mine = held(folder, type).filter(
      (resource) => BELONGS[type](resource, patient) || (everything && aboutNobody(resource, patient)),
    );
    const plain = (id) => key.length + 1 + id.length <= 64 && !id.startsWith('h-');
    return {
      practice: name,
      key,
      ids: mine.filter(({ id }) => plain(id)).map(({ id }) => `${key}.${id}`).sort(),
      hashed: mine.filter(({ id }) => !plain(id)).length,
    };
  });
}

/** How many resources of a type a person has at all practices together. */
export const expectedCount = (person, type, everything) =>
  expected(person, type, everything).reduce((sum, { ids, hashed }) => sum + ids.length + hashed, 0);

/** What the medicines, problems, allergies and findings of a patient are called at a practice. */
export function called(folder, patient) {
  const types = { MedicationRequest: 'medicationCodeableConcept', Condition: 'code', AllergyIntolerance: 'code', Observation: 'code' };
  const of = ([type, element]) => held(folder, type)
    .filter((resource) => names(resource.subject ?? resource.patient, patient))
    .map((resource) => resource[element]?.text)
    .filter(Boolean);
  return Object.entries(types).flatMap(of);
}
