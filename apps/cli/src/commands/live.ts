import { LiveClient, UnreachableError } from '@muster/client';
import { ProblemError } from '@muster/shared-types';
import type { Access } from './access.js';

/** The live socket of the market, open. A connection that is not had at the first try is a failure: somebody waits at a prompt. */
export function openLive(access: Access): Promise<LiveClient> {
  const client = new LiveClient({ url: access.url, ticket: () => access.client.call('createLiveTicket', {}) });
  return new Promise((resolve, reject) => {
    const stop = client.onState((state, problem) => {
      if (state === 'connecting') return;
      stop();
      if (state === 'live') return resolve(client);
      client.close();
      reject(problem ? new ProblemError(problem) : new UnreachableError(`The live socket of ${new URL(access.url).host} cannot be reached`, false));
    });
  });
}
