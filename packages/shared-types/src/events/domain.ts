import { z } from 'zod';

/** What happened in the market, as rows of the outbox: written with the change, delivered after it, kept as the audit trail. */
export const DomainEventName = z.enum(['AuditEvent', 'RentalStarted', 'RentalStopped', 'RentalEnded', 'NodeOnline', 'NodeOffline', 'NodeFinding', 'BalanceLow', 'PaymentReceived', 'TaskCreatedEvent', 'TaskAssignedEvent', 'SubTaskCompletedEvent', 'TaskCompletedEvent']);
export type DomainEventName = z.infer<typeof DomainEventName>;
