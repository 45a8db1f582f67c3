// `node test/tools/lighthouse.mjs`: scores of Market, Rental, Fleet and Jobs of the market that runs here, one JSON line each.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { pagesOf, runningMarket, signIn } from './running-market.mjs';

const LIGHTHOUSE = 'lighthouse@12.8.2';
const WANTED = ['market', 'rental', 'fleet', 'jobs'];
const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
const market = await runningMarket();
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const context = await browser.newContext();
await signIn(await context.newPage(), market);
const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
await browser.close();
const folder = await mkdtemp(join(tmpdir(), 'muster-lighthouse-'));
for (const [name, path] of (await pagesOf(market)).filter(([one]) => WANTED.includes(one))) {
  const out = join(folder, `${name}.json`);
  const flags = ['--quiet', '--preset=desktop', '--only-categories=performance,accessibility', '--output=json', `--output-path=${out}`, `--extra-headers=${JSON.stringify({ Cookie: cookie })}`, '--chrome-flags=--headless=new --no-sandbox --disable-background-networking'];
  await promisify(execFile)('npx', ['--yes', LIGHTHOUSE, market.webUrl + path, ...flags], { env: { ...process.env, CHROME_PATH: executablePath }, maxBuffer: 1e8 });
  const { categories, audits } = JSON.parse(await readFile(out, 'utf8'));
  console.log(JSON.stringify({ page: name, performance: Math.round(categories.performance.score * 100), accessibility: Math.round(categories.accessibility.score * 100), lcp_ms: Math.round(audits['largest-contentful-paint'].numericValue), tbt_ms: Math.round(audits['total-blocking-time'].numericValue), cls: audits['cumulative-layout-shift'].numericValue }));
}
await rm(folder, { recursive: true });
