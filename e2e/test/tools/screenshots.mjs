// `./muster screenshots [folder]`: every page of the market that runs here, wide and narrow, light and dark.
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { pagesOf, runningMarket, signIn } from './running-market.mjs';

const folder = resolve(process.argv[2] ?? 'screenshots');
const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const market = await runningMarket();
const pages = [...(await pagesOf(market)), ['rent', '/market', (page) => page.locator('[data-row="0"]').click({ timeout: 5_000 })]];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-background-networking', '--disable-quic'] });
await mkdir(folder, { recursive: true });
const first = await browser.newContext();
await signIn(await first.newPage(), market);
const storageState = await first.storageState();
for (const theme of ['light', 'dark']) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    const context = await browser.newContext({ storageState, viewport, colorScheme: theme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    for (const [name, path, act] of pages) {
      await page.goto(market.webUrl + path);
      await page.locator('.skeleton').first().waitFor({ state: 'detached', timeout: 20_000 }).catch(() => console.error(`${path}: still loading`));
      await act?.(page).catch((error) => console.error(`${path}: ${error.message.split('\n')[0]}`));
      await page.waitForTimeout(1_200); // charts draw themselves
      await page.screenshot({ path: join(folder, `${name}-${size}-${theme}.png`) });
    }
    await context.close();
    console.log(`${theme}, ${size}: ${pages.length} pages`);
  }
}
await browser.close();
console.log(folder);
