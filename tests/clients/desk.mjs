// Chromium proves, without JavaScript: staff verify a patient and hand out a code, and the patient links the chart with it in
// few pages and few fields. A code that has ended is told apart. The pages are labelled and narrow, and fetch nothing from
// elsewhere.
import assert from 'node:assert/strict';
import { accessible, browser, open, picture } from './support/browser.mjs';
import { account, demo } from './support/demo.mjs';

const there = (path) => `${demo.issuer}${path}`;
const clerk = account('clerk');
const code = (words) => demo.codes.find((one) => one.words.includes(words)).code;

/** A window in which pages and typed fields are counted. */
async function person() {
  const window = await open({ javaScriptEnabled: false });
  const seen = { pages: 0, typed: 0, origins: new Set() };
  window.page.on('request', (request) => seen.origins.add(new URL(request.url()).origin));
  const at = async (path) => {
    await window.page.waitForURL(there(path));
    seen.pages += 1;
  };
  const type = async (name, text) => {
    await window.page.fill(`input[name=${name}]`, text);
    seen.typed += 1;
  };
  return { ...window, seen, at, type };
}

/** `accessible` asks the page itself, which takes a script: the same address in a window that runs them. */
async function looksGood(window, name) {
  const state = await window.context.storageState();
  const scripted = await open({ storageState: state });
  await scripted.page.goto(window.page.url());
  await accessible(scripted.page, name);
  await scripted.context.close();
}

try {
  // The patient: a code from a slip, a new account, "this is me".
  const daniel = await person();
  await daniel.page.goto(there('/invite'));
  await daniel.at('/invite');
  await looksGood(daniel, 'invite');
  await daniel.type('code', code('Daniel').toLowerCase());
  await daniel.type('birth_date', '1991-04-14');
  await daniel.type('family', 'Okafor');
  await daniel.page.click('main form[action="/invite"] button');
  await daniel.at('/invite/account');
  await looksGood(daniel, 'invite-account');
  await daniel.type('username', 'daniel');
  await daniel.type('password', 'seven green bicycles at noon');
  await daniel.page.click('form[action="/invite/account"] button');
  await daniel.at('/invite/confirm');
  await looksGood(daniel, 'invite-confirm');
  const asked = await daniel.page.innerText('main');
  assert.ok(asked.includes('D. O.') && asked.includes('1991') && !asked.includes('Okafor'), asked);
  await daniel.page.click('button[name=answer][value=yes]');
  await daniel.at('/');
  assert.ok((await daniel.page.innerText('main')).includes('Riverside Family Practice'));
  assert.ok(daniel.seen.pages <= 8 && daniel.seen.typed <= 6, JSON.stringify(daniel.seen));
  assert.deepEqual([...daniel.seen.origins], [demo.issuer], 'W17: nothing from elsewhere');
  await daniel.context.close();

  // A code that has ended: what can be done, and not what it was for.
  const amara = await person();
  await amara.page.goto(there('/invite'));
  await amara.type('code', code('Amara'));
  await amara.type('birth_date', '1993-09-27');
  await amara.type('family', 'Okafor');
  await amara.page.click('main form[action="/invite"] button');
  const ended = await amara.page.innerText('main');
  assert.ok(ended.includes('This code has ended') && ended.includes('a***@m***.example'), ended);
  await amara.page.click('form[action="/invite/renew"] button');
  assert.ok((await amara.page.innerText('main')).includes('A new code is on its way'));
  await amara.context.close();

  // The front desk: two clicks from a patient to the slip.
  const desk = await person();
  await desk.page.goto(there('/sign-in?next=/clinic'));
  await desk.type('username', clerk.username);
  await desk.type('password', clerk.password);
  await desk.page.click('main form[action="/sign-in"] button');
  await desk.at('/clinic/work');
  await looksGood(desk, 'work');
  await desk.page.click('form[action="/clinic/work"] button');
  await desk.at('/clinic');
  await looksGood(desk, 'desk');
  await desk.page.fill('input[name=number]', 'MRN-864673');
  await desk.page.click('form[action="/clinic/find"] button');
  await desk.page.click('form[action="/clinic/verify"] button');
  await desk.page.check('input[name=photo_compared]');
  await desk.page.click('form[action="/clinic/issue"] button');
  const slip = await desk.page.innerText('main');
  assert.match(slip, /[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}/);
  assert.ok(!slip.includes('Whitfield') && !slip.includes('1984'), 'a slip names nobody');
  await picture(desk.page, 'slip');
  for (const path of ['/clinic/invitations', '/clinic/queue']) {
    await desk.page.goto(there(path));
    await looksGood(desk, path);
  }
  assert.ok((await desk.page.innerText('main')).includes('Ruth Abernathy'), 'a claim waits');
  assert.deepEqual([...desk.seen.origins], [demo.issuer], 'W17: nothing from elsewhere');
  await desk.context.close();
  const strange = await open();
  await strange.page.goto(there('/find?name=riverside'));
  await accessible(strange.page, 'find');
  assert.deepEqual(strange.complaints, []);
  await strange.context.close();
} finally {
  await browser.close();
}
