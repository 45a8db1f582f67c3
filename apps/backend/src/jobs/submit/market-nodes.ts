import { Injectable } from '@nestjs/common';
import { Db } from '../../platform/db.js';
import type { Need } from '../schedule/need.rules.js';
import { nodeStates, type NodeState } from '../schedule/nodes.store.js';
import { fitOf, type Fit } from './fit.rules.js';

/** Reading all nodes takes at most this part of a core, however often jobs are submitted … */
const BUSY_SHARE = 0.05;
/** … and nobody is quoted on something older than this, but when one reading takes that long by itself. */
const LEAST_AGE_MS = 50;
/** Different needs remembered per reading. */
const KEEP_FITS = 1_000;

interface Snapshot {
  nodes: NodeState[];
  /** Image of each template, so that people can name it by its short name. */
  images: ReadonlyMap<string, string>;
  fits: Map<string, Fit>;
  goodUntilMs: number;
}

/** The verified nodes of the market, for prices and for what a job would wait for. Decides nothing that may not be a moment old. */
@Injectable()
export class MarketNodes {
  #snapshot: Snapshot | undefined;
  #reading: Promise<Snapshot> | undefined;

  constructor(private readonly db: Db) {}

  async fit(need: Need): Promise<Fit> {
    const { nodes, fits } = await this.#now();
    const key = JSON.stringify(need);
    const known = fits.get(key);
    if (known) return known;
    const fit = fitOf(nodes, need);
    if (fits.size < KEEP_FITS) fits.set(key, fit);
    return fit;
  }

  /** `workspace` is the image of that template; everything else is what it says. */
  async image(name: string): Promise<string> {
    return (await this.#now()).images.get(name) ?? name;
  }

  /** Callers at the same time share one reading; a failed one is not kept. */
  async #now(): Promise<Snapshot> {
    if (this.#snapshot && performance.now() < this.#snapshot.goodUntilMs) return this.#snapshot;
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    return (this.#snapshot = await this.#reading);
  }

  async #read(): Promise<Snapshot> {
    const startedMs = performance.now();
    const [nodes, templates] = await Promise.all([nodeStates(this.db.client), this.db.client.template.findMany({ where: { ownerId: null }, select: { slug: true, image: true } })]);
    const tookMs = performance.now() - startedMs;
    const images = new Map(templates.map(({ slug, image }) => [slug, image]));
    return { nodes, images, fits: new Map(), goodUntilMs: performance.now() + Math.max(LEAST_AGE_MS, tookMs / BUSY_SHARE) };
  }
}
