import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { makeProblem } from '@muster/shared-types';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { Config } from '../config.js';
import { Db } from './db.js';
import { sendProblem } from './problem.filter.js';
import { nodesByStatus, rentalsByStatus } from './status-counts.js';

/** Prometheus figures of this process, and of the market where Postgres knows them. Features register theirs on `registry`. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly #requests = new Counter({
    name: 'http_requests_total', help: 'HTTP requests answered', labelNames: ['method', 'route', 'status'], registers: [this.registry],
  });
  readonly #durations = new Histogram({
    name: 'http_request_duration_seconds', help: 'Time to answer an HTTP request', labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10], registers: [this.registry],
  });

  constructor(
    private readonly db: Db,
    private readonly config: Config,
  ) {
    collectDefaultMetrics({ register: this.registry });
    this.#countRows('nodes_total', 'Enrolled nodes by status', () => nodesByStatus(db));
    this.#countRows('muster_rentals', 'Rentals by status', () => rentalsByStatus(db));
    this.#gauge('muster_outbox_unpublished', 'Events that are not delivered yet', () => db.client.outboxEvent.count({ where: { publishedAt: null } }));
    this.#gauge('muster_gpus_rented', 'GPUs held by a rental', () => db.client.gpu.count({ where: { rentalId: { not: null } } }));
  }

  /** Middleware: counts and times every request by its route, never by its path. */
  readonly measure = (request: Request, response: Response, next: NextFunction): void => {
    const started = process.hrtime.bigint();
    response.once('finish', () => {
      const labels = { method: methodLabel(request.method), route: routeOf(request), status: String(response.statusCode) };
      this.#requests.inc(labels);
      this.#durations.observe(labels, Number(process.hrtime.bigint() - started) / 1e9);
    });
    next();
  };

  /** `GET /metrics`: with METRICS_TOKEN for its bearer, without one for this machine only. */
  readonly serve = async (request: Request, response: Response): Promise<void> => {
    if (!this.#mayRead(request)) {
      const code = this.config.metricsToken ? 'unauthenticated' : 'forbidden';
      return sendProblem(request, response, makeProblem(code, { detail: 'Metrics need METRICS_TOKEN or a caller on this machine' }));
    }
    response.type(this.registry.contentType).send(await this.registry.metrics());
  };

  #mayRead(request: Request): boolean {
    const token = this.config.metricsToken;
    if (token === undefined) return isLoopback(request.socket.remoteAddress) && request.headers['x-forwarded-for'] === undefined;
    const given = Buffer.from(request.headers.authorization ?? '');
    const wanted = Buffer.from(`Bearer ${token}`);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  #countRows(name: string, help: string, read: () => Promise<Record<string, number>>): void {
    const gauge: Gauge = new Gauge({
      name, help, labelNames: ['status'], registers: [this.registry],
      collect: () => whenUp(async () => {
        const rows = await read();
        gauge.reset();
        for (const [status, count] of Object.entries(rows)) gauge.set({ status }, count);
      }, () => gauge.reset()),
    });
  }

  #gauge(name: string, help: string, read: () => Promise<number>): void {
    const gauge: Gauge = new Gauge({ name, help, registers: [this.registry], collect: () => whenUp(async () => gauge.set(await read()), () => gauge.reset()) });
  }
}

/** A figure that cannot be had is left out: the scrape itself must work while Postgres is away. */
async function whenUp(read: () => Promise<void>, otherwise: () => void): Promise<void> {
  await read().catch(otherwise);
}

const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'PUT', 'OPTIONS'];
const methodLabel = (method: string): string => (METHODS.includes(method) ? method : 'other');

/** Label values must be few: the pattern of the route, or `unmatched`. */
function routeOf(request: Request): string {
  const route: unknown = request.route;
  const path = route !== null && typeof route === 'object' && 'path' in route ? route.path : undefined;
  // What only middleware matched stands under its wildcard.
  return typeof path === 'string' && !path.includes('{*') ? path : 'unmatched';
}

const isLoopback = (address: string | undefined): boolean => address !== undefined && (address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.'));
