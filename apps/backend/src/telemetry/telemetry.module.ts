import { join } from 'node:path';
import { Global, Logger, Module } from '@nestjs/common';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { EmbeddedTelemetry } from './embedded.js';
import { Findings } from './findings.js';
import { TelemetryIngest } from './ingest.js';
import { NodeHealth } from './health.js';
import { KnownNodes } from './known-nodes.js';
import { ReadMetrics } from './read-metrics.js';
import { Telemetry } from './telemetry.port.js';
import { TelemetryController } from './telemetry.controller.js';
import { TelemetryShutdown } from './telemetry-shutdown.js';

const log = new Logger('Telemetry');

async function openTelemetry({ telemetry }: Config, clock: Clock): Promise<Telemetry> {
  const onTrouble = (words: string, error?: unknown): void => log.warn(error === undefined ? {} : { err: error }, words);
  if (telemetry.kind === 'embedded') return EmbeddedTelemetry.open({ ...telemetry, now: () => clock.now(), onTrouble });
  // The client is large: a market without an InfluxDB starts without it.
  const { InfluxTelemetry } = await import('./influx.js');
  return InfluxTelemetry.open({ ...telemetry, dir: join(telemetry.dir, 'spool'), onTrouble });
}

/** Samples of machines and instances: kept outside of Postgres, read as charts, and judged. */
@Global()
@Module({
  controllers: [TelemetryController],
  providers: [{ provide: Telemetry, inject: [Config, Clock], useFactory: openTelemetry }, Findings, KnownNodes, NodeHealth, ReadMetrics, TelemetryIngest, TelemetryShutdown],
  exports: [KnownNodes, Telemetry, TelemetryIngest],
})
export class TelemetryModule {}
