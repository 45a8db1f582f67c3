import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Metrics } from '../platform/metrics.js';
import { Telemetry } from './telemetry.port.js';

/** Shows what becomes of lines; and when the sockets are closed and nothing comes any more, stores what is in hand. */
@Injectable()
export class TelemetryShutdown implements OnApplicationShutdown {
  constructor(
    private readonly telemetry: Telemetry,
    metrics: Metrics,
  ) {
    const gauge: Gauge = new Gauge({
      name: 'muster_telemetry_lines', help: 'Samples of this process by what became of them', labelNames: ['state'], registers: [metrics.registry],
      collect: () => {
        for (const [state, count] of Object.entries<number>({ ...telemetry.counts() })) gauge.set({ state }, count);
      },
    });
  }

  onApplicationShutdown(): Promise<void> {
    return this.telemetry.close();
  }
}
