// The demo's own app proves: what the demo tells a newcomer to open works in an ordinary browser. It connects, and shows
// the record of both practices, with as many entries as the fixtures hold, and no word of anything missing.
import assert from 'node:assert/strict';
import { accessible, browser, decide, open, picture } from './support/browser.mjs';
import { account, demo } from './support/demo.mjs';
import { expected, expectedCount } from './support/fixtures.mjs';

const maria = account('maria');
const SECTIONS = { Conditions: 'Condition', Medications: 'MedicationRequest', Appointments: 'Appointment', Messages: 'Communication' };

try {
  const { page, complaints } = await open();
  await page.goto(demo.app);
  await page.locator('#connect').click();
  await decide(page, maria, 'allow', 'demo-app');
  await page.waitForURL((url) => url.origin === new URL(demo.app).origin);
  await page.locator('h2', { hasText: 'Messages' }).or(page.locator('#status', { hasText: 'did not work' })).first().waitFor();
  const status = await page.textContent('#status');
  for (const { practice } of expected('maria-alvarez', 'Condition')) {
    assert.ok(status.includes(practice), `the app names ${practice}: ${status}`);
  }
  await page.waitForLoadState('networkidle');
  for (const [title, type] of Object.entries(SECTIONS)) {
    const heading = await page.locator('h2', { hasText: title }).textContent();
    assert.equal(heading, `${title} (${expectedCount('maria-alvarez', type, true)})`);
  }
  assert.equal(await page.locator('.missing').count(), 0, 'nothing is missing');
  await accessible(page, 'demo app');
  await picture(page, 'demo-app-record');
  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
}
