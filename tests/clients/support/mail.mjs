// What the demo wrote to somebody: it lays its mail into a folder.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Quoted-printable (RFC 2045 §6.7) as UTF-8 text; other text stays as it is. */
function plain(mail) {
  if (!/^content-transfer-encoding: quoted-printable/im.test(mail)) return mail;
  const joined = mail.replace(/=\r?\n/g, '');
  return joined.replace(/(?:=[0-9A-F]{2})+/g, (run) => Buffer.from(run.replaceAll('=', ''), 'hex').toString('utf8'));
}

/** The first letter to an address, among those not in `before`, that has such a text in it: { text, match }. */
export async function letter(folder, address, wanted, before = new Set()) {
  const until = Date.now() + 30_000;
  for (;;) {
    const names = readdirSync(join(folder, 'mail')).filter((name) => name.endsWith('.eml') && !before.has(name)).sort();
    for (const name of names) {
      const text = plain(readFileSync(join(folder, 'mail', name), 'utf8'));
      const match = text.match(wanted);
      if (match && text.match(/^to: .*$/im)?.[0].includes(address)) return { text, match };
    }
    if (Date.now() > until) throw new Error(`nothing like ${wanted} came to ${address} in 30 s`);
    await new Promise((done) => setTimeout(done, 200));
  }
}
