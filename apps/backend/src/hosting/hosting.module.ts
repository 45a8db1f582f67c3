import { Module } from '@nestjs/common';
import { HostHistory } from './history.js';
import { HostingController } from './hosting.controller.js';
import { Maintenance } from './maintenance.js';

/** What a host sees and plans besides the machines themselves. */
@Module({ controllers: [HostingController], providers: [HostHistory, Maintenance] })
export class HostingModule {}
