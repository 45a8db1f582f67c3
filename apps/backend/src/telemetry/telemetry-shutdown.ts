import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Telemetry } from './telemetry.port.js';

/** After the sockets are closed nothing comes any more: what is in hand is stored. */
@Injectable()
export class TelemetryShutdown implements OnApplicationShutdown {
  constructor(private readonly telemetry: Telemetry) {}

  onApplicationShutdown(): Promise<void> {
    return this.telemetry.close();
  }
}
