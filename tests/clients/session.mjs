// Chromium, a session's pages, proves: no page to sign in or to allow is shown in a frame, before and after a sign-in (O36);
// nothing of a person is on the screen after signing out and going back (W05); a copy of the cookie opens nothing then
// (W06); scripts cannot read it (W02).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { request } from './support/authorize.mjs';
import { browser, open } from './support/browser.mjs';
import { SCOPE, account, demo, publicApp } from './support/demo.mjs';

const maria = account('maria');
let framed = '';
// Another site, which puts a page of ours into a frame.
const site = createServer((_, response) => {
  const page = `<!doctype html><html lang="en"><title>Elsewhere</title><link rel="icon" href="data:,"><iframe src="${framed}"></iframe></html>`;
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
}).listen(0, '127.0.0.1');
await once(site, 'listening');
const elsewhere = `http://127.0.0.1:${site.address().port}/`;

/** What a frame on another site shows of one of our pages. */
async function inFrame(context, url) {
  framed = url.replaceAll('&', '&amp;');
  const page = await context.newPage();
  const refused = [];
  page.on('console', (message) => refused.push(message.text()));
  await page.goto(elsewhere, { waitUntil: 'load' });
  const frame = page.frames().find((one) => one !== page.mainFrame());
  const text = await frame.evaluate(() => document.body?.innerText ?? '').catch(() => '');
  await page.close();
  return { text, refused: refused.some((line) => /frame-ancestors|X-Frame-Options/i.test(line)) };
}

try {
  const { context, page } = await open();
  const { url } = await request({ client: publicApp, redirectUri: 'http://127.0.0.1:49152/callback', scope: SCOPE });
  const frames = [`${demo.issuer}/sign-in`, url.href, `${demo.issuer}/`, `${demo.issuer}/apps`];
  const look = async (when) => {
    for (const one of frames) {
      const seen = await inFrame(context, one);
      const path = new URL(one).pathname;
      assert.ok(seen.refused, `${path} ${when}: the browser refuses to show it in a frame`);
      assert.ok(!/password|allow/i.test(seen.text), `${path} ${when}: ${seen.text}`);
    }
  };
  await look('before a sign-in');

  await page.goto(`${demo.issuer}/sign-in`);
  await page.fill('input[name=username]', maria.username);
  await page.fill('input[name=password]', maria.password);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${demo.issuer}/`);
  await look('after it');
  assert.equal(await page.evaluate(() => document.cookie), '', 'W02: no script reads a cookie');
  const cookies = (await context.cookies()).filter(({ name }) => name.includes('session'));
  assert.ok(cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === 'Lax', JSON.stringify(cookies));

  // Two pages with the person's name on them, and away.
  const shown = async () => (await page.innerText('body')).includes(maria.name);
  assert.ok(await shown(), 'the home page names the person');
  await page.goto(`${demo.issuer}/launch?person=${maria.person_id}`);
  assert.ok(await shown(), 'and so does the page to open an app');
  await page.goto(`${demo.issuer}/`);
  await page.locator('form[action="/sign-out"] button').click();
  await page.waitForURL(`${demo.issuer}/sign-in`);
  for (let steps = 0; steps < 3; steps += 1) {
    await page.goBack({ waitUntil: 'load' }).catch(() => {});
    assert.ok(!(await shown()), `W05: going back ${steps + 1} shows ${page.url()}`);
    assert.equal(await page.locator('form[action="/sign-out"]').count(), 0, `W05: ${page.url()}`);
  }
  const copy = await open();
  await copy.context.addCookies(cookies);
  await copy.page.goto(`${demo.issuer}/account`);
  assert.equal(copy.page.url(), `${demo.issuer}/sign-in`, 'W06: a copy of the cookie is dead');
} finally {
  await browser.close();
  site.close();
}
