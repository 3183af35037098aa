// Chromium proves: a person makes a passkey in a real browser (its virtual authenticator) and signs in with it, without a
// name and without a password. The pages of an account are labelled and narrow; only the two of passkeys run a script, and
// nothing is fetched from elsewhere.
import assert from 'node:assert/strict';
import { accessible, browser, open } from './support/browser.mjs';
import { account, demo } from './support/demo.mjs';

const maria = account('maria');
const there = (path) => `${demo.issuer}${path}`;

/** Signs in by name and password. */
async function signIn(page) {
  await page.goto(there('/sign-in'));
  await page.fill('input[name=username]', maria.username);
  await page.fill('input[name=password]', maria.password);
  await page.click('main form[action="/sign-in"] button');
  await page.waitForURL(there('/'));
}

try {
  const { context, page, complaints } = await open();
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).origin));
  const session = await context.newCDPSession(page);
  await session.send('WebAuthn.enable');
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await signIn(page);
  for (const path of ['/account', '/account/contact', '/account/password', '/account/second-factor', '/account/saved-codes',
    '/account/sessions', '/account/close', '/account/prove', '/account/passkeys']) {
    await page.goto(there(path));
    assert.equal(new URL(page.url()).pathname, path, 'a sign-in of a moment ago is proof enough');
    await accessible(page, path);
    const scripts = await page.locator('script').count();
    assert.equal(scripts, path === '/account/passkeys' ? 1 : 0, path);
  }
  await page.goto(there('/account/passkeys'));
  await page.click('form[data-passkey] button');
  await page.locator('h2', { hasText: 'Made with' }).waitFor();
  const { credentials } = await session.send('WebAuthn.getCredentials', { authenticatorId });
  assert.equal(credentials.length, 1);
  assert.equal(credentials[0].isResidentCredential, true);
  assert.equal(credentials[0].rpId, 'localhost');

  await page.goto(there('/'));
  await page.click('form[action="/sign-out"] button');
  await page.waitForURL(there('/sign-in'));
  await accessible(page, 'sign-in');
  await page.goto(there('/recover'));
  await accessible(page, 'recover');
  await page.goto(there('/sign-in/passkey'));
  await accessible(page, 'passkey sign-in');
  await page.click('form[data-passkey] button');
  await page.waitForURL(there('/'));
  assert.ok((await page.innerText('h1')).includes('maria'), 'signed in as the holder of the key');

  // Another holder's finger: no sign-in, and the page says so.
  await page.click('form[action="/sign-out"] button');
  await page.waitForURL(there('/sign-in'));
  await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await page.goto(there('/sign-in/passkey'));
  await page.click('form[data-passkey] button');
  await page.locator('[data-problem]:not([hidden])').waitFor({ timeout: 20_000 });
  assert.equal(new URL(page.url()).pathname, '/sign-in/passkey');
  assert.deepEqual([...new Set(asked)], [demo.issuer], 'W17: nothing from elsewhere');
  assert.deepEqual(complaints, []);
  await context.close();

  // Without JavaScript everything but passkeys works.
  const plain = await open({ javaScriptEnabled: false });
  await signIn(plain.page);
  await plain.page.goto(there('/account/passkeys'));
  assert.ok(await plain.page.locator('form[data-passkey] button').isDisabled());
  await plain.page.click('button:has-text("Remove the one made with")');
  await plain.page.waitForURL(there('/account/passkeys'));
  assert.ok((await plain.page.innerText('main')).includes('You have none yet'));
  await plain.context.close();
} finally {
  await browser.close();
}
