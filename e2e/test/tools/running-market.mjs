// The market that `muster up` runs in MUSTER_HOME: where it is, who may sign in, and what there is to look at.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MarketClient } from '@muster/client';

const home = process.env.MUSTER_HOME ?? '/var/lib/muster';
const read = async (name) => JSON.parse(await readFile(join(home, name), 'utf8'));

export async function runningMarket() {
  const [credentials, settings] = await Promise.all([read('credentials.json'), read('market.json')]);
  return { webUrl: `http://localhost:${settings.ports.web}`, email: credentials.email, password: credentials.password, client: new MarketClient({ url: credentials.url, token: credentials.api_key }) };
}

/** Every page that can be shown, those of a thing with the newest of its kind. */
export async function pagesOf({ client }) {
  const [rentals, jobs, nodes] = await Promise.all([client.call('listRentals', { query: { state: 'all', limit: 1 } }), client.call('listJobs', { query: { limit: 5 } }), client.call('listNodes', { query: { limit: 1 } })]);
  const job = jobs.items.find(({ progress }) => progress.tasks > 1) ?? jobs.items[0];
  const pages = { market: '/market', rentals: '/rentals?state=all', jobs: '/jobs', 'job-new': '/jobs/new', fleet: '/fleet', 'fleet-add': '/fleet/add', stats: '/stats', wall: '/wall', wallet: '/wallet', keys: '/keys', settings: '/settings' };
  const tabs = ['health', 'users', 'nodes', 'rentals', 'jobs', 'ledger', 'events'].map((tab) => [`operator-${tab}`, `/operator?tab=${tab}`]);
  const things = [['rental', '/rentals/', rentals.items[0]], ['job', '/jobs/', job], ['node', '/fleet/', nodes.items[0]]].flatMap(([name, path, thing]) => (thing ? [[name, `${path}${thing.id}`]] : []));
  return [...Object.entries(pages), ...things, ...tabs];
}

/** Cookies of a session of the market's own account. */
export async function signIn(page, { webUrl, email, password }) {
  await page.goto(`${webUrl}/sign-in`);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/market');
}
