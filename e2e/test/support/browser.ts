import { access } from 'node:fs/promises';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser of this machine; undefined when it has none. */
export async function browserPath(): Promise<string | undefined> {
  for (const path of PATHS) if (await access(path).then(() => true, () => false)) return path;
  return undefined;
}

/** Talks to nobody but the pages it is given. */
export const openBrowser = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-background-networking', '--disable-quic', '--disable-dev-shm-usage'] });

/** One person: a browser profile of their own. What the page complains of is kept. */
export class Person {
  readonly complaints: string[] = [];

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    private readonly base: string,
  ) {}

  static async open(browser: Browser, base: string): Promise<Person> {
    const context = await browser.newContext({ baseURL: base, viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' });
    context.setDefaultTimeout(60_000);
    context.setDefaultNavigationTimeout(90_000);
    const person = new Person(context, await context.newPage(), base);
    person.page.on('pageerror', (error) => person.complaints.push(error.message));
    person.page.on('console', (message) => {
      if (message.type() === 'error' && /Content Security Policy|Hydration|Minified React/.test(message.text())) person.complaints.push(message.text());
    });
    return person;
  }

  async signUp(email: string, password: string): Promise<void> {
    await this.page.goto('/sign-up');
    await this.#enter(email, password, 'Create account');
  }

  async signIn(email: string, password: string): Promise<void> {
    await this.page.goto('/sign-in');
    await this.#enter(email, password, 'Sign in');
  }

  async #enter(email: string, password: string, button: string): Promise<void> {
    await this.page.getByLabel('E-mail').fill(email);
    await this.page.getByLabel('Password').fill(password);
    await this.page.getByRole('button', { name: button }).click();
    await this.page.waitForURL(`${this.base}/market`);
  }

  /** Violations of a page in a theme, as lines. */
  async violations(path: string, theme: 'light' | 'dark'): Promise<string[]> {
    await this.page.emulateMedia({ colorScheme: theme });
    await this.page.goto(path);
    await this.settled();
    const { violations } = await new AxeBuilder({ page: this.page }).analyze();
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${path} ${theme} ${id}: ${node.target.join(' ')} ${node.any[0]?.message ?? node.all[0]?.message ?? ''}`));
  }

  /** Nothing on the page is still on its way. */
  async settled(): Promise<void> {
    await this.page.getByRole('heading', { level: 1 }).waitFor();
    await this.page.locator('.skeleton').first().waitFor({ state: 'detached' });
  }
}
