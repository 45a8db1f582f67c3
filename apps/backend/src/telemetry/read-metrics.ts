import { Injectable, Logger } from '@nestjs/common';
import { fail, ok, type Measurement, type Metrics, type MetricSeries, type Result } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { resolve, type Resolution } from './resolution.rules.js';
import { wholeSeries } from './series.rules.js';
import { ownsNode, rentalSeries } from './slots.store.js';
import { Telemetry, type SeriesQuery } from './telemetry.port.js';

export interface MetricsQuery {
  from?: number | undefined;
  to?: number | undefined;
  step?: number | undefined;
}

type Subject = Pick<SeriesQuery, 'measurement' | 'node' | 'gpus' | 'slot'>;

const USUAL_RANGE_S = 3_600;

/** Charts for those whose things they show. */
@Injectable()
export class ReadMetrics {
  readonly #log = new Logger('Telemetry');

  constructor(
    private readonly db: Db,
    private readonly telemetry: Telemetry,
    private readonly clock: Clock,
  ) {}

  async ofRental(renterId: string, rentalId: string, query: MetricsQuery): Promise<Result<Metrics>> {
    const rental = await rentalSeries(this.db, renterId, rentalId);
    if (!rental) return fail('not_found', { detail: 'This account has no such rental' });
    const nowS = this.#nowS();
    const lastS = Math.min(rental.toS ?? nowS, nowS);
    const toS = Math.min(query.to ?? lastS, lastS);
    const fromS = Math.min(toS, Math.max(query.from ?? toS - USUAL_RANGE_S, rental.fromS));
    const subjects: Subject[] = [
      ...(rental.slot === null ? [] : [{ measurement: 'instance' as const, node: rental.nodeId, slot: rental.slot }]),
      ...(rental.gpuUuids.length === 0 ? [] : [{ measurement: 'gpu' as const, node: rental.nodeId, gpus: rental.gpuUuids }]),
    ];
    return await this.#read(subjects, resolve({ fromS, toS, stepS: query.step }, nowS));
  }

  async ofNode(ownerId: string, nodeId: string, query: MetricsQuery): Promise<Result<Metrics>> {
    if (!(await ownsNode(this.db, ownerId, nodeId))) return fail('not_found', { detail: 'You have no such node' });
    const nowS = this.#nowS();
    const toS = Math.min(query.to ?? nowS, nowS);
    const fromS = Math.min(toS, query.from ?? toS - USUAL_RANGE_S);
    return await this.#read([{ measurement: 'node', node: nodeId }, { measurement: 'gpu', node: nodeId }], resolve({ fromS, toS, stepS: query.step }, nowS));
  }

  async #read(subjects: readonly Subject[], resolution: Resolution): Promise<Result<Metrics>> {
    try {
      const series = await Promise.all(subjects.map((subject) => this.#seriesOf(subject, resolution)));
      const { fromS, toS, stepS } = resolution;
      return ok({ from: timestamp(fromS), to: timestamp(toS), step_s: stepS, series: series.flat() });
    } catch (error) {
      this.#log.warn({ err: error }, 'the store of the telemetry does not answer');
      return fail('unavailable', { detail: 'The store of the metrics does not answer at present' });
    }
  }

  async #seriesOf(subject: Subject, { parts, ...resolution }: Resolution): Promise<MetricSeries[]> {
    const found = await Promise.all(parts.map((part) => this.telemetry.read({ ...subject, ...part, stepS: resolution.stepS })));
    return wholeSeries(subject.measurement satisfies Measurement, found.flat(), resolution);
  }

  #nowS(): number {
    return Math.floor(this.clock.now().getTime() / 1_000);
  }
}

const timestamp = (atS: number): string => new Date(atS * 1_000).toISOString();
