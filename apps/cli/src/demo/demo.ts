import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MarketClient } from '@muster/client';
import { type ConnectionInfo, formatUsd, type Offer, parseUsd, type RentalView } from '@muster/shared-types';
import { Argument, type Command } from 'commander';
import { openAccess } from '../commands/access.js';
import type { CliContext } from '../context.js';
import { say } from '../output/io.js';
import { duration, usd } from '../output/words.js';
import { demoJobs } from './jobs-demo.js';
import { evaluate, statusOf, untilServes } from './jupyter.js';
import { isUp, runSelf, tellStory } from './own-market.js';
import { type Ran, runTool } from './tools.js';
import { must, Transcript } from './transcript.js';

const FILE_BYTES = 8 * 2 ** 20;
const PACKAGE = 'bc';

export function registerDemo(program: Command, context: CliContext): void {
  program
    .command('demo')
    .description('A whole story unattended on real parts. rental: rent, SSH, copy, install, Jupyter, destroy, bill. jobs: verified jobs on three nodes of three owners, and a liar')
    .addArgument(new Argument('[story]', 'which one').choices(['rental', 'jobs']).default('rental'))
    .option('--keep', 'leave a market running that was started for this')
    .addHelpText('after', '\nExamples:\n  muster demo\n  muster demo jobs')
    .action((story: 'rental' | 'jobs', { keep = false }: { keep?: boolean }) => (story === 'jobs' ? demoJobs(context, keep) : demo(context, keep)));
}

/** Uses the market that runs here, or runs one for the story. */
async function demo(context: CliContext, keep: boolean): Promise<void> {
  const own = !(await isUp(context));
  if (own) await runSelf(context, ['up', '--detach'], 'See what is missing with: muster up');
  await tellStory(context, own && !keep, (transcript, folder) => new Story(context, transcript, folder).tell());
}

class Story {
  private client!: MarketClient;

  constructor(
    private readonly context: CliContext,
    private readonly transcript: Transcript,
    private readonly folder: string,
  ) {}

  async tell(): Promise<Record<string, unknown>> {
    const { io, config } = this.context;
    this.client = (await openAccess(config)).client;
    const { transcript } = this;
    const startedMs = performance.now();
    const offer = await transcript.step('search', () => this.search());
    const keyId = await transcript.step('make and register an SSH key', () => this.makeKey());
    const rental = await transcript.step('rent and reach', () => this.rent(offer, keyId));
    try {
      await this.work(rental);
    } catch (error) {
      await this.client.call('destroyRental', { params: { rental_id: rental.id } }).catch((problem: unknown) => say(io, String(problem)));
      throw error;
    }
    const ended = await transcript.step('destroy', () => this.destroy(rental.id));
    const bill = await transcript.step('bill = seconds × rate', () => this.checkBill(ended));
    await transcript.step('the capacity is free again', () => this.released(rental.id));
    await this.client.call('deleteSshKey', { params: { ssh_key_id: keyId } });
    const figures = { total_ms: Math.round(performance.now() - startedMs), phase_ms: rental.phase_ms, ...bill };
    say(io, `\n${io.paint.green('✓')} The story is true: ${duration(Number(bill.billed_seconds))} for ${usd(bill.cost_usd)}, all of it in ${duration((performance.now() - startedMs) / 1000)}.`);
    return figures;
  }

  private async search() {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const { items } = await this.client.call('searchOffers', { query: { limit: 5 } });
      if (items[0]) return { value: items[0], seen: `${items.length} offers from ${usd(items[0].dph_total)}/h` };
      must(Date.now() < deadline, 'Nothing is for rent here.');
      await sleep(500);
    }
  }

  private async makeKey() {
    const path = this.path('key');
    await this.tool('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'muster-demo', '-f', path]);
    const key = await this.client.call('addSshKey', { body: { name: 'demo', public_key: (await readFile(`${path}.pub`, 'utf8')).trim() } });
    return { value: key.id, seen: key.fingerprint };
  }

  private async rent(offer: Offer, keyId: string) {
    const quote = await this.client.call('createQuote', { body: { offer_id: offer.id, disk_gb: 1 } });
    const rental = await this.client.call('createRental', {
      idempotencyKey: randomUUID(),
      body: { offer_id: offer.id, disk_gb: 1, expected_dph_total: quote.dph_total, ssh_key_ids: [keyId] },
    });
    const running = await this.untilRunning(rental.id);
    return { value: running, seen: Object.entries(running.phase_ms).map(([name, ms]) => `${name} ${ms} ms`).join(', ') };
  }

  private async untilRunning(id: string): Promise<RentalView> {
    const deadline = Date.now() + 180_000;
    for (;;) {
      const rental = await this.client.call('getRental', { params: { rental_id: id } });
      if (rental.status === 'running') return rental;
      must(rental.status === 'pending' || rental.status === 'starting', `It did not start: ${rental.fault?.message ?? rental.end_reason}`);
      must(Date.now() < deadline, `It is still ${rental.phase}.`);
      await sleep(50);
    }
  }

  private async work(rental: RentalView): Promise<void> {
    const { transcript } = this;
    const connection = await this.client.call('getConnection', { params: { rental_id: rental.id } });
    await writeFile(this.path('known_hosts'), `${connection.ssh?.known_hosts}\n`);
    await transcript.step('ssh, strict host key checking', () => this.shell(connection));
    await transcript.step('scp there and back', () => this.copy(connection));
    await transcript.step('rsync', () => this.rsync(connection));
    await transcript.step(`apt-get install ${PACKAGE}`, () => this.install(connection));
    await transcript.step('jupyter refuses without its token', () => this.refused(connection));
    await transcript.step('jupyter kernel runs 1+1', () => this.kernel(connection));
  }

  private async shell(connection: ConnectionInfo) {
    const { stdout } = await this.ssh(connection, 'id -u; cat /etc/debian_version; df --output=size -BM /workspace | tail -1');
    must(stdout.startsWith('0\n'), 'The shell is not root inside its instance.');
    return { value: null, seen: `root, Debian ${stdout.split('\n')[1]}, /workspace ${stdout.split('\n')[2]?.trim()}` };
  }

  private async copy(connection: ConnectionInfo) {
    const bytes = randomBytes(FILE_BYTES);
    await writeFile(this.path('there'), bytes);
    await this.tool('scp', [...this.options(connection, '-P'), this.path('there'), `${this.target(connection)}:/workspace/demo.bin`]);
    await this.tool('scp', [...this.options(connection, '-P'), `${this.target(connection)}:/workspace/demo.bin`, this.path('back')]);
    const inside = (await this.ssh(connection, 'sha256sum /workspace/demo.bin')).stdout.slice(0, 64);
    const hashes = [bytes, await readFile(this.path('back'))].map((data) => createHash('sha256').update(data).digest('hex'));
    must(hashes[0] === hashes[1] && hashes[0] === inside, 'The copies differ.');
    return { value: null, seen: `8 MiB, SHA-256 ${inside.slice(0, 12)}… on both sides` };
  }

  private async rsync(connection: ConnectionInfo) {
    const shell = ['ssh', ...this.options(connection, '-p')].join(' ');
    await this.tool('rsync', ['-a', '--stats', '-e', shell, this.path('there'), `${this.target(connection)}:/workspace/by-rsync.bin`]);
    const { stdout } = await this.ssh(connection, 'cmp /workspace/by-rsync.bin /workspace/demo.bin && echo same');
    must(stdout.trim() === 'same', 'rsync copied something else.');
    return { value: null, seen: 'the same bytes' };
  }

  private async install(connection: ConnectionInfo) {
    const { stdout } = await this.ssh(connection, `apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y ${PACKAGE} >/dev/null && echo '6*7' | ${PACKAGE}`, 180_000);
    must(stdout.trim().endsWith('42'), `${PACKAGE} does not calculate.`);
    return { value: null, seen: `6*7 = 42, says the installed ${PACKAGE}` };
  }

  private async refused(connection: ConnectionInfo) {
    const base = this.jupyter(connection).url;
    await untilServes(base);
    const status = await statusOf(base, null);
    must(status === 403, `Without a token Jupyter answered ${status}.`);
    return { value: null, seen: '403 through the public port' };
  }

  private async kernel(connection: ConnectionInfo) {
    const { url, token } = this.jupyter(connection);
    must((await statusOf(url, token)) === 200, 'Jupyter refused its own token.');
    const result = await evaluate(url, token, '1+1');
    must(result === '2', `The kernel says ${result}.`);
    return { value: null, seen: '2, over its WebSocket' };
  }

  private jupyter(connection: ConnectionInfo) {
    must(connection.jupyter !== null, 'The template has no Jupyter.');
    return connection.jupyter;
  }

  private async destroy(id: string) {
    const rental = await this.client.call('destroyRental', { params: { rental_id: id } });
    return { value: rental, seen: rental.status };
  }

  /** cost = floor(rate per hour × whole seconds between start and end / 3600), in micro-dollars. */
  private async checkBill(rental: RentalView) {
    const { billing } = rental;
    must(rental.start_time !== null && rental.end_time !== null, 'It has no start or no end.');
    const wall = BigInt(Math.floor((Date.parse(rental.end_time) - Date.parse(rental.start_time)) / 1000));
    const expected = (parseUsd(billing.dph_total) * wall) / 3600n;
    must(BigInt(billing.billed_seconds) === wall, `${billing.billed_seconds} seconds were billed, it ran ${wall}.`);
    must(parseUsd(billing.settled_usd) === expected, `${billing.settled_usd} was billed, ${formatUsd(expected)} is right.`);
    const lines = await this.client.call('listStatement', { query: { rental_id: rental.id } });
    const debits = lines.items.filter((line) => line.type === 'DEBIT').reduce((sum, line) => sum + parseUsd(line.amount_usd), 0n);
    must(debits === expected, `The statement says ${formatUsd(debits)}.`);
    const value = { billed_seconds: Number(wall), cost_usd: formatUsd(expected), dph_total: billing.dph_total };
    return { value, seen: `${wall} s × ${usd(billing.dph_total)}/h = ${usd(value.cost_usd)}, as the statement says` };
  }

  private async released(id: string) {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const rental = await this.client.call('getRental', { params: { rental_id: id } });
      if (rental.released) return { value: null, seen: 'the host reported the container gone' };
      must(Date.now() < deadline, 'The host has not reported the container gone.');
      await sleep(200);
    }
  }

  private path = (name: string): string => join(this.folder, name);
  private target = (connection: ConnectionInfo): string => `${connection.ssh?.user}@${connection.host}`;

  private options(connection: ConnectionInfo, portFlag: '-p' | '-P'): string[] {
    return [
      '-F', '/dev/null', '-i', this.path('key'), '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=yes',
      '-o', `UserKnownHostsFile=${this.path('known_hosts')}`, '-o', 'GlobalKnownHostsFile=/dev/null', portFlag, String(connection.ssh?.port),
    ];
  }

  private ssh(connection: ConnectionInfo, command: string, timeoutMs?: number): Promise<Ran> {
    return this.tool('ssh', [...this.options(connection, '-p'), this.target(connection), command], timeoutMs);
  }

  private async tool(program: string, args: readonly string[], timeoutMs?: number): Promise<Ran> {
    const ran = await runTool(program, args, timeoutMs === undefined ? {} : { timeoutMs });
    must(ran.code === 0, `${program} failed (${ran.code}): ${ran.stderr.trim().slice(-300)}`);
    return ran;
  }
}
