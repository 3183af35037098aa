// openid-client (npm, over https) proves: the same as openid-client and openid-client-advanced with nothing relaxed at all,
// before a second gateway on the demo's data that speaks TLS itself, as in operation: guarded cookies, an https issuer,
// and a certificate that is verified.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { demo } from './support/demo.mjs';
import { data } from './support/operator.mjs';

const CLIENTS = ['openid-client.mjs', 'openid-client-advanced.mjs'];

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** An authority, and a certificate for `localhost` that it signed: the files. */
function certificate(folder) {
  const file = (name) => join(folder, name);
  const openssl = (...words) => execFileSync('openssl', words, { stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=Test authority');
  openssl('req', '-new', ...key.slice(0, -2), '-keyout', file('key.pem'), '-out', file('request.pem'), '-subj', '/CN=localhost');
  writeFileSync(file('names'), 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n');
  openssl('x509', '-req', '-in', file('request.pem'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-days', '2',
    '-extfile', file('names'), '-out', file('chain.pem'));
  return { authority: file('ca.pem'), chain: file('chain.pem'), key: file('key.pem') };
}

/** Waits for the first answer of the gateway: whoever does not trust its authority gets none. */
async function ready(gateway, url, said) {
  for (let tries = 0; tries < 600; tries += 1) {
    if (gateway.exitCode !== null) throw new Error(`the gateway ended with ${gateway.exitCode}: ${said.join('')}`);
    const reason = await fetch(url).then(() => 'answered', (error) => error.cause?.code);
    if (reason !== 'ECONNREFUSED') return reason;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`the gateway does not listen: ${said.join('')}`);
}

if (data) {
  const folder = mkdtempSync(join(tmpdir(), 'chartgate-https-'));
  let gateway;
  try {
    const files = certificate(folder);
    const issuer = `https://localhost:${await freePort()}`;
    writeFileSync(join(folder, 'chartgate.toml'), `
[server]
public_url = "${issuer}"
listen = ["127.0.0.1:${new URL(issuer).port}"]
tls = { certificate_file = "${files.chain}", key_file = "${files.key}" }
[storage]
url = "sqlite:${join(data, 'chartgate.db')}"
master_key_file = "${join(data, 'master.key')}"
[oauth]
registration = "open"
`);
    const said = [];
    gateway = spawn(process.env.CHARTGATE_BINARY, ['--config', join(folder, 'chartgate.toml'), 'serve']);
    for (const stream of [gateway.stdout, gateway.stderr]) stream.on('data', (piece) => said.push(piece));
    const reason = await ready(gateway, issuer, said);
    assert.match(reason, /UNABLE_TO|SELF_SIGNED/, 'without its authority the certificate is nothing');

    const file = join(folder, 'demo.json');
    const over = (url) => url.replace(demo.issuer, issuer);
    writeFileSync(file, JSON.stringify({ ...demo, issuer, fhir: over(demo.fhir), portal: over(demo.portal) }));
    const environment = { ...process.env, CHARTGATE_DEMO: file, NODE_EXTRA_CA_CERTS: files.authority };
    for (const client of CLIENTS) {
      const script = fileURLToPath(new URL(client, import.meta.url));
      try {
        execFileSync(process.execPath, [script], { env: environment, encoding: 'utf8', stdio: 'pipe' });
      } catch (failed) {
        throw new Error(`${client}: ${failed.stdout}\n${failed.stderr}\n${said.join('').slice(-2000)}`);
      }
    }
  } finally {
    gateway?.kill();
    rmSync(folder, { recursive: true });
  }
} else console.log('not tried: the data of the demo are not known');
