import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import type { DomainEventName, LiveData, LiveEventName, LiveEvents, LiveRoomKind } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Outbox, type OutboxRow } from '../platform/outbox.js';
import { balanceChange, jobChange, nodeChange, rentalChange } from './change.rules.js';
import { keyOf, Live, type RoomRef } from './live.js';
import { balanceRows, executionCounts, jobRows, marketRow, nodeRows, rentalRows, type Looked } from './live-rows.store.js';
import { Rooms } from './rooms.js';
import { subjectOf } from './room.rules.js';

const LOOK_EVERY_MS = 1_000;
const MARKET_EVERY_MS = 3_000;
/** A hint is acted on after this long, together with those that come meanwhile. */
const GATHER_MS = 20;
/** What ended so long ago is no news to a page of an account. */
const RECENT_MS = 60_000;

export type Watched = 'rental' | 'node' | 'job' | 'user';
type Wanted = Record<Watched, Set<string>>;
const nothing = (): Wanted => ({ rental: new Set(), node: new Set(), job: new Set(), user: new Set() });

/**
 * Compares what people of this replica look at with what was told of it: once a second, one statement per kind of thing, none
 * when nobody looks. So a change is told within a second whoever made it and however; a hint only makes the look come sooner.
 */
@Injectable()
export class Watch implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #log = new Logger('LiveWatch');
  /** By room and subject, what was told of it last from here. */
  readonly #told = new Map<string, Map<string, string>>();
  #hinted = nothing();
  #gathering: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #busy = false;
  #marketDueMs = 0;

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly live: Live,
    private readonly rooms: Rooms,
    private readonly outbox: Outbox,
  ) {}

  onModuleInit(): void {
    const hints: Partial<Record<DomainEventName, Watched>> = { RentalStarted: 'rental', RentalStopped: 'rental', RentalEnded: 'rental', NodeOnline: 'node', NodeOffline: 'node', NodeFinding: 'node', BalanceLow: 'user', PaymentReceived: 'user' };
    for (const [name, kind] of Object.entries(hints) as [DomainEventName, Watched][]) this.outbox.on(name, (row) => this.#heard(kind, row.aggregateId));
    for (const name of ['TaskCreatedEvent', 'SubTaskCompletedEvent', 'TaskCompletedEvent'] as const) this.outbox.on(name, (row) => this.#heard('job', jobOf(row)));
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.pass(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#gathering);
    await this.#looking;
  }

  /** This may have changed: look at it now. Free while nobody listens to anything. */
  hint(kind: Watched, id: string): void {
    if (this.live.isSilent || (kind === 'job' && !this.live.wants(['job', id]))) return;
    this.#hinted[kind].add(id);
    this.#gathering ??= setTimeout(() => {
      const hinted = this.#hinted;
      this.#hinted = nothing();
      this.#gathering = undefined;
      this.#queue(() => this.#look(hinted, nothing()));
    }, GATHER_MS);
  }

  /** Looks at everything that somebody of this replica listens to. One pass at a time. */
  async pass(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const keys = this.rooms.keys();
    for (const key of this.#told.keys()) if (!this.rooms.has(key)) this.#told.delete(key);
    const wanted = wantedOf(keys);
    this.#queue(async () => {
      await this.#look({ ...wanted, user: new Set() }, { ...nothing(), user: wanted.user });
      await this.#market(keys.includes('market'));
    });
    await this.#looking.finally(() => (this.#busy = false));
  }

  #heard(kind: Watched, id: string): Promise<void> {
    this.hint(kind, id);
    return Promise.resolve();
  }

  /** One after the other, so that what was read later is told later. While Postgres is away, nothing changes. */
  #queue(look: () => Promise<void>): void {
    this.#looking = this.#looking.then(look).catch((error: unknown) => this.#log.debug(`nothing could be compared: ${String(error)}`));
  }

  /** `single`: these things themselves; `whole.user`: everything of these accounts. */
  async #look(single: Wanted, whole: Wanted): Promise<void> {
    const ofUsers = [...whole.user];
    const endedSince = new Date(this.clock.now().getTime() - RECENT_MS);
    const looked = (kind: Watched): Looked => ({ ids: [...single[kind]], ofUsers, endedSince });
    const any = (kind: Watched): boolean => ofUsers.length > 0 || single[kind].size > 0;
    if (any('rental')) await this.#rentals(looked('rental'));
    if (any('node')) await this.#nodes(looked('node'));
    if (any('job')) await this.#jobs(looked('job'));
    if (any('user')) await this.#balances([...new Set([...single.user, ...ofUsers])]);
  }

  async #rentals(looked: Looked): Promise<void> {
    for (const row of await rentalRows(this.db.client, looked)) {
      const change = rentalChange(row);
      await this.#tell(['rental', row.id], 'rental_changed', row.id, change);
      await this.#tell(['user', row.renterId], 'rental_changed', row.id, change);
    }
  }

  async #nodes(looked: Looked): Promise<void> {
    for (const row of await nodeRows(this.db.client, looked)) {
      const change = nodeChange(row);
      await this.#tell(['node', row.id], 'node_changed', row.id, change);
      await this.#tell(['user', row.ownerId], 'node_changed', row.id, change);
    }
  }

  async #jobs(looked: Looked): Promise<void> {
    const rows = await jobRows(this.db.client, looked);
    const counts = rows.length > 0 ? await executionCounts(this.db.client, rows.map((row) => row.id)) : new Map<string, never>();
    for (const row of rows) {
      const change = jobChange(row, counts.get(row.id) ?? { running: 0, reported: 0 });
      await this.#tell(['job', row.id], 'job_changed', row.id, change);
      await this.#tell(['user', row.submittedBy], 'job_changed', row.id, change);
    }
  }

  async #balances(userIds: readonly string[]): Promise<void> {
    for (const row of await balanceRows(this.db.client, userIds)) await this.#tell(['user', row.userId], 'balance_changed', row.userId, balanceChange(row));
  }

  async #market(wanted: boolean): Promise<void> {
    const now = performance.now();
    if (!wanted || now < this.#marketDueMs) return;
    this.#marketDueMs = now + MARKET_EVERY_MS;
    const { listed, online, state } = await marketRow(this.db.client);
    await this.#tell<'market', 'offers_changed'>(['market'], 'offers_changed', 'all', { listed_nodes: listed, online_nodes: online, version: state });
  }

  async #tell<K extends LiveRoomKind, E extends LiveEventName<K>>(room: RoomRef<K>, event: E, subject: string, data: LiveData<K, E & keyof LiveEvents[K]>): Promise<void> {
    if (!this.live.wants(room)) return;
    const told = this.#toldIn(keyOf(room));
    const text = JSON.stringify(data);
    if (told.get(subject) === text) return;
    if (await this.live.publishState(room, event, subject, data)) told.set(subject, text);
  }

  #toldIn(key: string): Map<string, string> {
    const known = this.#told.get(key) ?? new Map<string, string>();
    this.#told.set(key, known);
    return known;
  }
}

function wantedOf(keys: readonly string[]): Wanted {
  const wanted = nothing();
  for (const key of keys) {
    const id = subjectOf(key);
    if (id !== undefined) wanted[key.split(':', 1)[0] as Watched].add(id);
  }
  return wanted;
}

function jobOf(row: OutboxRow): string {
  const { job_id: jobId } = row.payload as { job_id?: unknown };
  return typeof jobId === 'string' ? jobId : row.aggregateId;
}
