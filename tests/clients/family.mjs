// Chromium proves, without JavaScript: a mother switches between herself and two children; a teenager ends her father's
// expanded access while his page is open, and his next look shows less; a power of attorney that says until when it holds is
// over at that moment, with its page open; the pages are labelled, narrow, and in Spanish where that was chosen.
import assert from 'node:assert/strict';
import { accessible, browser, open } from './support/browser.mjs';
import { account, demo } from './support/demo.mjs';
import { chartgate, data } from './support/operator.mjs';

const there = (path) => `${demo.issuer}${path}`;

/** A window in which somebody is signed in. */
async function signedIn(username) {
  const window = await open({ javaScriptEnabled: false, viewport: { width: 320, height: 640 } });
  const { page } = window;
  await page.goto(there('/sign-in'));
  await page.fill('input[name=username]', username);
  await page.fill('input[name=password]', account(username).password);
  await page.click('main form[action="/sign-in"] button[type=submit]');
  await page.waitForURL(there('/'));
  return window;
}

/** So long the power of attorney holds: time to sign in and look, also on a busy machine. */
const HOLDS_SECONDS = 20;

/** `accessible` asks the page itself, which takes a script: the same address in a window that runs them. */
async function looksGood(window, name) {
  const scripted = await open({ storageState: await window.context.storageState() });
  await scripted.page.goto(window.page.url());
  await accessible(scripted.page, name);
  await scripted.context.close();
}

const inView = (page) => page.innerText('.switcher button[aria-current=true]');

try {
  // A mother switches between herself and two children.
  const dana = await signedIn('dana');
  assert.equal(await dana.page.locator('.switcher button').count(), 3);
  assert.match(await inView(dana.page), /Dana/);
  for (const child of ['Zoe', 'Leo']) {
    await dana.page.click(`.switcher button:has-text("${child}")`);
    await dana.page.waitForURL(there('/'));
    assert.match(await inView(dana.page), new RegExp(child));
    assert.match(await dana.page.innerText('main h3 >> nth=0'), new RegExp(child), 'the record in view comes first');
    await dana.page.click('header a[href="/people"]');
    assert.match(await inView(dana.page), new RegExp(child), 'on every page');
  }
  await looksGood(dana, 'people');
  // Who looked: of the small child by role; of the teenager, of whom a part is seen, nothing.
  await dana.page.goto(there('/access'));
  await looksGood(dana, 'access');
  await dana.context.close();

  // The father's page is open while the teenager ends what she let him see.
  const marcus = await signedIn('marcus');
  await marcus.page.goto(there('/people'));
  const zoes = () => marcus.page.locator('main li', { has: marcus.page.locator('h3', { hasText: 'Zoe' }) }).innerText();
  assert.match(await zoes(), /Sees a part of:\s*test results/);
  const zoe = await signedIn('zoe');
  await zoe.page.goto(there('/people'));
  assert.match(await zoe.page.innerText('main'), /Who can see my stuff/);
  await looksGood(zoe, 'people-teen');
  await zoe.page.click('button:has-text("Stop letting marcus see more")');
  await zoe.page.waitForURL(there('/people'));
  await marcus.page.reload();
  assert.match(await zoes(), /Sees nothing of:\s*test results/);
  await marcus.context.close();

  // As he sees it, item by item; and in Spanish, once she chose that.
  await zoe.page.click('a[href*="/people/see-as"] >> nth=0');
  await zoe.page.click('a[href*="kind=Immunization"]');
  await looksGood(zoe, 'see-as');
  await zoe.page.goto(there('/account/contact'));
  if (zoe.page.url().includes('/account/prove')) {
    await zoe.page.fill('input[name=password]', account('zoe').password);
    await zoe.page.click('main button[type=submit]');
  }
  await zoe.page.selectOption('select[name=language]', 'es');
  await zoe.page.click('form[action="/account/language"] button');
  await zoe.page.goto(there('/people'));
  assert.match(await zoe.page.innerText('main'), /Quién puede ver lo mío/);
  assert.equal(await zoe.page.getAttribute('html', 'lang'), 'es');
  await zoe.context.close();

  // A power of attorney of a few seconds, entered by the operator as its document says; nobody ends it. Time does.
  if (data) {
    const maria = account('maria');
    const irene = await signedIn('irene');
    const names = () => irene.page.innerText('.switcher');
    const record = there(`/record?person=${maria.person_id}`);
    assert.equal((await irene.page.goto(record)).status(), 404, 'before, there is no such record for her');
    const own = await irene.page.request.get(there('/api/v1/account'));
    const { id } = await own.json();
    const until = new Date(Date.now() + HOLDS_SECONDS * 1000);
    chartgate('account', 'grant', id, maria.person_id, '--basis', 'hcpoa', '--until', until.toISOString());
    // Another process than the gateway wrote it: it shows within a second.
    const isOpen = async () => (await irene.page.goto(record)).status() === 200;
    const began = Date.now();
    while (!(await isOpen())) {
      assert.ok(Date.now() - began < 5_000, 'the power of attorney does not work');
      await irene.page.waitForTimeout(100);
    }
    const known = await irene.page.innerText('main');
    const part = irene.page.locator('main a[href^="/record/"]').first();
    const further = await part.getAttribute('href');
    await part.click();
    assert.ok((await irene.page.locator('main').innerText()).length > 0);
    assert.ok(new Date() < until, `more than ${HOLDS_SECONDS} s to sign in and look`);
    assert.match(await names(), new RegExp(maria.name.split(' ')[0]), 'in the switcher');
    await irene.page.waitForTimeout(Math.max(0, until - Date.now()) + 50);
    // The page that was open, the first page of the record, and the way there: nothing of it is left.
    assert.equal((await irene.page.reload()).status(), 404, 'the open page');
    assert.equal((await irene.page.goto(record)).status(), 404, 'the record');
    assert.equal((await irene.page.goto(there(further))).status(), 404, 'a part of it');
    await irene.page.goto(there('/'));
    const after = await irene.page.content();
    assert.ok(!after.includes(maria.person_id) && !after.includes(maria.name.split(' ').at(-1)), 'no trace on her home page');
    assert.match(known, new RegExp(maria.name.split(' ')[0]));
    await irene.context.close();
  }
  console.log('family: a mother switches, a teenager ends, a power of attorney is over, pages are labelled and narrow');
} finally {
  await browser.close();
}
