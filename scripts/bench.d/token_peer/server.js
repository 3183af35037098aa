// oidc-provider as its documentation sets it up, with one confidential client and the refresh tokens of some people. Its
// own adapter keeps everything in memory: nothing of it is durable.
//
//     node server.js PORT PEOPLE TOKENS.json
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const [port, people, file] = process.argv.slice(2);
const scope = 'offline_access profile';
const secret = randomBytes(24).toString('base64url');
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: 'bench',
      client_secret: secret,
      redirect_uris: ['https://app.test/cb'],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  ],
  cookies: { keys: [randomBytes(24).toString('hex')] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  // A confidential client keeps its refresh token, here as at the gateway.
  rotateRefreshToken: false,
  ttl: { AccessToken: 3_600, RefreshToken: 86_400, Grant: 86_400 },
});

const client = await provider.Client.find('bench');
const tokens = [];
for (let number = 0; number < Number(people); number += 1) {
  const accountId = `person-${number}`;
  const grant = new provider.Grant({ accountId, clientId: client.clientId });
  grant.addOIDCScope(scope);
  const grantId = await grant.save();
  const token = new provider.RefreshToken({ client, accountId, grantId, scope, gty: 'authorization_code' });
  tokens.push(await token.save());
}
writeFileSync(file, JSON.stringify({ client: client.clientId, secret, tokens }));
const server = provider.listen(Number(port), '127.0.0.1');
server.keepAliveTimeout = 600_000;
