// What the operator of the demo does on the command line.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demo } from './demo.mjs';

/** Where the demo keeps its data, when that is known. */
export const data = process.env.CHARTGATE_DEMO_DATA;

/** Runs a command of the operator on the demo's database; answers with what it said. */
export function chartgate(...command) {
  return execFileSync(process.env.CHARTGATE_BINARY, ['--loopback-demo', ...command], {
    encoding: 'utf8',
    env: {
      ...process.env,
      // Commands on the database need no TLS of their own.
      CHARTGATE_SERVER_PUBLIC_URL: demo.issuer.replace('https:', 'http:'),
      CHARTGATE_STORAGE_URL: `sqlite:${join(data, 'chartgate.db')}`,
      CHARTGATE_STORAGE_MASTER_KEY_FILE: join(data, 'master.key'),
    },
  });
}

/** Registers a client with these options, and with a key set if it has one: { id, secret }. */
export function addClient(name, options, jwks) {
  const folder = mkdtempSync(join(tmpdir(), 'chartgate-client-'));
  try {
    const file = join(folder, 'jwks.json');
    writeFileSync(file, JSON.stringify(jwks ?? {}));
    const own = ['client', 'add', '--name', name, ...(jwks ? ['--jwks', file] : []), ...options];
    const said = chartgate(...own);
    return { id: said.match(/^client_id (\S+)$/m)[1], secret: said.match(/^client_secret (\S+)$/m)?.[1] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
