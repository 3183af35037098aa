// A person's browser, and what every page that a person fills in owes them.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

/** axe-core, as it is run inside a page. */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** The rules of WCAG 2.0 to 2.2, levels A and AA. */
const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** Where the pictures go. */
export const output = process.env.CHARTGATE_TEST_OUTPUT ?? mkdtempSync(join(tmpdir(), 'chartgate-pages-'));
mkdirSync(output, { recursive: true });

export const browser = await chromium.launch({
  executablePath: process.env.CHARTGATE_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

/** Windows without JavaScript: axe waits there for a turn that never comes. The same pages are looked at with it as well. */
const silent = new WeakSet();

/** A window in which every complaint of the browser is written down. */
export async function open(settings = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 800 }, ...settings });
  if (settings.javaScriptEnabled === false) silent.add(context);
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(`script: ${error}`));
  page.on('requestfailed', (failed) => {
    // A page that is left while it loads cancels its requests: that is no fault.
    const reason = failed.failure()?.errorText ?? '';
    if (reason !== 'net::ERR_ABORTED') complaints.push(`request: ${failed.url()} ${reason}`);
  });
  return { context, page, complaints };
}

/** What every page that a person fills in owes them. */
export async function accessible(page, name) {
  const faults = await page.evaluate(() => {
    const found = [];
    const all = (selector) => [...document.querySelectorAll(selector)];
    if (!document.documentElement.lang) found.push('no lang attribute');
    if (!document.title.trim()) found.push('no title');
    if (all('h1').length !== 1) found.push(`${all('h1').length} h1 elements`);
    if (all('main').length !== 1) found.push(`${all('main').length} main elements`);
    if (!document.querySelector('meta[name=viewport]')) found.push('no viewport');
    const ids = all('[id]').map((element) => element.id);
    ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => found.push(`the id ${id} twice`));
    for (const control of all('input:not([type=hidden]), select, textarea')) {
      const label = [...control.labels].map((one) => one.textContent.trim()).join('');
      if (!label && !control.getAttribute('aria-label')) found.push(`no label: ${control.outerHTML}`);
      if (control.matches('[type=radio], [type=checkbox]') && !control.closest('fieldset')?.querySelector('legend')) {
        found.push(`a choice outside a fieldset with a legend: ${control.outerHTML}`);
      }
    }
    for (const button of all('button')) if (!button.textContent.trim()) found.push(`a button without a name: ${button.outerHTML}`);
    for (const image of all('img')) if (!image.hasAttribute('alt')) found.push(`no alt: ${image.outerHTML}`);
    for (const positive of all('[tabindex]')) if (positive.tabIndex > 0) found.push(`a tab order of its own: ${positive.outerHTML}`);
    return found;
  });
  assert.deepEqual(faults, [], `${name} page`);
  // WCAG 2.2 reflow: at 320 CSS pixels nothing has to be scrolled sideways.
  const size = page.viewportSize();
  await page.setViewportSize({ width: 320, height: 640 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 320, `${name} page: ${wide} pixels wide on a screen of 320`);
  if (!silent.has(page.context())) await violates(page, name);
  await page.setViewportSize(size);
}

/** What axe-core finds against WCAG 2.2 AA, at the narrow width as well. The page's own policy lets no script in: axe comes
 * by the debugger, which is not bound by it. */
async function violates(page, name) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const world = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
  const contextId = world.executionContextId;
  await session.send('Runtime.evaluate', { expression: AXE, contextId });
  const expression = `axe.run(document, { runOnly: ${JSON.stringify(WCAG)} }).then((found) => JSON.stringify(` +
    'found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`)))';
  const ran = await session.send('Runtime.evaluate', { expression, contextId, awaitPromise: true, returnByValue: true });
  assert.ok(!ran.exceptionDetails, `axe on the ${name} page: ${JSON.stringify(ran.exceptionDetails)}`);
  assert.deepEqual(JSON.parse(ran.result.value), [], `${name} page, WCAG 2.2 AA`);
  // Not detached: that would take the virtual authenticator of the page along.
}

export const picture = (page, name) => page.screenshot({ path: join(output, `${name}.png`), fullPage: true });

/** Signs in and decides, by keyboard alone; looks at both pages on the way. */
export async function decide(page, person, decision, name) {
  await page.locator('input[name=username]').waitFor();
  await accessible(page, 'sign-in');
  await picture(page, `${name}-sign-in`);
  assert.equal(await page.getAttribute('input[name=username]', 'autocomplete'), 'username');
  assert.equal(await page.getAttribute('input[name=password]', 'autocomplete'), 'current-password');
  assert.equal(await page.getAttribute('input[name=password]', 'type'), 'password');
  await page.focus('input[name=username]');
  await page.keyboard.type(person.username);
  await page.keyboard.press('Tab');
  await page.keyboard.type(person.password);
  await page.keyboard.press('Enter');
  const button = page.locator(`button[name=decision][value=${decision}]`);
  await button.waitFor();
  await accessible(page, 'consent');
  await picture(page, `${name}-consent`);
  const text = await page.innerText('main');
  assert.ok(text.includes('Demo health app'), 'the consent page names the app');
  assert.ok(text.includes(person.name), `the consent page names the person, ${person.name}:\n${text.slice(0, 600)}`);
  const boxes = await page.locator('input[type=checkbox][name=scope]').count();
  assert.ok(boxes > 10, `a box for each type of data: ${boxes}`);
  await button.focus();
  await page.keyboard.press('Enter');
}
