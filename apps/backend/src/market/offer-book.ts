import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Config } from '../config.js';
import { reliabilityOf } from '../fleet/reliability.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { Singletons } from '../platform/leases.js';
import { withTx } from '../platform/tx.js';
import { anyStale, markEarlierVersions, markStale, replaceOffers, shownReliability, takeStale } from './offer-book.store.js';
import { rowOf } from './offer-columns.rules.js';
import { offerView, pricedOffers } from './offer.view.js';
import { offerNodesOf } from './offers.store.js';

/** Nodes of one transaction. */
const BATCH = 500;
const TIDY_EVERY_MS = 5_000;
const RELIABILITY_EVERY_PASSES = 12;
/** Reliability moves a little with every minute; a shown one that is off by less than this stays. */
const RELIABILITY_STEP_PPM = 100;

/**
 * The table of offers, kept equal to what nodes have free. A change of a node leaves a mark in its own transaction (triggers of the
 * schema); whoever reads offers first has the marked nodes made anew, so that a search sees everything that was committed before
 * it began. A claim looks at the node itself and never here.
 */
@Injectable()
export class OfferBook implements OnApplicationBootstrap {
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #passes = 0;

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly singletons: Singletons,
    private readonly config: Config,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await markEarlierVersions(this.db.client);
    if (this.config.has('scheduler')) this.singletons.every({ name: 'offers', everyMs: TIDY_EVERY_MS, run: () => this.#tidy() });
  }

  /** Resolves when everything that was committed before this call is in the table. Callers that come together share one look. */
  fresh(): Promise<void> {
    if (!this.#running) return this.#start();
    this.#next ??= this.#running.then(ignore, ignore).then(() => this.#start());
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const pass = this.#pass().finally(() => {
      if (this.#running === pass) this.#running = undefined;
    });
    this.#running = pass;
    return pass;
  }

  async #pass(): Promise<void> {
    while (await anyStale(this.db.client)) {
      const nodes = await withTx(this.db, (tx) => this.#make(tx), { timeoutMs: 60_000 });
      // Fewer than there is room for: all that was marked when this began is done.
      if (nodes < BATCH) return;
    }
  }

  async #make(tx: Tx): Promise<number> {
    const nodeIds = await takeStale(tx, BATCH);
    if (nodeIds.length === 0) return 0;
    const nodes = await offerNodesOf(tx, nodeIds);
    const reliability = await reliabilityOf(tx, nodes.map((node) => node.id), this.clock.now());
    const rows = nodes.flatMap((node) =>
      pricedOffers(node).map((offer) => rowOf(offerView(offer, { reliability: reliability.get(node.id)?.reliability ?? 0, viewerId: null }), node.ownerId)),
    );
    await replaceOffers(tx, nodeIds, rows);
    return nodeIds.length;
  }

  /** So that the queue stays short while nobody searches, and reliability moves with time. */
  async #tidy(): Promise<void> {
    this.#passes += 1;
    if (this.#passes % RELIABILITY_EVERY_PASSES === 0) await this.markUnreliable();
    await this.fresh();
  }

  /** Marks nodes whose reliability has moved away from what their offers show. */
  async markUnreliable(): Promise<void> {
    const shown = await shownReliability(this.db.client);
    const now = await reliabilityOf(this.db.client, shown.map((node) => node.id), this.clock.now());
    const moved = shown.filter(({ id, ppm }) => Math.abs((now.get(id)?.reliability ?? 0) * 1e6 - ppm) >= RELIABILITY_STEP_PPM);
    if (moved.length > 0) await markStale(this.db.client, moved.map((node) => node.id));
  }
}

const ignore = (): void => undefined;
