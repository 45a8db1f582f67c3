import { Module } from '@nestjs/common';
import { AgentsModule } from './agents/agents.module.js';
import { AuditModule } from './audit/audit.module.js';
import { FleetModule } from './fleet/fleet.module.js';
import { HostingModule } from './hosting/hosting.module.js';
import { IdentityModule } from './identity/identity.module.js';
import { JobsModule } from './jobs/jobs.module.js';
import { LedgerModule } from './ledger/ledger.module.js';
import { LiveModule } from './live/live.module.js';
import { MarketModule } from './market/market.module.js';
import { NotificationsModule } from './notifications/notifications.module.js';
import { OperatorModule } from './operator/operator.module.js';
import { PlatformModule } from './platform/platform.module.js';
import { RentalsModule } from './rentals/rentals.module.js';
import { StorageModule } from './storage/storage.module.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';
import { TunnelsModule } from './tunnels/tunnels.module.js';

@Module({
  imports: [PlatformModule, NotificationsModule, HostingModule, OperatorModule, StorageModule, TelemetryModule, IdentityModule, FleetModule, AgentsModule, TunnelsModule, MarketModule, RentalsModule, LedgerModule, AuditModule, JobsModule, LiveModule],
})
export class AppModule {}
