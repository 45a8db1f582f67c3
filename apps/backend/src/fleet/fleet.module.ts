import { Global, Module } from '@nestjs/common';
import { AbandonedRentals } from './abandoned-rentals.js';
import { Enrol } from './enrol.js';
import { EnrolNonces } from './enrol-nonce.js';
import { FleetController, FleetHostController } from './fleet.controller.js';
import { Heartbeats } from './heartbeats.js';
import { HttpHeartbeat } from './http-heartbeat.js';
import { ManageNode } from './manage.js';
import { Nodes } from './nodes.js';
import { Presence } from './presence.js';
import { RetireNode } from './retire.js';
import { PresenceSweeper } from './sweeper.js';

/** Machines: enrolment, state, prices, presence, reputation. Global: agents and rentals stand on it. */
@Global()
@Module({
  controllers: [FleetHostController, FleetController],
  providers: [AbandonedRentals, Enrol, EnrolNonces, Heartbeats, HttpHeartbeat, ManageNode, Nodes, Presence, PresenceSweeper, RetireNode],
  exports: [Heartbeats, Presence],
})
export class FleetModule {}
