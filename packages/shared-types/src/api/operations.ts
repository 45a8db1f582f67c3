import { blobOperations } from './blobs.js';
import { fleetOperations } from './fleet.js';
import { hostOperations } from './host.js';
import { identityOperations } from './identity.js';
import { jobOperations } from './jobs.js';
import { liveOperations } from './live.js';
import { ledgerOperations, marketOperations } from './market.js';
import { notificationOperations } from './notifications.js';
import { operatorOperations } from './operator.js';
import { priceOperations } from './prices.js';
import { templateOperations } from './templates.js';
import { systemOperations } from './system.js';
import { telemetryOperations } from './telemetry.js';

/** Every HTTP operation, once: controllers, OpenAPI document, typed client and the wrong-account test read this record. */
export const operations = {
  ...systemOperations,
  ...identityOperations,
  ...fleetOperations,
  ...hostOperations,
  ...marketOperations,
  ...priceOperations,
  ...templateOperations,
  ...notificationOperations,
  ...operatorOperations,
  ...ledgerOperations,
  ...jobOperations,
  ...blobOperations,
  ...telemetryOperations,
  ...liveOperations,
} as const;
export type Operations = typeof operations;
export type OperationName = keyof Operations;
