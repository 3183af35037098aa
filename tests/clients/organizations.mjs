// Chromium proves, without JavaScript: a practice becomes part of another while a person is signed in; the open page goes on, the
// record comes from the new practice under the same account and the same person, and nobody registers again. A mapping that was
// changed after it was signed is refused with one line, and nothing is done.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CompactSign, exportJWK, generateKeyPair } from 'jose';
import { accessible, browser, open } from './support/browser.mjs';

const binary = process.env.CHARTGATE_BINARY;
const folder = mkdtempSync(join(tmpdir(), 'chartgate-merger-'));
const data = join(folder, 'data');
const [OLD, NEW] = ['Riverside Family Practice', 'Lakeside Cardiology'];

// A demo of its own: afterwards one of its practices is gone.
const serving = spawn(binary, ['demo', '--port', '0', '--data-dir', data, '--json'], { stdio: ['ignore', 'pipe', 'ignore'] });
const first = createInterface({ input: serving.stdout });
const demo = JSON.parse(await new Promise((resolve, reject) => {
  first.once('line', resolve);
  serving.once('exit', (code) => reject(new Error(`the demo ended with ${code}`)));
}));
const there = (path) => `${demo.issuer}${path}`;

function chartgate(...command) {
  return execFileSync(binary, ['--loopback-demo', ...command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      CHARTGATE_SERVER_PUBLIC_URL: demo.issuer,
      CHARTGATE_STORAGE_URL: `sqlite:${join(data, 'chartgate.db')}`,
      CHARTGATE_STORAGE_MASTER_KEY_FILE: join(data, 'master.key'),
    },
  });
}

const organization = (name) => chartgate('organization', 'list').match(new RegExp(`^(\\S+) +${name}`, 'm'))[1];
const source = (name) => demo.sources.find((one) => one.name.startsWith(name)).key;

/** The page after it was asked for so often that it says what is wanted. */
async function until(page, path, wanted) {
  for (let attempt = 0; ; attempt += 1) {
    await page.goto(there(path));
    const text = await page.innerText('main');
    if (wanted(text)) return text;
    assert.ok(attempt < 60, text);
    await new Promise((done) => setTimeout(done, 500));
  }
}

try {
  const { page, context } = await open({ javaScriptEnabled: false });
  const carlos = demo.accounts.find((account) => account.username === 'carlos');
  await page.goto(there('/sign-in'));
  await page.fill('input[name=username]', carlos.username);
  await page.fill('input[name=password]', carlos.password);
  await page.click('main form[action="/sign-in"] button');
  await page.waitForURL(there('/'));
  const before = await page.innerText('main');
  assert.ok(before.includes(OLD) && !before.includes(NEW), before);
  const record = await page.getAttribute('main a[href^="/record"]', 'href');
  await page.goto(there(record));
  assert.ok((await page.innerText('main')).includes(`From ${OLD}`));

  // The mapping, signed by whoever wrote it.
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const rows = { 'pat-1002': 'etvshRQvUS-zNsyJQH-qlY7fk-Ilh67VPRyfLAkWrx.bS' };
  const mapping = JSON.stringify({ from: source(OLD), into: source(NEW), rows });
  const sha256 = createHash('sha256').update(mapping).digest('hex');
  const signature = await new CompactSign(Buffer.from(JSON.stringify({ sha256 }))).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
  const files = { mapping, signature, key: JSON.stringify(await exportJWK(publicKey)) };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const absorb = () => chartgate('organization', 'absorb', organization(OLD), organization(NEW), '--accept-policy',
    ...Object.keys(files).flatMap((name) => [`--${name}`, join(folder, name)]));

  // An id that slipped: the file is not the one that was signed.
  writeFileSync(join(folder, 'mapping'), mapping.replace('pat-1002', 'pat-1003'));
  assert.throws(absorb, (refused) => refused.status !== 0 && refused.stderr.trim().split('\n').length === 1);
  await page.goto(there('/'));
  assert.equal(await page.innerText('main'), before, 'nothing is done');

  writeFileSync(join(folder, 'mapping'), mapping);
  assert.match(absorb(), /^1 links are brought over, /m);
  const after = await until(page, '/', (text) => text.includes(NEW) && !text.includes(`Unlink ${OLD}`));
  assert.ok(after.includes('Hello, carlos'), 'still signed in');
  await until(page, record, (text) => text.includes(`From ${NEW}`) && !text.includes(`From ${OLD}`));
  const scripted = await open({ storageState: await context.storageState() });
  await scripted.page.goto(there('/'));
  await accessible(scripted.page, 'home after a merger');
  await scripted.context.close();
  // Whoever looks for the old name is sent to the new one.
  await page.goto(there('/find?name=riverside'));
  assert.ok((await page.innerText('main')).includes(NEW), await page.innerText('main'));
  await context.close();
} finally {
  await browser.close();
  first.close();
  serving.kill('SIGTERM');
  await new Promise((resolve) => (serving.exitCode === null ? serving.once('exit', resolve) : resolve()));
  rmSync(folder, { recursive: true, force: true });
}
