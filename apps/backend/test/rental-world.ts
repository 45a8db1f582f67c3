import { randomBytes } from 'node:crypto';
import type { InstanceState, InstanceUpdate, RentalView } from '@muster/shared-types';
import { freePort, waitFor } from '@muster/testkit';
import ssh2 from 'ssh2';
import { FakeClock } from '../src/platform/clock.js';
import { MasterKey } from '../src/platform/master-key.js';
import { checkLedger } from '../src/ledger/check.js';
import { CoveredMarks } from '../src/ledger/covered-marks.js';
import { DISK_EPOCH } from '../src/ledger/disk-epoch.rules.js';
import { RentalProgress } from '../src/rentals/advance.js';
import { Coverage } from '../src/rentals/coverage.js';
import { openSecrets } from '../src/rentals/rental-secrets.js';
import { createTestApp, type Answer, type TestAccount, type TestApp } from './app.js';
import { fund, makeNode, makeUser, type NodeWish } from './market-fixtures.js';

export interface Renter extends TestAccount {
  key: string;
}

/**
 * A market with a clock that stands still and no loops of its own: each test moves time and calls what would have run.
 * Hosts are rows; their reports and heartbeats go straight to the functions that the gateway calls. SSH is real.
 */
export class RentalWorld {
  readonly #doors: ssh2.Server[] = [];

  private constructor(
    readonly app: TestApp,
    readonly clock: FakeClock,
    readonly hostId: string,
    readonly tunnelServerId: string,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<RentalWorld> {
    const clock = new FakeClock(new Date(Math.floor(Date.now() / 1_000) * 1_000));
    const app = await createTestApp({ clock, env: { MUSTER_ROLES: 'api', MUSTER_DATABASE_POOL: '16', ...env } });
    const server = await app.db.client.tunnelServer.findFirstOrThrow();
    await useFreePorts(app, server.id);
    return new RentalWorld(app, clock, await makeUser(app.db.client), server.id);
  }

  async close(): Promise<void> {
    for (const door of this.#doors) door.close();
    await this.app.close();
  }

  get db() {
    return this.app.db.client;
  }

  seconds(count: number): Date {
    this.clock.advance(count * 1_000);
    return this.clock.now();
  }

  /** An account with money, an SSH key and an API key that outlives the moves of the clock. */
  async renter(usd: number): Promise<Renter> {
    const account = await this.app.signUp();
    if (usd > 0) await fund(this.db, account.id, BigInt(Math.round(usd * 1e6)), this.clock.now());
    const { key } = await this.app.makeKey(account, { scopes: ['read', 'rent', 'account'] });
    const publicKey = `ssh-ed25519 ${Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), randomBytes(32)]).toString('base64')}`;
    await this.db.sshKey.create({ data: { id: crypto.randomUUID(), userId: account.id, name: 'test', publicKey, fingerprint: randomBytes(16).toString('hex') } });
    return { ...account, key };
  }

  node(wish: Partial<NodeWish> = {}): Promise<string> {
    return makeNode(this.db, { ownerId: this.hostId, tunnelServerId: this.tunnelServerId, ...wish });
  }

  /** Rents by the API, at the price it is asked for. */
  async rent(renter: Renter, offerId: string, body: Record<string, unknown> = {}, headers: Record<string, string> = {}): Promise<Answer> {
    const { expected_dph_total: expected, ...rest } = body;
    const price = expected ?? (await this.quote(renter, offerId, rest)).body.dph_total ?? '0.000000';
    return await this.app.call('createRental', { token: renter.key, headers, body: { offer_id: offerId, template: 'workspace', ...rest, expected_dph_total: price } });
  }

  quote(renter: Renter, offerId: string, body: Record<string, unknown> = {}): Promise<Answer> {
    const { ssh_key_ids: _keys, env: _env, onstart: _onstart, ...quoted } = body;
    return this.app.call('createQuote', { token: renter.key, body: { offer_id: offerId, template: 'workspace', ...quoted } });
  }

  async view(renter: Renter, rentalId: string): Promise<RentalView> {
    const { status, body } = await this.app.call('getRental', { token: renter.key, params: { rental_id: rentalId } });
    if (status !== 200) throw new Error(`no rental: ${JSON.stringify(body)}`);
    return body;
  }

  stop(renter: Renter, rentalId: string): Promise<Answer> {
    return this.app.call('stopRental', { token: renter.key, params: { rental_id: rentalId } });
  }

  start(renter: Renter, rentalId: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.app.call('startRental', { token: renter.key, headers, params: { rental_id: rentalId } });
  }

  /** Told to stop, and its machine has done so. */
  async stopped(renter: Renter, rentalId: string): Promise<void> {
    const { status, body } = await this.stop(renter, rentalId);
    if (status !== 200) throw new Error(`not stopped: ${JSON.stringify(body)}`);
    await this.report(rentalId, 'stopped');
  }

  /** Started again, and reached behind the door that it had before. */
  async startedAgain(renter: Renter, rentalId: string): Promise<void> {
    const { status, body } = await this.start(renter, rentalId);
    if (status !== 200) throw new Error(`not started: ${JSON.stringify(body)}`);
    await this.report(rentalId, 'running');
    await waitFor(async () => (await this.db.rental.findUniqueOrThrow({ where: { id: rentalId } })).status === 'running' || undefined, { what: 'the handshake', deadlineMs: 30_000 });
  }

  destroy(renter: Renter, rentalId: string): Promise<Answer> {
    return this.app.call('destroyRental', { token: renter.key, params: { rental_id: rentalId } });
  }

  /** What the node's agent says of the instance. */
  async report(rentalId: string, state: InstanceState, more: Partial<InstanceUpdate> = {}): Promise<void> {
    const { nodeId, epoch } = await this.db.rental.findUniqueOrThrow({ where: { id: rentalId } });
    const result = await this.app.app.get(RentalProgress).applyInstanceUpdate(nodeId, { rental_id: rentalId, epoch, state, ...more });
    if (!result.ok) throw new Error(result.problem.code);
  }

  /** A heartbeat now that reports these instances running, with their tunnels up or down; of those that are stopped their disks. */
  async beat(rentalIds: string[], upS = 1e9, tunnelUp = true): Promise<void> {
    for (const rentalId of rentalIds) {
      const { nodeId, epoch, storedSince } = await this.db.rental.findUniqueOrThrow({ where: { id: rentalId } });
      const run = { state: 'running' as const, tunnel_up: tunnelUp, up_s: tunnelUp ? upS : 0 };
      const instances = [{ rental_id: rentalId, epoch, ...(storedSince === null ? run : { state: 'stopped' as const, tunnel_up: false, up_s: 0, disk_s: upS }) }];
      await this.app.app.get(Coverage).onBeat(nodeId, { instances }, this.clock.now());
    }
  }

  /** Long times pass with a heartbeat at their end, as if there had been one every 5 s. */
  async passLong(seconds: number, rentalIds: string[]): Promise<void> {
    this.seconds(seconds);
    for (const rentalId of rentalIds) {
      const { nodeId, epoch, storedSince } = await this.db.rental.findUniqueOrThrow({ where: { id: rentalId } });
      await this.app.app.get(CoveredMarks).set({ nodeId, rentalId, epoch: storedSince === null ? epoch : DISK_EPOCH }, this.clock.now());
    }
    await this.beat(rentalIds);
  }

  /** Time passes with a heartbeat every 5 s. */
  async pass(seconds: number, rentalIds: string[]): Promise<void> {
    for (let left = seconds; left > 0; left -= 5) {
      this.seconds(Math.min(5, left));
      await this.beat(rentalIds);
    }
  }

  /** Time passes with a heartbeat every 5 s that says that no tunnel is up. */
  async passDown(seconds: number, rentalIds: string[]): Promise<void> {
    for (let left = seconds; left > 0; left -= 5) {
      this.seconds(Math.min(5, left));
      await this.beat(rentalIds, 0, false);
    }
  }

  /** sshd of the instance behind its public port, with the host key it was given (or another). */
  async openDoor(rentalId: string, hostKey?: string): Promise<void> {
    const rental = await this.db.rental.findUniqueOrThrow({ where: { id: rentalId } });
    const { ports } = rental.connectionInfo as { ports: Record<string, number> };
    const key = hostKey ?? openSecrets(this.app.app.get(MasterKey), rental.sealedSecrets).ssh_host_key ?? '';
    const server = new ssh2.Server({ hostKeys: [key] }, (client) => client.on('error', () => undefined));
    this.#doors.push(server);
    await this.#listen(server, rentalId, ports['22'] ?? 0);
  }

  /** Somebody else on this machine may have taken the port since it was found free: the rental then gets another one. */
  async #listen(server: ssh2.Server, rentalId: string, port: number): Promise<void> {
    const taken = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(true) : reject(error)));
      server.listen(port, '127.0.0.1', () => resolve(false));
    });
    if (!taken) return;
    const other = await freePort();
    const { connectionInfo } = await this.db.rental.findUniqueOrThrow({ where: { id: rentalId } });
    const before = connectionInfo as { host: string; ports: Record<string, number> };
    await this.db.tunnelPort.updateMany({ where: { rentalId, port }, data: { port: other } });
    await this.db.rental.update({ where: { id: rentalId }, data: { connectionInfo: { ...before, ports: { ...before.ports, '22': other } } } });
    await this.#listen(server, rentalId, other);
  }

  /** Rents, is started by its host, and runs: startTime is now. */
  async running(renter: Renter, offerId: string, body: Record<string, unknown> = {}): Promise<string> {
    const rented = await this.rent(renter, offerId, body);
    if (rented.status !== 201) throw new Error(`not rented: ${JSON.stringify(rented.body)}`);
    await this.openDoor(rented.body.id);
    await this.report(rented.body.id, 'running');
    await waitFor(async () => (await this.db.rental.findUniqueOrThrow({ where: { id: rented.body.id } })).status === 'running' || undefined, { what: 'the handshake', deadlineMs: 30_000 });
    return rented.body.id;
  }

  async prepaid(userId: string): Promise<bigint> {
    return (await this.db.ledgerAccount.findFirst({ where: { ownerId: userId, kind: 'prepaid' } }))?.balance ?? 0n;
  }

  /** What breaks an invariant of the ledger; empty when all is well. */
  async broken(): Promise<string[]> {
    return (await checkLedger(this.db)).filter((check) => !check.ok).map((check) => `${check.id}: ${check.sample.join(', ')}`);
  }
}

/** Public ports that nothing else on this machine listens on (test files run side by side); the same one may be found twice. */
async function useFreePorts(app: TestApp, tunnelServerId: string): Promise<void> {
  const ports = new Set(await Promise.all(Array.from({ length: 60 }, () => freePort())));
  await app.db.client.tunnelPort.deleteMany({ where: { tunnelServerId } });
  await app.db.client.tunnelPort.createMany({ data: [...ports].map((port) => ({ tunnelServerId, port })) });
}
