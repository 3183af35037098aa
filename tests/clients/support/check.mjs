// The questions that every client's answers are asked.
import assert from 'node:assert/strict';
import { expected } from './fixtures.mjs';

/** Exactly the person's resources of a type, from every practice, once each. */
export function whole(person, type, resources, everything = false) {
  const foreign = resources.filter((resource) => resource.resourceType !== type);
  assert.deepEqual(foreign, [], `a search for ${type} brought something else`);
  const rest = new Set(resources.map(({ id }) => id));
  assert.equal(rest.size, resources.length, `${type}: the same resource twice`);
  for (const { practice, key, ids, hashed } of expected(person, type, everything)) {
    const shown = [...rest].filter((id) => id.startsWith(`${key}.`));
    shown.forEach((id) => rest.delete(id));
    const inHashedForm = shown.filter((id) => id.startsWith(`${key}.h-`));
    assert.deepEqual(shown.filter((id) => !id.startsWith(`${key}.h-`)).sort(), ids, `${type} of ${practice}`);
    assert.equal(inHashedForm.length, hashed, `${type} of ${practice} with hashed ids`);
    assert.ok(ids.length + hashed > 0, `the fixtures hold no ${type} of ${person} at ${practice}: nothing was proved`);
  }
  assert.deepEqual([...rest], [], `${type} from nowhere`);
}

/** Every reference to a patient, anywhere in these resources, is to this one. */
export function onlyPatient(id, resources) {
  const patients = new Set(JSON.stringify(resources).match(/"reference":"Patient\/[^"]*"/g));
  assert.deepEqual([...patients], [`"reference":"Patient/${id}"`], 'references to patients');
}

/** The resources that match, of a searchset Bundle. An entry that tells of a gap fails. */
export function matches(bundle) {
  assert.equal(bundle.resourceType, 'Bundle');
  assert.equal(bundle.type, 'searchset');
  const entries = bundle.entry ?? [];
  const others = entries.filter((entry) => entry.search?.mode !== 'match');
  assert.deepEqual(others, [], 'nothing is down, and nothing was asked to be included');
  return entries.map((entry) => entry.resource);
}
