// Signing in at an identity provider, in a real browser: services as processes of their own, and a provider at another site.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createInterface } from 'node:readline';
import { isAccessible, until } from './people.mjs';
import { startProvider } from './provider.mjs';
import { freePort, person, program, root, startBrowser, wordsOf } from './system.mjs';

const kServices = ['queue', 'seat', 'wallet', 'payment', 'reservation', 'ranking', 'relay'];
const data = mkdtempSync(join(tmpdir(), 'boxoffice-sign-in-'));
const ended = [];
const stops = [];
let url;
let provider;
let browser;
let words;

async function serve(service, flags = [], env = {}) {
  const child = spawn(program, ['serve', service, '--data', data, '--log-level', 'error', '--drain-notice-ms', '0', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const end = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  ended.push(end);
  stops.push(() => child.kill('SIGTERM'));
  await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('ready ') && resolve());
    end.then((code) => reject(new Error(`boxoffice serve ${service} ended with ${code}`)));
  });
}

before(async () => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const client = { id: 'box office', secret: 's:cret', redirect: `${url}/v1/session/oidc/callback` };
  provider = await startProvider(client);
  words = await wordsOf('en');
  await Promise.all([
    ...kServices.map((service) => serve(service)),
    serve(
      'gateway',
      ['--listen', `127.0.0.1:${port}`, '--web-root', join(root, 'build/web'), '--jwt-issuer', provider.issuer, '--jwt-jwks-url', `${provider.issuer}/keys`,
        '--sign-in-client-id', client.id, '--sign-in-redirect-url', client.redirect],
      { BOXOFFICE_SIGN_IN_CLIENT_SECRET: client.secret, BOXOFFICE_SIGN_IN_SESSION_KEY: 'a session key of thirty-two bytes or more' },
    ),
  ]);
  browser = await startBrowser();
  await until(async () => (await fetch(`${url}/v1/concerts`)).ok, 'the services to be found');
});
after(async () => {
  await browser?.close();
  for (const stop of stops) stop();
  await Promise.all(ended);
  await provider?.stop();
  rmSync(data, { recursive: true, force: true });
});

// To the provider's page, from the page that wants somebody signed in.
async function goToProvider(page, next) {
  await page.goto(`/sign-in?next=${encodeURIComponent(next)}`);
  await page.getByRole('link', { name: words.signInProvider }).click();
  await page.waitForURL((at) => at.origin === provider.issuer);
}

async function agreeAs(page, user, role = 'buyer') {
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Role').fill(role);
  await page.getByRole('button', { name: 'Agree' }).click();
}

test('whoever agrees at the provider is signed in, gets to the page that was wanted, and signs out again', async () => {
  const { page, context, errors } = await person(browser, url);
  await page.goto('/sign-in?next=%2Fmy%2Fwallet');
  await page.getByRole('link', { name: words.signInProvider }).waitFor();
  await isAccessible(page);
  await goToProvider(page, '/my/wallet');
  await agreeAs(page, 'mina');
  await page.waitForURL(`${url}/my/wallet`);
  await page.getByText('mina', { exact: true }).first().waitFor();
  // Nothing that a script could read, or that stands in an address, is a token.
  assert.equal(await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })), '{}');
  const cookies = await context.cookies();
  assert.deepEqual(cookies.map(({ name, httpOnly, sameSite, path }) => [name, httpOnly, sameSite, path]), [['boxoffice_session', true, 'Strict', '/v1']]);
  await page.reload();
  await page.getByText('mina', { exact: true }).first().waitFor();
  await page.getByRole('button', { name: words.signOut }).click();
  await page.waitForURL(`${url}/`);
  await page.getByRole('link', { name: words.signIn }).first().waitFor();
  assert.deepEqual(await context.cookies(), []);
  assert.deepEqual(errors, []);
  // Whoever has the device next goes back, and finds nobody's wallet.
  await page.goBack();
  await page.getByRole('link', { name: words.signIn }).first().waitFor();
  assert.equal(await page.getByText('mina', { exact: true }).count(), 0);
  await context.close();
});

test('an operator is who the provider says is one', async () => {
  const { page, context, errors } = await person(browser, url);
  await goToProvider(page, '/operator/shows');
  await agreeAs(page, 'olga', 'operator');
  await page.waitForURL(`${url}/operator/shows`);
  await page.locator('.console h1').waitFor();
  assert.deepEqual(errors, []);
  await context.close();
});

test('whoever refuses at the provider is told so, in words, and may try again', async () => {
  const { page, context, errors } = await person(browser, url);
  await goToProvider(page, '/my/wallet');
  await page.getByRole('button', { name: 'Refuse' }).click();
  await page.getByRole('alert').getByText(words.errors.sign_in_refused).waitFor();
  await isAccessible(page);
  await page.getByRole('link', { name: words.signInProvider }).click();
  await page.waitForURL((at) => at.origin === provider.issuer);
  await agreeAs(page, 'jun');
  await page.waitForURL(`${url}/my/wallet`);
  assert.deepEqual(errors, []);
  await context.close();
});

test('a link from elsewhere signs nobody in, and leads to no other site', async () => {
  const { page, context, errors } = await person(browser, url);
  await goToProvider(page, '/my/wallet');
  // Somebody else's attempt, whose end is sent as a link.
  const begun = await fetch(`${url}/v1/session/oidc`, { redirect: 'manual' });
  const asked = new URL(begun.headers.get('location')).searchParams;
  const agreed = new URLSearchParams({ ...Object.fromEntries(asked), user: 'mallory', role: 'operator', agreed: 'yes' });
  const link = (await fetch(`${provider.issuer}/authorize`, { method: 'POST', body: agreed, redirect: 'manual' })).headers.get('location');
  assert.match(link, /oidc\/callback\?state=.*&code=/);
  await page.goto(link);
  await page.getByRole('alert').getByText(words.errors.sign_in_expired).waitFor();
  assert.deepEqual((await context.cookies()).filter(({ name }) => name === 'boxoffice_session'), []);
  for (const elsewhere of ['//localhost:1/', '/\t/localhost:1/', '/\\localhost:1/', '/.//localhost:1/', '/my/..//localhost:1/', 'https://localhost:1/']) {
    await page.goto(`/sign-in?next=${encodeURIComponent(elsewhere)}`);
    assert.equal(await page.getByRole('link', { name: words.signInProvider }).getAttribute('href'), '/v1/session/oidc?next=%2F', elsewhere);
    await goToProvider(page, '/');
    await agreeAs(page, 'mina');
    await page.waitForURL(`${url}/`);
  }
  assert.deepEqual(errors, []);
  await context.close();
});

test('a provider that is down is said to be', async () => {
  const { page, context, errors } = await person(browser, url);
  await goToProvider(page, '/my/wallet');
  provider.down = true;
  const back = new URL(provider.asked.at(-1).get('redirect_uri'));
  back.search = new URLSearchParams({ code: 'any', state: provider.asked.at(-1).get('state') });
  await page.goto(back.href);
  await page.getByRole('alert').getByText(words.errors.sign_in_unavailable).waitFor();
  provider.down = false;
  await page.getByRole('link', { name: words.signInProvider }).click();
  await page.waitForURL((at) => at.origin === provider.issuer);
  await agreeAs(page, 'mina');
  await page.waitForURL(`${url}/my/wallet`);
  assert.deepEqual(errors, []);
  await context.close();
});
