// openid-client (npm) proves: pushed requests, tokens bound to a key, private_key_jwt, a backend service, and an app
// that registers itself. Nothing is relaxed but https on loopback, and `openid-client-https` runs it without.
import assert from 'node:assert/strict';
import * as oidc from 'openid-client';
import { SCOPE, account, demo, publicApp, relaxed } from './support/demo.mjs';
import { addClient, data } from './support/operator.mjs';
import { signIn } from './support/sign_in.mjs';

const maria = account('maria');
const redirectUri = 'http://127.0.0.1:49153/callback';
const options = { execute: [...relaxed(oidc), oidc.enableNonRepudiationChecks] };
const patient = new URL(`${demo.fhir}/Patient/${maria.person_id}`);

/** A key pair, and its public half as it is registered. */
async function keyPair(algorithm, kid) {
  const pair = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  return { pair, kid, jwk: { ...(await crypto.subtle.exportKey('jwk', pair.publicKey)), kid, use: 'sig' } };
}

/** A pushed code flow; answers with the tokens. */
async function pushedFlow(config, dpop) {
  const verifier = oidc.randomPKCECodeVerifier();
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
  const parameters = {
    redirect_uri: redirectUri,
    scope: SCOPE,
    aud: demo.fhir,
    state,
    nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  };
  const url = await oidc.buildAuthorizationUrlWithPAR(config, parameters, dpop && { DPoP: dpop });
  assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri'], 'nothing else is in the browser');
  const callback = await signIn(url, { account: maria, redirectUri });
  const again = await fetch(url, { redirect: 'manual' });
  assert.equal(again.status, 400, 'a pushed request is good once');
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  return oidc.authorizationCodeGrant(config, callback, checks, undefined, dpop && { DPoP: dpop });
}

const plain = await oidc.discovery(new URL(demo.issuer), publicApp.client_id, undefined, oidc.None(), options);
const metadata = plain.serverMetadata();
for (const name of ['pushed_authorization_request_endpoint', 'registration_endpoint', 'introspection_endpoint']) {
  assert.ok(metadata[name]?.startsWith(demo.issuer), `${name} is advertised`);
}

// A public client whose tokens are bound to a key (RFC 9449), by a pushed request (RFC 9126).
for (const algorithm of ['ES256', 'Ed25519']) {
  assert.ok(metadata.dpop_signing_alg_values_supported.includes(algorithm));
  const bound = oidc.getDPoPHandle(plain, await oidc.randomDPoPKeyPair(algorithm));
  const tokens = await pushedFlow(plain, bound);
  assert.equal(tokens.token_type, 'dpop');
  const read = (token, dpop) =>
    oidc.fetchProtectedResource(plain, token, patient, 'GET', undefined, undefined, dpop && { DPoP: dpop });
  assert.equal((await read(tokens.access_token, bound)).status, 200, 'with a proof of its key it reads');
  const stolen = await fetch(patient, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.equal(stolen.status, 401, 'as a bearer token it is nothing');
  const thief = oidc.getDPoPHandle(plain, await oidc.randomDPoPKeyPair('ES256'));
  await assert.rejects(read(tokens.access_token, thief), (error) => error.status === 401);
  await assert.rejects(
    oidc.refreshTokenGrant(plain, tokens.refresh_token, undefined, { DPoP: thief }),
    (error) => error.error === 'invalid_grant',
    'and so is its refresh token',
  );
  const refreshed = await oidc.refreshTokenGrant(plain, tokens.refresh_token, undefined, { DPoP: bound });
  assert.equal((await read(refreshed.access_token, bound)).status, 200);
  const user = await oidc.fetchUserInfo(plain, refreshed.access_token, tokens.claims().sub, { DPoP: bound });
  assert.equal(user.sub, tokens.claims().sub);
  await oidc.tokenRevocation(plain, refreshed.refresh_token);
}

// An app that registers itself with a key, and proves itself with it everywhere (RFC 7591, private_key_jwt).
for (const [name, algorithm] of [
  ['ES384', { name: 'ECDSA', namedCurve: 'P-384' }],
  ['RS384', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }],
]) {
  assert.ok(metadata.token_endpoint_auth_signing_alg_values_supported.includes(name));
  const key = await keyPair(algorithm, `key-${name}`);
  const proof = oidc.PrivateKeyJwt({ key: key.pair.privateKey, kid: key.kid });
  const about = {
    client_name: `Self made ${name}`,
    redirect_uris: [redirectUri],
    application_type: 'native',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [key.jwk] },
    scope: SCOPE,
  };
  const config = await oidc.dynamicClientRegistration(new URL(demo.issuer), about, proof, options);
  const registered = config.clientMetadata();
  assert.equal(registered.token_endpoint_auth_method, 'private_key_jwt');
  const tokens = await pushedFlow(config);
  assert.equal(tokens.patient, maria.person_id);
  const told = await oidc.tokenIntrospection(config, tokens.access_token);
  assert.deepEqual(
    [told.active, told.client_id, told.patient, told.sub],
    [true, registered.client_id, maria.person_id, tokens.claims().sub],
  );
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  await oidc.tokenRevocation(config, tokens.refresh_token);
  assert.deepEqual(await oidc.tokenIntrospection(config, refreshed.access_token), { active: false });

  // RFC 7592: it reads and ends its own registration.
  const own = { headers: { authorization: `Bearer ${registered.registration_access_token}` } };
  const shown = await (await fetch(registered.registration_client_uri, own)).json();
  assert.equal(shown.client_id, registered.client_id);
  assert.equal((await fetch(registered.registration_client_uri, { ...own, method: 'DELETE' })).status, 204);
  assert.equal((await fetch(registered.registration_client_uri, own)).status, 401);
  await assert.rejects(pushedFlow(config), (error) => error.status === 401, 'it is gone');
}

// A backend service, which the operator entered (SMART App Launch 2.2, Backend Services).
if (data) {
  const key = await keyPair({ name: 'ECDSA', namedCurve: 'P-384' }, 'backend');
  const source = demo.sources[0];
  const scope = ['--scope', 'system/Patient.rs system/Observation.rs', '--source', source.key];
  const { id } = addClient('Sync', scope, { keys: [key.jwk] });
  const proof = oidc.PrivateKeyJwt({ key: key.pair.privateKey, kid: key.kid });
  const config = await oidc.discovery(new URL(demo.issuer), id, undefined, proof, options);
  const tokens = await oidc.clientCredentialsGrant(config, { scope: 'system/*.rs' });
  assert.equal(tokens.scope, 'system/Observation.rs system/Patient.rs');
  assert.ok(tokens.expires_in <= 300 && tokens.refresh_token === undefined);
  const get = (path) => fetch(`${demo.fhir}/${path}`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  const found = await (await get(`Observation?patient=${maria.person_id}&_count=500`)).json();
  const ids = found.entry.filter((entry) => entry.search.mode === 'match').map((entry) => entry.resource.id);
  assert.ok(ids.length > 0 && ids.every((one) => one.startsWith(`${source.key}.`)), 'of its practice alone');
  assert.equal((await get('Observation')).status, 403, 'without a patient nothing');
  assert.equal((await get(`Condition?patient=${maria.person_id}`)).status, 403, 'outside its scopes nothing');
  await oidc.tokenRevocation(config, tokens.access_token);
  assert.equal((await get(`Patient/${maria.person_id}`)).status, 401);
} else console.log('no backend service was tried: it is entered where the data of the demo are known');
