// Chromium proves, without JavaScript: a person confirms an address, sets up an authenticator, forgets the password, and gets
// back in by the mailed link together with the authenticator; the link alone opens nothing, and works once.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accessible, browser, open } from './support/browser.mjs';
import { demo } from './support/demo.mjs';
import { letter } from './support/mail.mjs';
import { chartgate, data } from './support/operator.mjs';

const there = (path) => `${demo.issuer}${path}`;
const ADDRESS = 'n.k@example.org';
const [FIRST, SECOND] = ['seven green bicycles at noon', 'nine grey herons by the lake'];

/** RFC 6238 with SHA-1, six digits, thirty seconds. */
function totp(secret, at = Date.now()) {
  const bits = [...secret.replace(/[ =-]/g, '')].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const digest = createHmac('sha1', key).update(counter).digest();
  const from = digest[19] & 15;
  return String((digest.readUInt32BE(from) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** A digit other than each of these. */
const wrong = (code) => code.replace(/./g, (digit) => String((Number(digit) + 1) % 10));

async function looksGood(window, name) {
  const scripted = await open({ storageState: await window.context.storageState() });
  await scripted.page.goto(window.page.url());
  await accessible(scripted.page, name);
  await scripted.context.close();
}

async function signIn(page, password) {
  await page.goto(there('/sign-in'));
  await page.fill('input[name=username]', 'nadia');
  await page.fill('input[name=password]', password);
  await page.click('main form[action="/sign-in"] button');
}

if (!data) {
  console.log('left out: the mail of a demo that was started elsewhere cannot be read');
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'chartgate-recovery-'));
try {
  writeFileSync(join(folder, 'password'), `${FIRST}\n`, { mode: 0o600 });
  chartgate('account', 'add', 'nadia', '--password-file', join(folder, 'password'));

  const nadia = await open({ javaScriptEnabled: false });
  const { page } = nadia;
  await signIn(page, FIRST);
  await page.waitForURL(there('/'));
  await page.goto(there('/account/contact'));
  await page.fill('input[name=email]', ADDRESS);
  await page.click('form[action="/account/contact"]:has(input[name=email]) button');
  const { match: [, mailed] } = await letter(data, ADDRESS, /\b(\d{6})\b/);
  await page.fill('form[action="/account/contact/code"] input[name=code]', mailed);
  await page.click('form[action="/account/contact/code"] button');
  await page.locator('li', { hasText: '@example.org' }).waitFor();

  await page.goto(there('/account/second-factor'));
  await page.click('form[action="/account/second-factor"] button');
  const secret = (await page.innerText('main li')).trim();
  await page.fill('input[name=code]', totp(secret));
  await page.click('form[action="/account/second-factor/confirm"] button');
  await page.locator('h1', { hasText: 'in use' }).waitFor();
  assert.ok((await page.locator('main li').count()) >= 8, 'codes to write down');
  await page.goto(there('/'));
  await page.click('form[action="/sign-out"] button');
  await page.waitForURL(there('/sign-in'));

  // Forgotten: the page says the same whether there is such an account or not; the link comes by mail.
  const answers = [];
  for (const name of ['nadia', 'nobody-of-this-name']) {
    await page.goto(there('/recover'));
    await page.fill('input[name=name]', name);
    await page.click('form[action="/recover"] button');
    answers.push(await page.innerText('main'));
  }
  assert.equal(answers[0], answers[1]);
  const { text, match: [link] } = await letter(data, ADDRESS, /http\S*\/recover\/link\S*/);
  assert.ok(!text.includes('nadia'), 'a letter to an address names no account');
  await page.goto(link);
  await looksGood({ context: nadia.context, page }, 'recover-link');
  await page.click('form[action="/recover/link"] button');
  await page.waitForURL(there('/recover/finish'));
  await looksGood({ context: nadia.context, page }, 'recover-finish');
  assert.ok((await page.innerText('main')).includes('nadia'), 'whoever has the link reads the username');
  const home = await nadia.context.newPage();
  await home.goto(there('/'));
  assert.equal(new URL(home.url()).pathname, '/sign-in', 'the link alone opens nothing');
  await home.close();

  // The next half minute's digits: those of the set-up are used up.
  const next = totp(secret, Date.now() + 30_000);
  for (const [code, path] of [[wrong(next), '/recover/finish'], [next, '/account/sessions']]) {
    await page.fill('input[name=code]', code);
    await page.fill('input[name=new_password]', SECOND);
    await page.click('form[action="/recover/finish"] button');
    await page.waitForURL(there(path));
  }
  await nadia.context.close();

  // The old password is none any more, the new one is, and the link was for once.
  const again = await open({ javaScriptEnabled: false });
  await signIn(again.page, FIRST);
  assert.equal(new URL(again.page.url()).pathname, '/sign-in');
  await signIn(again.page, SECOND);
  await again.page.locator('input[name=code]').waitFor();
  await again.page.goto(link);
  await again.page.click('form[action="/recover/link"] button');
  await again.page.locator('h1', { hasText: 'This link is no good' }).waitFor();
  await again.context.close();
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
