// A person at a browser without JavaScript: follows redirects, keeps cookies, fills in the forms that the pages show.
import assert from 'node:assert/strict';

/**
 * Goes to `url`, signs in as `account`, allows what the page offers, and answers with the URL at which the app receives
 * the outcome (it is not called). `untick(value)` says which boxes the person clears; `decision` is allow or deny;
 * `cookies` is the jar of a browser that was here before.
 */
export async function signIn(url, { account, redirectUri, untick = () => false, decision = 'allow', cookies = new Map() }) {
  const seen = [];
  let request = { url: String(url), method: 'GET' };
  for (let step = 0; step < 12; step += 1) {
    const answer = await send(request, cookies);
    const location = answer.headers.get('location');
    if (answer.status >= 300 && answer.status < 400 && location) {
      const next = new URL(location, request.url).href;
      if (next.startsWith(redirectUri)) return new URL(next);
      request = { url: next, method: 'GET' };
      continue;
    }
    const page = await answer.text();
    assert.equal(answer.status, 200, `${request.method} ${new URL(request.url).pathname}: ${answer.status}\n${page}`);
    const form = forms(page).find((one) => one.controls.some(({ name }) => name === 'password' || name === 'decision'));
    assert.ok(form, `a page without a form to sign in or to decide:\n${page}`);
    const kind = form.controls.some(({ name }) => name === 'password') ? 'sign-in' : 'consent';
    assert.ok(!seen.includes(kind), `the ${kind} page came back:\n${page}`);
    seen.push(kind);
    const fields = kind === 'sign-in' ? credentials(form, account) : choices(form, untick, decision);
    request = { url: new URL(form.action || request.url, request.url).href, method: 'POST', body: fields };
  }
  throw new Error(`no way back to ${redirectUri}: still at ${request.url}`);
}

/** The cookies of a browser in which `account` is signed in. */
export async function session(issuer, account) {
  const cookies = new Map();
  const url = `${issuer}/sign-in`;
  const form = forms(await (await send({ url, method: 'GET' }, cookies)).text()).find((one) =>
    one.controls.some(({ name }) => name === 'password'),
  );
  const answer = await send({ url, method: 'POST', body: credentials(form, account) }, cookies);
  assert.equal(answer.status, 303, 'signed in');
  return cookies;
}

/** Opens an app from here for the person: the address that the browser is sent to (SMART App Launch 2.2, EHR launch). */
export async function openApp(issuer, cookies, { person, app }) {
  const page = await (await send({ url: `${issuer}/launch?person=${person}`, method: 'GET' }, cookies)).text();
  const form = forms(page).find(({ action }) => action === '/launch');
  assert.ok(form?.controls.some(({ name, value }) => name === 'app' && value === app), `${app} can be opened:\n${page}`);
  const fields = filled(form, ({ name, type, value }) => {
    if (name === 'app') return value === app ? value : undefined;
    return type === 'hidden' ? value : undefined;
  });
  const answer = await send({ url: `${issuer}/launch`, method: 'POST', body: fields }, cookies);
  assert.equal(answer.status, 200, await answer.clone().text());
  return new URL(answer.headers.get('refresh').match(/url=(.*)$/)[1]);
}

async function send({ url, method, body }, cookies) {
  const headers = { accept: 'text/html' };
  if (cookies.size) headers.cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  if (method === 'POST') headers.origin = new URL(url).origin;
  const answer = await fetch(url, { method, headers, body, redirect: 'manual' });
  for (const line of answer.headers.getSetCookie()) {
    const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
    if (/;\s*max-age=0\b/i.test(line)) cookies.delete(name);
    else cookies.set(name, value);
  }
  return answer;
}

function credentials(form, account) {
  return filled(form, (control) => {
    if (control.name === 'username') return account.username;
    if (control.name === 'password') return account.password;
    return control.type === 'hidden' ? control.value : undefined;
  });
}

function choices(form, untick, decision) {
  const radios = form.controls.filter(({ type }) => type === 'radio');
  return filled(form, (control) => {
    const { name, type, value, checked } = control;
    if (name === 'decision') return value === decision ? value : undefined;
    if (type === 'checkbox') return checked && !untick(value) ? value : undefined;
    if (type === 'radio') {
      const chosen = radios.find((one) => one.name === name && one.checked) ?? radios.find((one) => one.name === name);
      return control === chosen ? value : undefined;
    }
    return type === 'hidden' ? value : undefined;
  });
}

function filled(form, choose) {
  const fields = new URLSearchParams();
  for (const control of form.controls) {
    const value = control.name && choose(control);
    if (value !== undefined) fields.append(control.name, value);
  }
  return fields;
}

/** The forms of a page, read as far as these pages need it: { action, controls: [{ name, type, value, checked }] }. */
function forms(page) {
  return [...page.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)].map(([, head, body]) => ({
    action: attributes(head).action,
    controls: [...body.matchAll(/<(input|button)\b([^>]*)>/gs)].map(([, tag, text]) => {
      const { name, type, value, checked } = attributes(text);
      return { name, type: type ?? (tag === 'button' ? 'submit' : 'text'), value: value ?? 'on', checked: checked !== undefined };
    }),
  }));
}

function attributes(text) {
  const found = [...text.matchAll(/([a-z-]+)(?:\s*=\s*"([^"]*)")?/g)];
  return Object.fromEntries(found.map(([, name, value]) => [name, unescaped(value ?? '')]));
}

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    return decimal ? String.fromCodePoint(Number(decimal)) : (ENTITIES[name] ?? whole);
  });
}
