import { z } from 'zod';
import { Timestamp } from '../units.js';
import { operation } from './operation.js';

/** Lets one socket in, once. `url` is the address of the namespace, to be given to Socket.IO as it is. */
export const LiveTicket = z.object({ ticket: z.string(), url: z.string(), expires_at: Timestamp }).meta({ id: 'LiveTicket' });
export type LiveTicket = z.infer<typeof LiveTicket>;

export const liveOperations = {
  createLiveTicket: operation({
    method: 'POST', path: '/api/v1/live/tickets', tag: 'live', summary: 'A ticket for the live socket; good once, for 30 seconds',
    auth: { kind: 'user', scope: 'read' }, owner: 'self',
    status: 201, response: LiveTicket, problems: ['unavailable'],
  }),
} as const;
