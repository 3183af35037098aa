// oidc-provider proves, in Chromium: an account is connected to a certified OpenID provider from inside, signs in and proves by it
// from then on; before that, and after it was disconnected, the same sign-in leads to nobody's account. Every page works
// without JavaScript, and axe finds nothing.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Provider from 'oidc-provider';
import { accessible, browser, open } from './support/browser.mjs';

const binary = process.env.CHARTGATE_BINARY;
const folder = mkdtempSync(join(tmpdir(), 'chartgate-idp-'));
const SECRET = 'a secret that both know, of some length';

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

const [gatewayPort, operationsPort, providerPort] = [await freePort(), await freePort(), await freePort()];
const gateway = `http://localhost:${gatewayPort}`;
const issuer = `http://127.0.0.1:${providerPort}`;
const there = (path) => `${gateway}${path}`;

// The provider: one page asks for a name, and consents by itself.
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'chartgate', client_secret: SECRET, grant_types: ['authorization_code'],
    redirect_uris: [there('/sign-in/with/campus/callback')], response_types: ['code'],
  }],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: 'maria@example.org', email_verified: true }) }),
});
const listening = provider.listen(providerPort, '127.0.0.1');

writeFileSync(join(folder, 'secret'), SECRET, { mode: 0o600 });
writeFileSync(join(folder, 'chartgate.toml'), `
[server]
public_url = "${gateway}"
listen = ["127.0.0.1:${gatewayPort}"]
operations_listen = "127.0.0.1:${operationsPort}"
[storage]
url = "sqlite:${join(folder, 'db')}"
master_key_file = "${join(folder, 'master.key')}"
[mail]
from = "records@chartgate.example"
outbox_dir = "${join(folder, 'mail')}"
[[identity_provider]]
key = "campus"
name = "Campus sign-in"
issuer = "${issuer}"
client_id = "chartgate"
private_addresses = ["127.0.0.0/8"]
proof = { secret = { secret_file = "${join(folder, 'secret')}" } }
`);
const chartgate = (...args) => execFileSync(binary, ['--loopback-demo', '--config', join(folder, 'chartgate.toml'), ...args],
  { encoding: 'utf8' });

let serving;
try {
  chartgate('master-key', join(folder, 'master.key'));
  writeFileSync(join(folder, 'password'), 'seven green bicycles at noon\n', { mode: 0o600 });
  chartgate('account', 'add', 'maria', '--password-file', join(folder, 'password'));
  serving = spawn(binary, ['--loopback-demo', '--config', join(folder, 'chartgate.toml'), 'serve'], { stdio: ['ignore', 'ignore', 'inherit'] });
  for (let attempt = 0; ; attempt += 1) {
    if (await fetch(there('/sign-in')).then((answer) => answer.ok, () => false)) break;
    assert.ok(attempt < 200, 'the gateway is not ready');
    await new Promise((done) => setTimeout(done, 100));
  }

  const { page, context } = await open({ javaScriptEnabled: false });
  const elsewhere = async (login) => {
    // Whoever is known there already comes straight back.
    const ours = ['/sign-in', '/account/identities/connect'];
    await page.waitForURL((url) => url.origin === issuer || !ours.includes(url.pathname));
    if (await page.locator('input[name=login]').count()) {
      await page.fill('input[name=login]', login);
      await page.fill('input[name=password]', 'anything');
      await page.click('button[type=submit]');
    }
    if (new URL(page.url()).origin === issuer) await page.click('button[type=submit]');
  };
  // Nobody is connected yet: the address that the provider knows joins nothing.
  await page.goto(there('/sign-in'));
  await page.click('text=Sign in with Campus sign-in');
  await elsewhere('campus-maria');
  await page.locator('h1', { hasText: 'No account is connected' }).waitFor();

  await page.goto(there('/sign-in'));
  await page.fill('input[name=username]', 'maria');
  await page.fill('input[name=password]', 'seven green bicycles at noon');
  await page.click('main form[action="/sign-in"] button');
  await page.waitForURL(there('/'));
  await page.goto(there('/account/identities'));
  await page.click('form[action="/account/identities/connect"] button');
  await page.click('text=Go on');
  await elsewhere('campus-maria');
  await page.waitForURL(there('/account/identities'));
  await page.locator('h2', { hasText: 'Campus sign-in' }).waitFor();
  const state = await context.storageState();
  const scripted = await open({ storageState: state });
  for (const path of ['/account/identities', '/account/sessions', '/account', '/account/prove']) {
    await scripted.page.goto(there(path));
    await accessible(scripted.page, path);
  }
  await scripted.context.close();

  // Signed out, and in again by it.
  await page.goto(there('/'));
  await page.click('form[action="/sign-out"] button');
  await page.waitForURL(there('/sign-in'));
  await page.click('text=Sign in with Campus sign-in');
  await elsewhere('campus-maria');
  await page.waitForURL(there('/'));
  assert.ok((await page.innerText('h1')).includes('maria'));

  // What is listed among the ways in is disconnected, after a proof: then it leads to nobody again.
  await page.goto(there('/account/sessions'));
  assert.ok((await page.innerText('main')).includes('Sign-in with Campus sign-in'));
  await page.goto(there('/account/identities'));
  await page.waitForURL((url) => url.pathname === '/account/prove');
  // The proof is had there as well: the provider is told that whoever sits there must show it anew.
  await page.click('text=Or sign in with Campus sign-in again');
  await page.waitForURL((url) => url.origin === issuer);
  assert.equal(await page.locator('input[name=password]').count(), 1, 'a session there is not enough');
  await elsewhere('campus-maria');
  await page.waitForURL(there('/account'));
  await page.goto(there('/account/identities'));
  await page.click('form[action="/account/identities/disconnect"] button');
  await page.locator('h2', { hasText: 'Campus sign-in' }).waitFor({ state: 'detached' });
  await page.goto(there('/'));
  await page.click('form[action="/sign-out"] button');
  await page.waitForURL(there('/sign-in'));
  await page.click('text=Sign in with Campus sign-in');
  await elsewhere('campus-maria');
  await page.locator('h1', { hasText: 'No account is connected' }).waitFor();
  await context.close();

  // Somebody else there is nobody here.
  const other = await open({ javaScriptEnabled: false });
  await other.page.goto(there('/sign-in/with/campus'));
  await other.page.fill('input[name=login]', 'campus-carlos');
  await other.page.fill('input[name=password]', 'anything');
  await other.page.click('button[type=submit]');
  if (new URL(other.page.url()).origin === issuer) await other.page.click('button[type=submit]');
  await other.page.locator('h1', { hasText: 'No account is connected' }).waitFor();
  await other.context.close();
} finally {
  await browser.close();
  serving?.kill('SIGKILL');
  listening.close();
  listening.closeAllConnections?.();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
