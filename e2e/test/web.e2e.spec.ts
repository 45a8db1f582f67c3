import { createHash, generateKeyPairSync } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { MarketClient } from '@muster/client';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserPath, openBrowser, Person } from './support/browser.js';
import { JoinedHost } from './support/joined-host.js';
import { Market } from './support/market.js';
import { needs, obstacle } from './support/obstacle.js';
import { until } from './support/until.js';

const STORY_MS = 480_000;
const STEP_MS = 150_000;
const executable = await browserPath();
const why = obstacle === null ? (executable === undefined ? ' (needs chromium)' : '') : needs;
const FRONTEND = new URL('../../apps/frontend/', import.meta.url).pathname;

const HOST = { email: 'host@muster.test', password: 'a long password of a host' };
const RENTER = { email: 'renter@muster.test', password: 'a long password of a renter' };
/** Gzip bytes of scripts that a page loads before anything is pressed. */
const FIRST_LOAD_BYTES = 250_000;

/** A public key as `ssh-keygen` writes it; its private half is thrown away. */
function sshKey(): string {
  const raw = generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const part = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  return `ssh-ed25519 ${Buffer.concat([part(Buffer.from('ssh-ed25519')), part(raw)]).toString('base64')} renter@page`;
}

describe.skipIf(why !== '')(`the web app, in a real browser${why}`, () => {
  let market: Market;
  let browser: Browser;
  let host: Person;
  let renter: Person;
  let machine: JoinedHost | undefined;
  let nodeId = '';
  let rentalId = '';

  beforeAll(async () => {
    [market, browser] = await Promise.all([Market.open({ agent: false, web: true }), openBrowser(executable ?? '')]);
    host = await Person.open(browser, market.webUrl);
    renter = await Person.open(browser, market.webUrl);
  }, STORY_MS);

  afterAll(async () => {
    await browser?.close();
    await machine?.leave();
    await market?.close();
  }, STORY_MS);

  async function apiOf(account: typeof HOST): Promise<MarketClient> {
    const { access_token } = await new MarketClient({ url: market.url }).call('signIn', { body: account });
    return new MarketClient({ url: market.url, token: access_token });
  }

  const idIn = (page: Page): string => new URL(page.url()).pathname.split('/').at(-1) ?? '';
  const say = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor();

  it('an empty market explains itself and offers a way on', async () => {
    await renter.page.goto('/market');
    await say(renter.page, 'No machine is on this market yet');
    expect(await renter.page.getByRole('link', { name: 'Add a machine' }).count()).toBe(1);
  }, STEP_MS);

  it('sign up, add this machine by the command of the page, see it verified', async () => {
    await host.signUp(HOST.email, HOST.password);
    await host.page.goto('/fleet/add');
    await host.page.getByLabel('Name of the machine').fill('desk');
    await host.page.getByRole('button', { name: 'Make a host API key' }).click();
    await say(host.page, 'Waiting for the agent');
    machine = JoinedHost.start(market, await host.page.getByRole('region', { name: 'the join command' }).innerText());
    await say(host.page, 'connected');
    await host.page.getByRole('link', { name: 'Open it' }).click();
    await host.page.waitForURL(/\/fleet\/[0-9a-f-]{36}$/);
    nodeId = idIn(host.page);
    await say(host.page, 'Evidence');
    await say(host.page, /\d+ of \d+ checks passed/);
  }, STORY_MS);

  it('a price set on the page is the price of the API', async () => {
    await host.page.getByLabel('$ per vCPU-hour').fill('0.013');
    await host.page.getByRole('button', { name: 'Set prices' }).click();
    const api = await apiOf(HOST);
    await until('the price to be set', async () => (await api.call('getNode', { params: { node_id: nodeId } })).pricing.cpu_core_dph === '0.013000');
  }, STEP_MS);

  it('without money renting is refused before anything is paid, with its reason', async () => {
    await renter.signUp(RENTER.email, RENTER.password);
    await renter.page.getByRole('button', { name: /^Rent 1 vCPU/ }).click();
    await renter.page.getByLabel('Public key').fill(sshKey());
    await renter.page.getByRole('button', { name: 'Add key' }).click();
    await say(renter.page, 'renter@page');
    await renter.page.getByRole('button', { name: /^Rent for/ }).click();
    await say(renter.page, 'It was not rented');
    await say(renter.page, 'insufficient_funds');
  }, STEP_MS);

  it('figures of the market are those of the API at that moment', async () => {
    const [offer] = (await new MarketClient({ url: market.url }).call('searchOffers', { query: { limit: 1 } })).items;
    await renter.page.goto('/market?q=num_gpus%3D0');
    const row = renter.page.getByRole('row').nth(1);
    await row.waitFor();
    expect(await row.innerText()).toContain(`$${offer?.dph_total.slice(0, -2).replace(/0{1,2}$/, '')}`);
    await renter.page.getByLabel('Query').fill('cpu_coresss>=1');
    await say(renter.page, /there is no field/);
  }, STEP_MS);

  it('rent, and watch it start', async () => {
    await market.operator.call('grantCredit', { body: { email: RENTER.email, amount_usd: '5' }, idempotencyKey: 'web-story-grant' });
    await renter.page.goto('/market');
    await renter.page.getByRole('button', { name: /^Rent 1 vCPU/ }).click();
    await say(renter.page, /You cannot be charged more than/);
    await renter.page.getByRole('button', { name: /^Rent for \$/ }).click();
    await renter.page.waitForURL('**/rentals/*');
    rentalId = idIn(renter.page);
    await say(renter.page, 'free until it can be reached');
    await renter.page.getByRole('heading', { name: 'Connect' }).waitFor({ timeout: STEP_MS });
    expect(await renter.page.getByRole('region', { name: 'A shell' }).innerText()).toMatch(/^ssh /);
  }, STORY_MS);

  it('type in the terminal', async () => {
    await renter.page.getByRole('button', { name: 'Open a shell' }).click();
    await renter.page.locator('.xterm-screen').waitFor();
    await renter.page.locator('.xterm-helper-textarea').focus();
    await renter.page.keyboard.type('echo sum-$((40+2)) | tee /workspace/kept\n');
    await renter.page.locator('.xterm-accessibility, .xterm-rows').getByText('sum-42').first().waitFor();
  }, STEP_MS);

  it('see charts move', async () => {
    await renter.page.getByText('Memory', { exact: true }).first().waitFor({ timeout: STEP_MS });
    await renter.page.locator('.uplot canvas').first().waitFor({ timeout: STEP_MS });
  }, STEP_MS);

  it('another account sees nothing of it', async () => {
    await host.page.goto(`/rentals/${rentalId}`);
    await say(host.page, 'There is no such rental in this account');
    await renter.page.goto(`/fleet/${nodeId}`);
    await say(renter.page, 'There is no such machine in this account');
  }, STEP_MS);

  it('lost connection and return: figures are marked as old, and become live again', async () => {
    await renter.page.goto(`/rentals/${rentalId}`);
    await renter.page.getByRole('heading', { name: 'Connect' }).waitFor();
    await renter.context.setOffline(true);
    await say(renter.page, 'The market does not answer').finally(() => renter.context.setOffline(false));
    await renter.page.getByText('The market does not answer.').waitFor({ state: 'detached', timeout: STEP_MS });
  }, STEP_MS);

  it('the backend killed during a rental: the page says so and goes on when it is back', async () => {
    await market.without('backend', () => say(renter.page, 'The market does not answer'));
    await renter.page.getByText('The market does not answer.').waitFor({ state: 'detached', timeout: STEP_MS });
    await renter.page.getByRole('heading', { name: 'Connect' }).waitFor();
  }, STORY_MS);

  it('no page shows figures of its own when the API is silent', async () => {
    await market.without('backend', async () => {
      await renter.page.goto('/market');
      await say(renter.page, 'The offers could not be loaded');
      expect(await renter.page.getByRole('row').count()).toBe(0);
      expect(await renter.page.locator('main').innerText()).not.toMatch(/\$\d/);
    });
    await until('the market to be ready', () => market.isReady());
  }, STORY_MS);

  it('stop keeps the disk, start goes on with it; a second tab follows', async () => {
    const second = await renter.context.newPage();
    await second.goto(`/rentals/${rentalId}`);
    await renter.page.goto(`/rentals/${rentalId}`);
    await renter.page.getByRole('button', { name: 'Stop', exact: true }).click();
    await renter.page.getByRole('button', { name: 'Stop it' }).click();
    await second.getByRole('button', { name: /^Start for/ }).waitFor({ timeout: STEP_MS });
    await second.getByRole('button', { name: /^Start for/ }).click();
    await renter.page.getByRole('heading', { name: 'Connect' }).waitFor({ timeout: STEP_MS });
    await second.close();
    await renter.page.getByRole('button', { name: 'Open a shell' }).click();
    await renter.page.locator('.xterm-helper-textarea').focus();
    await renter.page.keyboard.type('cat /workspace/kept | tr s S\n');
    await renter.page.locator('.xterm-accessibility, .xterm-rows').getByText('Sum-42').first().waitFor();
  }, STORY_MS);

  it('destroy, and see the bill that the API has', async () => {
    await renter.page.getByRole('button', { name: 'Destroy', exact: true }).click();
    await renter.page.getByRole('button', { name: 'Destroy it and its disk' }).click();
    await renter.page.getByRole('heading', { name: 'Receipt' }).waitFor({ timeout: STEP_MS });
    const { billing } = await (await apiOf(RENTER)).call('getRental', { params: { rental_id: rentalId } });
    expect(Number(billing.cost_usd)).toBeGreaterThan(0);
    await renter.page.locator('section', { hasText: 'Receipt' }).getByText(`$${billing.cost_usd.replace(/0{1,4}$/, '')}`).first().waitFor();
  }, STEP_MS);

  it('submit a job and watch the votes', async () => {
    await renter.page.goto('/jobs/new');
    await renter.page.getByLabel('Name', { exact: true }).fill('greet');
    await renter.page.getByLabel('Image', { exact: true }).fill('muster/workspace');
    await renter.page.getByLabel('Command', { exact: true }).fill('echo hello');
    await renter.page.getByLabel('Copies', { exact: true }).fill('1');
    await renter.page.getByLabel('Must agree').fill('1');
    await renter.page.getByRole('button', { name: /^Submit for at most/ }).click();
    await renter.page.waitForURL(/\/jobs\/[0-9a-f-]{36}$/);
    await renter.page.getByText('1 of 1 copy came to the same result').waitFor({ timeout: STEP_MS });
    await say(renter.page, createHash('sha256').update('hello\n').digest('hex'));
    await say(renter.page, 'completed');
  }, STORY_MS);

  it('axe finds nothing on any page, in either theme', async () => {
    const pages = ['/market', '/rentals?state=all', `/rentals/${rentalId}`, '/jobs', '/jobs/new', '/stats', '/wall', '/wallet', '/keys', '/settings', '/fleet/add'];
    const found: string[] = [];
    for (const theme of ['light', 'dark'] as const) {
      for (const page of pages) found.push(...(await renter.violations(page, theme)));
      for (const page of ['/fleet', `/fleet/${nodeId}`]) found.push(...(await host.violations(page, theme)));
    }
    expect(found).toEqual([]);
  }, STORY_MS);

  it('a request of another site changes nothing', async () => {
    const cookies = (await renter.context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    const foreign = await fetch(`${market.webUrl}/api/v1/api-keys`, { method: 'POST', headers: { cookie: cookies, origin: 'http://127.0.0.1:20022', 'content-type': 'application/json' }, body: JSON.stringify({ name: 'x' }) });
    expect(foreign.status).toBe(403);
    const tokens = await fetch(`${market.webUrl}/api/v1/auth/refresh`, { method: 'POST', headers: { cookie: cookies, origin: market.webUrl, 'sec-fetch-site': 'same-origin' } });
    expect(tokens.status).toBe(404);
    for (const { name, httpOnly, secure, sameSite } of await renter.context.cookies()) if (name !== 'muster_theme') expect({ name, httpOnly, secure, sameSite }).toEqual({ name, httpOnly: true, secure: true, sameSite: 'Lax' });
  }, STEP_MS);

  it('every page loads less than 250 kB of scripts first', async () => {
    for (const path of ['/market', `/rentals/${rentalId}`, '/jobs', '/fleet', '/wallet', '/keys', '/stats']) {
      const bytes = await scriptBytes(renter.page, path);
      console.log(`    ${path.replace(rentalId, '…')}: ${(bytes / 1000).toFixed(0)} kB of scripts (gzip)`);
      expect(bytes).toBeLessThan(FIRST_LOAD_BYTES);
    }
  }, STORY_MS);

  it('nobody is let in after signing out', async () => {
    await renter.page.goto('/settings');
    await renter.page.getByRole('button', { name: 'Sign out' }).first().click();
    await renter.page.waitForURL('**/sign-in');
    await renter.page.goto(`/rentals/${rentalId}`);
    await renter.page.waitForURL('**/sign-in?next=**');
  }, STEP_MS);

  it('no page complained of its policy or of itself', () => expect([...host.complaints, ...renter.complaints]).toEqual([]));
});

describe('the build of the web app', () => {
  it('holds no secret, and nothing of the server', async () => {
    const folder = join(FRONTEND, 'dist', 'static');
    const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.js'));
    expect(files.length).toBeGreaterThan(10);
    const forbidden = /mst_[A-Za-z0-9]{20}|msh_[A-Za-z0-9]{20}|BEGIN [A-Z ]*PRIVATE KEY|MUSTER_MASTER_KEY|MUSTER_GATE_SECRET|DATABASE_URL|REDIS_URL|CLERK_SECRET_KEY|sk_(test|live)_[A-Za-z0-9]|muster_refresh|127\.0\.0\.1:8080/;
    for (const file of files) expect(forbidden.exec(await readFile(join(folder, file), 'utf8'))?.[0], file).toBeUndefined();
  });
});

const gzipped = new Map<string, Promise<number>>();

/** The scripts that the page's own document names, gzipped here: what travels depends on the server in front. */
async function scriptBytes(page: Page, path: string): Promise<number> {
  const html = await (await page.request.get(path)).text();
  const sources = [...html.matchAll(/<script\b[^>]*\bsrc="([^"]+)"[^>]*>/g)].filter(([tag]) => !/nomodule/i.test(tag)).map(([, source]) => new URL(source ?? '', page.url()).href);
  for (const source of sources) if (!gzipped.has(source)) gzipped.set(source, fetch(source).then(async (answer) => gzipSync(await answer.arrayBuffer()).length));
  const sizes = await Promise.all([...new Set(sources)].map((source) => gzipped.get(source) ?? Promise.resolve(0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
