// Every page in both languages proves: no violation of WCAG 2.2 AA by axe, nothing wider than a screen of 320 pixels, a label for
// each field, and forms that need no script.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { demo } from './support/demo.mjs';
import { accessible, browser, open } from './support/browser.mjs';

// Written by `cargo test --lib every_page_is_written_down`, filled with a person's name throughout.
const folder = process.env.CHARTGATE_PAGE_SAMPLES;
assert.ok(existsSync(folder), `no pages in ${folder}: cargo test --lib every_page_is_written_down`);
const names = readdirSync(folder).sort();
assert.ok(names.length > 80, `${names.length} pages in ${folder}`);

const { page, complaints } = await open();
await page.goto(`${demo.issuer}/sign-in`);
const faults = [];
const style = await page.getAttribute('link[rel=stylesheet]', 'href');
for (const name of names) {
  const html = readFileSync(join(folder, name), 'utf8');
  assert.ok(!/<form[^>]*\son/.test(html), `${name}: a form that needs a script`);
  // The gateway's own style, at the gateway's own address.
  const body = html.replace(/(<link rel="stylesheet" href=")[^"]*/, `$1${style}`);
  await page.route(`**/page/${name}`, (route) => route.fulfill({ contentType: 'text/html; charset=utf-8', body }));
  await page.goto(`${demo.issuer}/page/${name}`);
  const title = await page.title();
  await accessible(page, `${name} (${title})`).catch((fault) => faults.push(fault.message));
}
assert.deepEqual(faults, []);
// A name is no date and no drawing, and the scripts that a sample asks for by it are not there: nothing else may be wrong.
const others = complaints.filter((complaint) => !/404|Ana%20Reed|"Ana Reed"/.test(complaint));
assert.deepEqual(others, []);
await browser.close();
console.log(`${names.length} pages`);
