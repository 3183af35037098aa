// Chromium proves, without JavaScript: staff verify a patient and hand out a code, and the patient links the chart with it and
// reads it in few pages and few fields; a second practice joins the same account; a code that has ended is told apart, and the
// one that is mailed in its place works. The pages are labelled and narrow, and fetch nothing from elsewhere.
import assert from 'node:assert/strict';
import { accessible, browser, open, picture } from './support/browser.mjs';
import { account, demo } from './support/demo.mjs';
import { called } from './support/fixtures.mjs';
import { letter } from './support/mail.mjs';
import { data } from './support/operator.mjs';

const there = (path) => `${demo.issuer}${path}`;
const clerk = account('clerk');
const code = (words) => demo.codes.find((one) => one.words.includes(words)).code;

/** A window in which pages and typed fields are counted. */
async function person() {
  const window = await open({ javaScriptEnabled: false });
  const seen = { pages: 0, typed: 0, origins: new Set() };
  window.page.on('request', (request) => seen.origins.add(new URL(request.url()).origin));
  const at = async (path) => {
    await window.page.waitForURL(typeof path === 'string' ? there(path) : path);
    seen.pages += 1;
  };
  const type = async (name, text) => {
    await window.page.fill(`input[name=${name}]`, text);
    seen.typed += 1;
  };
  return { ...window, seen, at, type };
}

/** Whether the record that is open has something of a patient's chart at a practice. */
async function shows(page, folder, patient) {
  const text = await page.innerText('main');
  const known = called(folder, patient);
  assert.ok(known.length && known.some((name) => text.includes(name)), `none of ${known.join(', ')}:\n${text}`);
}

async function answerSlip(window, code, birthDate, family) {
  await window.page.goto(there('/invite'));
  await window.type('code', code);
  await window.type('birth_date', birthDate);
  await window.type('family', family);
  await window.page.click('main form[action="/invite"] button');
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
  // The first clinical data: what his practice wrote down of him.
  await daniel.page.click('main a[href^="/record"]');
  await daniel.at((url) => url.pathname === '/record');
  await shows(daniel.page, 'family-practice', 'pat-1010');
  await looksGood(daniel, 'record');
  assert.ok(daniel.seen.pages <= 8 && daniel.seen.typed <= 6, JSON.stringify(daniel.seen));
  assert.deepEqual([...daniel.seen.origins], [demo.issuer], 'W17: nothing from elsewhere');
  await daniel.context.close();

  // A second practice: no new account, and the record has both.
  const carlos = await person();
  await carlos.page.goto(there('/sign-in'));
  await carlos.type('username', account('carlos').username);
  await carlos.type('password', account('carlos').password);
  await carlos.page.click('main form[action="/sign-in"] button');
  await carlos.at('/');
  await answerSlip(carlos, code('second practice'), '1961-11-02', 'Alvarez Medina');
  await carlos.at('/invite/confirm');
  await carlos.page.click('button[name=answer][value=yes]');
  await carlos.at('/');
  const both = await carlos.page.innerText('main');
  assert.ok(both.includes('Riverside Family Practice') && both.includes('Lakeside Cardiology'), both);
  await carlos.page.click('main a[href^="/record"]');
  await carlos.at((url) => url.pathname === '/record');
  const sources = await carlos.page.innerText('main');
  assert.ok(sources.includes('From Riverside Family Practice') && sources.includes('From Lakeside Cardiology'), sources);
  await shows(carlos.page, 'cardiology-clinic', 'etvshRQvUS-zNsyJQH-qlY7fk-Ilh67VPRyfLAkWrx.bS');
  await carlos.context.close();

  // A code that has ended: what can be done, and not what it was for. The new one comes to the address on file, and works.
  const amara = await person();
  await answerSlip(amara, code('Amara'), '1993-09-27', 'Okafor');
  const ended = await amara.page.innerText('main');
  assert.ok(ended.includes('This code has ended') && ended.includes('a***@m***.example'), ended);
  await amara.page.click('form[action="/invite/renew"] button');
  assert.ok((await amara.page.innerText('main')).includes('A new code is on its way'));
  if (data) {
    const { match: [renewed] } = await letter(data, '@m', /\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b/);
    await answerSlip(amara, renewed, '1993-09-27', 'Okafor');
    await amara.at('/invite/account');
    await amara.type('username', 'amara');
    await amara.type('password', 'seven green bicycles at noon');
    await amara.page.click('form[action="/invite/account"] button');
    await amara.at('/invite/confirm');
    await amara.page.click('button[name=answer][value=yes]');
    await amara.at('/');
    await amara.page.click('main a[href^="/record"]');
    await amara.at((url) => url.pathname === '/record');
    await shows(amara.page, 'family-practice', 'pat-1009');
  }
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
