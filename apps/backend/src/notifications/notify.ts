import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import type { DomainEventName } from '@muster/shared-types';
import { z } from 'zod';
import { Config } from '../config.js';
import { Live } from '../live/live.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Singletons } from '../platform/leases.js';
import { Outbox, type OutboxRow } from '../platform/outbox.js';
import { remediationOf } from '../telemetry/health.rules.js';
import { jobFacts, nodeFacts, rentalFacts, rentersOn } from './facts.store.js';
import { forgetOld, keepNotifications } from './notifications.store.js';
import {
  balanceLow, jobOver, maintenanceCancelled, maintenancePlanned, nodeFinding, nodeOffline, nodeOnline, nodeQuarantined, nodeReleased, paymentReceived, rentalEnded, rentalRunning, rentalStopped, type Draft, type NodeFacts, type RentalFacts,
} from './words.rules.js';

const FORGET_EVERY_MS = 6 * 3_600_000;
/** An event of another version must not keep those behind it waiting. */
const lenient = <S extends z.ZodRawShape>(schema: z.ZodObject<S>) => z.preprocess((payload) => (typeof payload === 'object' && payload !== null ? payload : {}), schema);
const Minutes = lenient(z.object({ minutes: z.number().catch(0) }));
const Amount = lenient(z.object({ amount_usd: z.string().catch('0.00') }));
const Ended = lenient(z.object({ ran: z.boolean().catch(true) }));
const Silence = lenient(z.object({ announced: z.boolean().catch(false) }));
const Finding = lenient(z.object({ state: z.string().catch(''), code: z.string().catch(''), severity: z.string().catch('warn'), message: z.string().catch('') }));
const JobEnd = lenient(z.object({ status: z.string().catch('') }));
const Action = lenient(z.object({ action: z.string().catch(''), reason: z.string().catch(''), from: z.string().catch(''), until: z.string().catch('') }));

type Teller = (event: OutboxRow) => Promise<Draft[]>;

/** Tells people what happened, from the events of the market. An event that comes twice tells once. */
@Injectable()
export class Notify implements OnModuleInit, OnApplicationBootstrap {
  readonly #tellers: Partial<Record<DomainEventName, Teller>> = {
    RentalStarted: (event) => this.#ofRental(event, rentalRunning),
    RentalStopped: (event) => this.#ofRental(event, rentalStopped),
    RentalEnded: (event) => this.#ofRental(event, (facts) => rentalEnded(facts, Ended.parse(event.payload).ran)),
    NodeOnline: (event) => this.#ofNode(event, (node) => nodeOnline(node)),
    NodeOffline: (event) => this.#ofNode(event, (node) => nodeOffline(node, Silence.parse(event.payload).announced)),
    NodeFinding: (event) => this.#ofNode(event, (node) => {
      const finding = Finding.parse(event.payload);
      return nodeFinding(node, { ...finding, remediation: remediationOf(finding.code) });
    }),
    BalanceLow: async (event) => balanceLow(event.aggregateId, Minutes.parse(event.payload).minutes),
    PaymentReceived: async (event) => paymentReceived(event.aggregateId, Amount.parse(event.payload).amount_usd),
    TaskCompletedEvent: (event) => this.#ofJob(event),
    AuditEvent: (event) => this.#ofAction(event),
  };

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
    private readonly live: Live,
    private readonly singletons: Singletons,
    private readonly config: Config,
  ) {}

  onModuleInit(): void {
    for (const [name, teller] of Object.entries(this.#tellers) as [DomainEventName, Teller][]) this.outbox.on(name, (event) => this.#tell(event, teller));
  }

  onApplicationBootstrap(): void {
    if (this.config.has('settler')) this.singletons.every({ name: 'notifications', everyMs: FORGET_EVERY_MS, run: () => forgetOld(this.db.client, this.clock.now()) });
  }

  async #tell(event: OutboxRow, teller: Teller): Promise<void> {
    const drafts = await teller(event);
    if (drafts.length === 0) return;
    const known = new Set((await this.db.client.user.findMany({ where: { id: { in: drafts.map(({ userId }) => userId) } }, select: { id: true } })).map(({ id }) => id));
    const to = drafts.filter(({ userId }) => known.has(userId));
    const kept = await keepNotifications(this.db.client, event.id, to, event.createdAt);
    for (const { userId, read_at: _unread, ...notification } of kept) await this.live.publish(['user', userId], 'notification', notification);
  }

  async #ofRental(event: OutboxRow, words: (facts: RentalFacts) => Draft[]): Promise<Draft[]> {
    const facts = await rentalFacts(this.db.client, event.aggregateId);
    return facts ? words(facts) : [];
  }

  async #ofNode(event: OutboxRow, words: (node: NodeFacts) => Draft[] | Promise<Draft[]>): Promise<Draft[]> {
    const node = await nodeFacts(this.db.client, event.aggregateId);
    return node ? await words(node) : [];
  }

  async #ofJob(event: OutboxRow): Promise<Draft[]> {
    const { status } = JobEnd.parse(event.payload);
    if (status !== 'completed' && status !== 'failed') return [];
    const job = await jobFacts(this.db.client, event.aggregateId);
    return job ? jobOver(job, status) : [];
  }

  async #ofAction(event: OutboxRow): Promise<Draft[]> {
    const { action, reason, from, until } = Action.parse(event.payload);
    const { client } = this.db;
    switch (action) {
      case 'node.quarantined':
        return this.#ofNode(event, (node) => nodeQuarantined(node, reason));
      case 'node.released':
        return this.#ofNode(event, nodeReleased);
      case 'node.maintenance_planned':
        return this.#ofNode(event, async (node) => maintenancePlanned(node, await rentersOn(client, node), { from, until, reason }));
      case 'node.maintenance_cancelled':
        return this.#ofNode(event, async (node) => maintenanceCancelled(node, await rentersOn(client, node)));
      default:
        return [];
    }
  }
}
