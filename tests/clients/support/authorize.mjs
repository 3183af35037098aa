// The code flow with PKCE by hand, for the clients that only read: they are given a token.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { demo } from './demo.mjs';
import { signIn } from './sign_in.mjs';

const discovered = async () => {
  const answer = await fetch(`${demo.fhir}/.well-known/smart-configuration`);
  assert.equal(answer.status, 200, 'smart-configuration');
  return answer.json();
};

/** An authorization request of a public app: { url, verifier, state, tokenEndpoint }. */
export async function request({ client, redirectUri, scope }) {
  const { authorization_endpoint: endpoint, token_endpoint: tokenEndpoint } = await discovered();
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(16).toString('base64url');
  const url = new URL(endpoint);
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: redirectUri,
    scope,
    state,
    aud: demo.fhir,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  return { url, verifier, state, tokenEndpoint };
}

/** Signs `account` in with a public app and answers with the body of the token response. */
export async function authorize({ client, account, scope, untick }) {
  const redirectUri = 'http://127.0.0.1:49152/callback';
  const { url, verifier, state, tokenEndpoint } = await request({ client, redirectUri, scope });
  const callback = await signIn(url, { account, redirectUri, untick });
  assert.equal(callback.searchParams.get('error'), null, callback.search);
  assert.equal(callback.searchParams.get('state'), state);
  const answer = await fetch(tokenEndpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: callback.searchParams.get('code'),
      redirect_uri: redirectUri,
      client_id: client.client_id,
      code_verifier: verifier,
    }),
  });
  const body = await answer.json();
  assert.equal(answer.status, 200, `token endpoint: ${body.error} ${body.error_description ?? ''}`);
  return body;
}
