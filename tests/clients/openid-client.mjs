// openid-client (npm) proves: an OpenID provider that the strictest client is content with. Discovery at the issuer, the
// code flow with PKCE, state, nonce and `iss`, the id_token's claims and its signature by the published keys, refresh,
// userinfo, introspection, revocation. Nothing is relaxed but https on loopback, and `openid-client-https` runs it without.
import assert from 'node:assert/strict';
import * as oidc from 'openid-client';
import { SCOPE, account, confidentialApp, demo, publicApp, relaxed } from './support/demo.mjs';
import { signIn } from './support/sign_in.mjs';

const maria = account('maria');
const redirectUri = 'http://127.0.0.1:49153/callback';

/** Signs in; answers with the configuration that was used and what the token endpoint gave. */
async function codeFlow(client, authentication) {
  const config = await oidc.discovery(new URL(demo.issuer), client.client_id, undefined, authentication, {
    execute: [...relaxed(oidc), oidc.enableNonRepudiationChecks],
  });
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const nonce = oidc.randomNonce();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: SCOPE,
    aud: demo.fhir,
    state,
    nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const callback = await signIn(url, { account: maria, redirectUri });
  assert.equal(callback.searchParams.get('iss'), demo.issuer, 'RFC 9207: the authorization response names its issuer');
  const tokens = await oidc.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  });
  return { config, tokens };
}

const read = (token) =>
  fetch(`${demo.fhir}/Patient/${maria.person_id}`, { headers: { authorization: `Bearer ${token}` } });

const flows = [
  ['public', publicApp, oidc.None()],
  ['client_secret_basic', confidentialApp, oidc.ClientSecretBasic(confidentialApp.secret)],
  ['client_secret_post', confidentialApp, oidc.ClientSecretPost(confidentialApp.secret)],
];
const subjects = new Set();
for (const [name, client, authentication] of flows) {
  const { config, tokens } = await codeFlow(client, authentication);
  const metadata = config.serverMetadata();
  assert.equal(metadata.issuer, demo.issuer);
  assert.equal(metadata.authorization_response_iss_parameter_supported, true, 'or the client would not look at iss');
  assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
  const claims = tokens.claims();
  subjects.add(claims.sub);
  assert.ok(claims.fhirUser?.endsWith(`Patient/${maria.person_id}`), `${name}: fhirUser ${claims.fhirUser}`);
  assert.equal(tokens.patient, maria.person_id, `${name}: patient in the token response`);
  assert.equal((await read(tokens.access_token)).status, 200, `${name}: the token reads`);

  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(refreshed.access_token, tokens.access_token, `${name}: a new access token`);
  assert.equal(refreshed.scope, tokens.scope, `${name}: the same scopes`);
  assert.equal((await read(refreshed.access_token)).status, 200, `${name}: the refreshed token reads`);
  const latest = refreshed.refresh_token ?? tokens.refresh_token;

  if (metadata.userinfo_endpoint) {
    const user = await oidc.fetchUserInfo(config, refreshed.access_token, claims.sub);
    assert.equal(user.sub, claims.sub);
  } else console.log(`${name}: no userinfo endpoint is advertised`);

  if (metadata.introspection_endpoint && client.secret) {
    const told = await oidc.tokenIntrospection(config, refreshed.access_token);
    assert.equal(told.active, true, `${name}: introspection of a live token`);
    assert.equal(told.client_id, client.client_id);
    assert.equal(told.patient, maria.person_id);
    assert.equal(told.scope, refreshed.scope);
    const unknown = await oidc.tokenIntrospection(config, 'no-such-token');
    assert.deepEqual(unknown, { active: false }, `${name}: introspection tells nothing of an unknown token`);
  } else if (client.secret) console.log(`${name}: no introspection endpoint is advertised`);

  if (metadata.revocation_endpoint) {
    await oidc.tokenRevocation(config, latest);
    assert.equal((await read(refreshed.access_token)).status, 401, `${name}: revoked, and the access token with it`);
    await assert.rejects(
      oidc.refreshTokenGrant(config, latest),
      (error) => error.error === 'invalid_grant',
      `${name}: a revoked refresh token is refused`,
    );
  } else console.log(`${name}: no revocation endpoint is advertised`);
}
assert.equal(subjects.size, 1, 'one person has one subject');

// The client's own checks are not asleep: a response that names another issuer is refused.
const { config, tokens } = await codeFlow(publicApp, oidc.None());
assert.ok(tokens.id_token);
const foreign = new URL(`${redirectUri}?code=x&state=s&iss=https%3A%2F%2Felsewhere.example`);
await assert.rejects(
  oidc.authorizationCodeGrant(config, foreign, { expectedState: 's', pkceCodeVerifier: 'v' }),
  (error) => /"iss"/.test(error.cause?.message),
);

// A person who refuses is an answer too.
const refusal = oidc.buildAuthorizationUrl(config, {
  redirect_uri: redirectUri,
  scope: SCOPE,
  aud: demo.fhir,
  state: 'refused',
  code_challenge: await oidc.calculatePKCECodeChallenge(oidc.randomPKCECodeVerifier()),
  code_challenge_method: 'S256',
});
const refused = await signIn(refusal, { account: maria, redirectUri, decision: 'deny' });
assert.equal(refused.searchParams.get('error'), 'access_denied');
assert.equal(refused.searchParams.get('state'), 'refused');
assert.equal(refused.searchParams.get('iss'), demo.issuer);
assert.equal(refused.searchParams.get('code'), null);
