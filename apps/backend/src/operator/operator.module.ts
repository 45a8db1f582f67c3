import { Module } from '@nestjs/common';
import { IdentityModule } from '../identity/identity.module.js';
import { Machines } from './machines.js';
import { OperatorController } from './operator.controller.js';
import { SuspendUser } from './suspend.js';
import { HealthOfMarket } from './system-health.js';

/** What the operator of a market sees and decides. */
@Module({ imports: [IdentityModule], controllers: [OperatorController], providers: [HealthOfMarket, Machines, SuspendUser] })
export class OperatorModule {}
