import { Module } from '@nestjs/common';
import { Sealer } from './sealer.js';

/** The append-only record of work and credit. */
@Module({ providers: [Sealer] })
export class AuditModule {}
