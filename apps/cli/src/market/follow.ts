import { waitFor } from '@muster/local-services';
import { CliError, EXIT, type ExitCode } from '../output/exit-codes.js';
import type { Io } from '../output/io.js';
import { askSupervisor, isNobodyThere } from './control-client.js';
import type { ControlAnswer, ControlRequest, Places } from './events.js';
import type { Layout } from './layout.js';
import { sayEvent } from './render.js';

const SOCKET_MS = 20_000;

/** Follows a market that another process brings up until it is up. Throws when it cannot come up. */
export async function followUntilReady(io: Io, layout: Layout, gone: () => Promise<string | undefined>, request: ControlRequest = { command: 'follow' }): Promise<Places> {
  let failure: CliError | undefined;
  for await (const answer of await askWhenThere(layout, request, gone)) {
    if (answer.kind === 'ready') return answer.places;
    if (answer.kind === 'failed') failure = new CliError(answer.message, answer.exit_code as ExitCode, answer.hint);
    if (answer.kind !== 'status' && answer.kind !== 'refused') sayEvent(io, answer);
  }
  if (failure) throw failure;
  throw new CliError((await gone()) ?? 'the process that runs the market has ended', EXIT.failed, `Its log: ${layout.log}/supervisor.log`);
}

/** The holder of the lock opens its socket a moment later. */
async function askWhenThere(layout: Layout, request: ControlRequest, gone: () => Promise<string | undefined>): Promise<AsyncIterable<ControlAnswer>> {
  const tried = await waitFor(async () => {
    const why = await gone();
    return why === undefined ? askIfThere(layout, request) : { why };
  }, { deadlineMs: SOCKET_MS, what: `the supervisor to open ${layout.socket}`, everyMs: 50 });
  if ('why' in tried) throw new CliError(tried.why, EXIT.failed, `Its log: ${layout.log}/supervisor.log`);
  return tried.answers;
}

async function askIfThere(layout: Layout, request: ControlRequest): Promise<{ answers: AsyncIterable<ControlAnswer> } | undefined> {
  try {
    return { answers: await askSupervisor(layout.socket, request) };
  } catch (error) {
    if (isNobodyThere(error)) return undefined;
    throw error;
  }
}
