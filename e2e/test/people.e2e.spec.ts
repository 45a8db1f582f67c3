import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MarketClient } from '@muster/client';
import type { RentalView } from '@muster/shared-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CLI } from './support/caches.js';
import { Market } from './support/market.js';
import { needs, obstacle } from './support/obstacle.js';
import { expectExactBill, Renter } from './support/renter.js';
import { run, type Ran } from './support/run.js';
import { unixUser, type UnixUser } from './support/unix-user.js';
import { until } from './support/until.js';

const OPEN_MS = 300_000;
const NOBODY = '00000000-0000-7000-8000-000000000000';
const Rental = z.object({ id: z.string(), status: z.string() }).loose();
const Failure = z.object({ error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional(), exit_code: z.number() }).loose() });

/** The person who called `sudo ./muster up` is a Unix user of this machine, and everything below is done through the built command line. */
describe.skipIf(obstacle !== null)(`the command line in people's hands${needs}`, { timeout: 180_000 }, () => {
  let market: Market;
  let person: UnixUser;
  let stranger: { env: NodeJS.ProcessEnv; renter: Renter };
  let rental: RentalView;

  beforeAll(async () => {
    person = await unixUser();
    market = await Market.open({
      prepare: async (home) => {
        await chown(join(home, 'person'), person.uid, person.gid);
        return { MUSTER_CALLER_UID: String(person.uid), MUSTER_CALLER_GID: String(person.gid), MUSTER_CALLER_HOME: join(home, 'person') };
      },
    });
    const renter = await Renter.signUp(market, '0.000001');
    const { key } = await renter.client.call('createApiKey', { body: { name: 'cli', kind: 'user', scopes: ['read', 'rent', 'host', 'account'] } });
    stranger = { renter, env: { ...plain(market.env), MUSTER_URL: market.url, MUSTER_API_KEY: key, MUSTER_HOME: join(market.home, 'nothing'), HOME: join(market.home, 'renters', renter.email) } };
  }, OPEN_MS);

  afterAll(async () => {
    await market?.close();
    await person?.remove();
  }, OPEN_MS);

  const plain = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('MUSTER_CALLER_')));
  const asUser = (uid: number, gid: number, args: readonly string[]): Promise<Ran> => run('setpriv', [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', process.execPath, CLI, ...args], { env: plain(market.env) });
  const asStranger = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> => run(process.execPath, [CLI, ...args], { env: { ...stranger.env, ...env } });
  const json = async (args: readonly string[]): Promise<Record<string, unknown>> => JSON.parse((await market.must([...args, '--json'], OPEN_MS)).stdout) as Record<string, unknown>;

  /** A failure ends with its code, and says in words and for programs what it was and what to do next. */
  async function expectExit(code: number, call: Promise<Ran>, kind?: string): Promise<void> {
    const ran = await call;
    expect(ran, ran.stderr).toMatchObject({ code, stdout: '' });
    if (kind === undefined) return;
    const { error } = Failure.parse(JSON.parse(ran.stderr));
    expect(error).toMatchObject({ code: kind, exit_code: code });
    expect(error.message).not.toBe('');
  }

  describe('whose files they are', () => {
    it('the credential file is the person\'s own, and opens the market to nobody else', async () => {
      const { mode, uid, gid } = await stat(join(market.home, 'credentials.json'));
      expect({ mode: mode & 0o777, uid, gid }).toEqual({ mode: 0o600, uid: person.uid, gid: person.gid });
      expect(await asUser(person.uid, person.gid, ['balance', '--json'])).toMatchObject({ code: 0 });
      await expectExit(2, asUser(65_534, 65_534, ['balance', '--json']), 'cli');
    });

    it('what a command of root keeps for the person can be read by the person', async () => {
      await market.must(['search', '--json']);
      const kept = await stat(join(market.home, 'person/.muster/last.json'));
      expect({ uid: kept.uid, mode: kept.mode & 0o777 }).toEqual({ uid: person.uid, mode: 0o600 });
    });
  });

  describe('a rental', () => {
    it('rent, ls, show, balance, statement, logs', async () => {
      rental = (await json(['rent', '1', '--yes'])) as unknown as RentalView;
      expect(rental.status).toBe('running');
      expect(z.object({ items: z.array(Rental) }).parse(await json(['ls'])).items.map(({ id }) => id)).toEqual([rental.id]);
      expect(await json(['show', '1'])).toMatchObject({ id: rental.id, events: expect.arrayContaining([expect.objectContaining({ kind: 'running' })]) as unknown });
      expect(Number((await json(['balance']))['balance_usd'])).toBeLessThanOrEqual(25);
      expect(z.object({ items: z.array(z.object({ type: z.string() })) }).parse(await json(['statement'])).items.length).toBeGreaterThan(0);
      expect(await json(['logs', '1', '--tail', '5'])).toMatchObject({ text: expect.any(String) as unknown, truncated: expect.any(Boolean) as unknown });
      expect((await market.must(['logs', rental.id])).code).toBe(0);
    });

    it('ssh hands on the exit code of the command', async () => {
      expect(await market.cli(['ssh', '1', '--', 'exit', '41'])).toMatchObject({ code: 41 });
    });

    it('exec runs without SSH: both streams, the exit code, what is piped in, and a terminal', async () => {
      expect(await market.cli(['exec', '1', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])).toMatchObject({ code: 7, stdout: 'out\n', stderr: 'err\n' });
      const bytes = randomBytes(1_500_000);
      const piped = await withInput(process.execPath, [CLI, 'exec', '1', '--', 'sha256sum'], market.env, bytes);
      expect(piped).toMatchObject({ code: 0, stdout: `${createHash('sha256').update(bytes).digest('hex')}  -\n` });
      const terminal = await withInput('script', ['-qec', `${process.execPath} ${CLI} exec 1`, '/dev/null'], market.env, Buffer.from('test -t 0 && echo terminal-$((6*7)); exit 9\n'));
      expect(terminal).toMatchObject({ code: 9, stdout: expect.stringContaining('terminal-42') as unknown });
    });

    it('logs -f goes on with what comes', async () => {
      const child = spawn(process.execPath, [CLI, 'logs', '-f', '1'], { env: market.env, stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        let text = '';
        child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
        for (const word of ['first', 'second']) {
          await market.must(['exec', '1', '--', 'sh', '-c', `echo ${word}-line > /proc/1/fd/1`]);
          await until(`the ${word} line`, () => text.includes(`${word}-line`));
        }
        expect(text.split('first-line')).toHaveLength(2);
      } finally {
        child.kill('SIGTERM');
      }
    });

    it('scp copies a file and a folder there and back, and says so when there is none', async () => {
      const folder = join(market.home, 'scp');
      await mkdir(join(folder, 'inner'), { recursive: true });
      const bytes = randomBytes(300_000);
      await writeFile(join(folder, 'inner/one.bin'), bytes);
      await market.must(['scp', '-r', join(folder, 'inner'), '1:/workspace/']);
      await market.must(['scp', `1:/workspace/inner/one.bin`, join(folder, 'back.bin')]);
      expect((await readFile(join(folder, 'back.bin'))).equals(bytes)).toBe(true);
      expect((await market.cli(['scp', '1:/workspace/not-there', folder])).code).not.toBe(0);
      await expectExit(2, market.cli(['scp', folder, folder, '--json']), 'cli');
    });

    it('open leads to Jupyter through SSH, and --public names its public port; both want the token', async () => {
      const child = spawn(process.execPath, [CLI, 'open', '1', 'jupyter', '--json'], { env: market.env, stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        const url = await firstJson(child, z.object({ url: z.string(), public: z.literal(false) })).then((answer) => new URL(answer.url));
        await until('Jupyter to answer through the tunnel of ssh', async () => (await kernels(url, url.searchParams.get('token'))) === 200);
        expect(await kernels(url, null)).toBe(403);
      } finally {
        child.kill('SIGTERM');
      }
      const open = z.object({ url: z.string(), public: z.literal(true) }).parse(await json(['open', '1', 'jupyter', '--public']));
      const url = new URL(open.url);
      expect(Number(url.port)).toBe(rental.connection?.jupyter?.port);
      expect([await kernels(url, url.searchParams.get('token')), await kernels(url, null)]).toEqual([200, 403]);
    });
  });

  describe('exit codes', () => {
    it('2: usage', async () => {
      expect((await market.cli(['search', '--nonsense'])).code).toBe(2);
      expect((await market.cli(['rent'])).code).toBe(2);
      await expectExit(2, market.cli(['keys', 'create', '--expires', 'some-day', '--json']), 'cli');
      await expectExit(2, market.cli(['rent', '1', '--json']), 'cli');
      await expectExit(2, asStranger(['balance', '--json'], { MUSTER_URL: undefined, MUSTER_API_KEY: undefined }), 'cli');
      expect((await asStranger(['balance'], { MUSTER_URL: 'not-an-address' })).code).toBe(2);
    });

    it('3: not found, or not yours', async () => {
      await expectExit(3, market.cli(['show', NOBODY, '--json']), 'not_found');
      for (const args of [['show'], ['destroy', '--yes'], ['logs'], ['exec'], ['ssh'], ['open']] as const) {
        const [command, ...flags] = args;
        await expectExit(3, asStranger([command, rental.id, ...(command === 'open' ? ['jupyter'] : []), ...flags, '--json']), 'not_found');
      }
      await expectExit(3, asStranger(['node', 'drain', market.nodeId, '--json']), 'not_found');
      await expectExit(3, asStranger(['admin', 'check-ledger', '--json']), 'forbidden');
      await expectExit(3, asStranger(['status', '--json']), 'cli');
    });

    it('4: refused by a rule', async () => {
      const [offer] = await stranger.renter.offers();
      await expectExit(4, asStranger(['rent', offer?.id ?? '', '--yes', '--json']), 'insufficient_funds');
      await expectExit(4, asStranger(['balance', '--json'], { MUSTER_API_KEY: 'mst_never-made' }), 'unauthenticated');
      await expectExit(4, market.cli(['node', 'retire', market.nodeId, '--yes', '--json']), 'action_not_allowed');
      await expectExit(4, market.cli(['up', '--port', '1', '--detach', '--json']), 'cli');
    });

    it('5: nobody answers, or a part is away', async () => {
      await expectExit(5, asStranger(['balance', '--json'], { MUSTER_URL: 'http://127.0.0.1:9' }), 'unreachable');
      await market.without('postgres', async () => {
        await until('the market to notice', async () => !(await fetch(new URL('/ready', market.url))).ok);
        await expectExit(5, asStranger(['balance', '--json']), 'unavailable');
      });
      await market.untilWell();
    });

    it('6: no answer in time', async () => {
      await market.whileStopped((await market.part('backend')).pid, () => expectExit(6, asStranger(['balance', '--json']), 'timed_out'));
      await market.untilWell();
    });
  });

  describe('keys, machines, and what operators do', () => {
    it('a revoked key is refused at once, and nothing else', async () => {
      const made = z.object({ id: z.string(), key: z.string() }).parse(await json(['keys', 'create', '--name', 'short-lived', '--scope', 'read', '--expires', '1d']));
      const env = { MUSTER_API_KEY: made.key };
      expect(await asStranger(['balance', '--json'], env)).toMatchObject({ code: 0 });
      await expectExit(4, asStranger(['keys', 'ls', '--json'], env), 'scope_missing');
      const { items } = z.object({ items: z.array(z.object({ id: z.string(), revoked_at: z.string().nullable() })) }).parse(await json(['keys', 'ls']));
      const number = items.findIndex(({ id }) => id === made.id) + 1;
      expect(await json(['keys', 'revoke', String(number)])).toMatchObject({ id: made.id });
      await expectExit(4, asStranger(['balance', '--json'], env), 'unauthenticated');
      expect((await market.must(['balance', '--json'])).code).toBe(0);
    });

    it('a drained machine takes nothing new and goes on with what runs; list brings it back', async () => {
      await json(['node', 'ls']);
      expect(await json(['node', 'drain', '1'])).toMatchObject({ id: market.nodeId, listing: 'draining' });
      expect(await stranger.renter.offers()).toEqual([]);
      expect(await market.cli(['ssh', '1', '--', 'true'])).toMatchObject({ code: 0 });
      expect(await json(['node', 'list', '1'])).toMatchObject({ listing: 'listed' });
      await until('its offers to be back', async () => (await stranger.renter.offers()).length > 0);
    });

    it('admin grant, reset-password, check-ledger', async () => {
      const { email } = stranger.renter;
      expect(await json(['admin', 'grant', email, '1.5'])).toMatchObject({ email, granted_usd: '1.500000', balance_usd: '1.500001' });
      const { password } = z.object({ password: z.string() }).parse(await json(['admin', 'reset-password', email]));
      const client = new MarketClient({ url: market.url });
      await expect(client.call('signIn', { body: { email, password: `${password}x` } })).rejects.toMatchObject({ problem: { code: 'bad_credentials' } });
      expect(await client.call('signIn', { body: { email, password } })).toMatchObject({ access_token: expect.any(String) as unknown });
      await expect(stranger.renter.client.call('getAccount', {})).rejects.toMatchObject({ problem: { status: 401 } });
      expect(await json(['admin', 'check-ledger'])).toMatchObject({ ok: true });
      await expectExit(3, market.cli(['admin', 'grant', 'nobody@example.com', '1', '--json']), 'not_found');
    });
  });

  describe('down with live rentals', () => {
    /** Over for the reason that its machine went down, and billed to the second; read from the market that is up again. */
    async function expectShutDown(who: string): Promise<void> {
      const reader = { market, client: market.operator } as unknown as Renter;
      const over = await market.operator.call('getRental', { params: { rental_id: who } });
      expect(over).toMatchObject({ status: 'ended', end_reason: 'host_shutdown', released: true });
      await expectExactBill(reader, over);
    }

    it('names them and stops nothing; with --yes it settles them', async () => {
      const refused = await market.cli(['down', '--json']);
      expect(refused.code).toBe(4);
      expect(refused.stderr).toContain(rental.id);
      expect(await market.cli(['ssh', '1', '--', 'true'])).toMatchObject({ code: 0 });
      const { stdout } = await market.must(['down', '--yes']);
      expect(stdout).toContain('1 rental settled');
      await market.up();
      await expectShutDown(rental.id);
    });

    it('Ctrl-C on a terminal names them first and goes on; a second one ends them', { timeout: OPEN_MS }, async () => {
      await market.must(['down', '--yes']);
      const terminal = spawn('script', ['-qfec', `exec ${process.execPath} ${CLI} up`, '/dev/null'], { env: market.env, stdio: ['pipe', 'pipe', 'inherit'] });
      let shown = '';
      terminal.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
      const ended = new Promise<number | null>((resolve) => terminal.once('exit', resolve));
      await until('the market to be up', () => shown.includes('credentials.json') && market.isReady(), OPEN_MS);
      await market.must(['search', '--json']);
      const second = Rental.parse(await json(['rent', '1', '--yes']));

      terminal.stdin.write('\u0003');
      await until('it to say what would end', () => shown.includes('would end') && shown.includes('Press Ctrl-C again'));
      expect(shown).toContain(second.id.slice(-8));
      expect(await market.cli(['ssh', '1', '--', 'true'])).toMatchObject({ code: 0 });
      terminal.stdin.write('\u0003');
      expect(await ended).toBe(0);
      expect(shown).toContain('1 rental settled');
      await market.up();
      await expectShutDown(second.id);
    });
  });
});

/** Status of a path of Jupyter's that needs its token. */
async function kernels(url: URL, token: string | null): Promise<number> {
  const response = await fetch(new URL('/api/kernels', url), { headers: token ? { authorization: `token ${token}` } : {}, redirect: 'manual', signal: AbortSignal.timeout(10_000) });
  await response.arrayBuffer();
  return response.status;
}

/** The JSON document with which a program that goes on begins. */
async function firstJson<S extends z.ZodType>(child: ChildProcess, schema: S): Promise<z.output<S>> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return until('its first words', () => schema.parse(JSON.parse(text)));
}

/** Runs a program with something to read. */
function withInput(program: string, args: readonly string[], env: NodeJS.ProcessEnv, input: Buffer): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const ran = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (ran.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (ran.stderr += chunk.toString()));
    child.stdin.on('error', () => undefined);
    child.stdin.write(input, () => (program === 'script' ? undefined : child.stdin.end()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? -1, ...ran }));
  });
}
