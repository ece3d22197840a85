// A small OpenID Connect provider, which takes everybody's word for who he is and holds its client to the rest: the registered
// address, the client's secret, a code that counts once, PKCE. ES256; its address is another site's than the system's.
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createServer } from 'node:http';

const base64url = (value) => Buffer.from(value).toString('base64url');

function page(query) {
  const kept = [...new URLSearchParams(query)].map(([name, value]) => `<input type="hidden" name="${name}" value="${encodeURIComponent(value)}">`).join('');
  return `<!doctype html><html lang="en"><title>Provider</title><link rel="icon" href="data:,"><form method="post" action="/authorize">${kept}
    <label>User <input name="user"></label> <label>Role <input name="role" value="buyer"></label>
    <button name="agreed" value="yes">Agree</button> <button name="agreed" value="">Refuse</button></form></html>`;
}

// `client`: {id, secret, redirect}. `state.down` makes it answer 503 to everything; `state.turnKey()` exchanges its key.
export async function startProvider(client) {
  const codes = new Map();
  const state = { down: false, asked: [] };
  let key;
  state.turnKey = () => (key = { id: randomBytes(4).toString('hex'), ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) });
  state.turnKey();

  function idToken(claims) {
    const text = `${base64url(JSON.stringify({ alg: 'ES256', kid: key.id }))}.${base64url(JSON.stringify(claims))}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
  function redeem(form, authorization) {
    const pair = `${encodeURIComponent(client.id)}:${encodeURIComponent(client.secret)}`;
    if (authorization !== `Basic ${Buffer.from(pair).toString('base64')}`) return [401, { error: 'invalid_client' }];
    const given = codes.get(form.get('code'));
    codes.delete(form.get('code'));
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
    if (!given || given.challenge !== challenge || form.get('redirect_uri') !== client.redirect) return [400, { error: 'invalid_grant' }];
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: state.issuer, aud: client.id, iat: now, exp: now + 60, sub: given.user, role: given.role, nonce: given.nonce };
    return [200, { token_type: 'Bearer', access_token: randomBytes(16).toString('hex'), id_token: idToken(claims) }];
  }
  // The user's answer, as the address that leads back.
  function agree(form) {
    const back = new URL(client.redirect);
    back.searchParams.set('state', form.get('state'));
    if (!form.get('agreed')) {
      back.searchParams.set('error', 'access_denied');
    } else {
      const code = randomBytes(16).toString('hex');
      codes.set(code, { challenge: form.get('code_challenge'), nonce: form.get('nonce'), user: form.get('user'), role: form.get('role') });
      back.searchParams.set('code', code);
    }
    return back.href;
  }
  function answer(request, body) {
    const { pathname, search, searchParams } = new URL(request.url, state.issuer);
    const form = new URLSearchParams(body);
    if (state.down) return [503, {}];
    switch (`${request.method} ${pathname}`) {
      case 'GET /.well-known/openid-configuration':
        return [200, { issuer: state.issuer, authorization_endpoint: `${state.issuer}/authorize`, token_endpoint: `${state.issuer}/token`, jwks_uri: `${state.issuer}/keys` }];
      case 'GET /keys':
        return [200, { keys: [{ ...key.publicKey.export({ format: 'jwk' }), kid: key.id, use: 'sig' }] }];
      case 'GET /authorize': {
        const wanted = { response_type: 'code', client_id: client.id, redirect_uri: client.redirect, code_challenge_method: 'S256' };
        const wrong = Object.entries(wanted).filter(([name, value]) => searchParams.get(name) !== value);
        state.asked.push(searchParams);
        return wrong.length ? [400, { wrong }] : [200, page(search)];
      }
      case 'POST /authorize':
        for (const [name, value] of form) form.set(name, decodeURIComponent(value));
        return [302, agree(form)];
      case 'POST /token':
        return redeem(form, request.headers.authorization);
      default:
        return [404, {}];
    }
  }

  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const [status, said] = answer(request, body);
      if (status === 302) response.writeHead(302, { Location: said }).end();
      else if (typeof said === 'string') response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end(said);
      else response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(said));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  state.issuer = `http://localhost:${server.address().port}`;
  state.stop = () => new Promise((resolve) => server.close(resolve) && server.closeAllConnections());
  return state;
}
