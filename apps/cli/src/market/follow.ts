import { waitFor } from '@muster/local-services';
import { CliError, EXIT, type ExitCode } from '../output/exit-codes.js';
import type { Io } from '../output/io.js';
import { askSupervisor, isNobodyThere } from './control-client.js';
import type { ControlAnswer, ControlRequest, Places } from './events.js';
import type { Layout } from './layout.js';
import { sayEvent } from './render.js';

const SOCKET_MS = 20_000;

/** Follows a market that another process brings up until it is up. Throws when it cannot come up. */
export async function followUntilReady(io: Io, layout: Layout, gone: () => Promise<string | undefined>): Promise<Places> {
  let failure: CliError | undefined;
  for await (const answer of await askWhenThere(layout, { command: 'follow' }, gone)) {
    if (answer.kind === 'ready') return answer.places;
    if (answer.kind === 'failed') failure = new CliError(answer.message, answer.exit_code as ExitCode, answer.hint);
    if (answer.kind !== 'status' && answer.kind !== 'refused') sayEvent(io, answer);
  }
  if (failure) throw failure;
  throw new CliError((await gone()) ?? 'the process that runs the market has ended', EXIT.failed, `Its log: ${layout.log}/supervisor.log`);
}

/** The holder of the lock opens its socket a moment later. */
async function askWhenThere(layout: Layout, request: ControlRequest, gone: () => Promise<string | undefined>): Promise<AsyncIterable<ControlAnswer>> {
  const first = await waitFor(async () => {
    const why = await gone();
    if (why !== undefined) return { why };
    const answers = askSupervisor(layout.socket, request);
    const head = await answers.next().catch((error: unknown) => {
      if (isNobodyThere(error)) return undefined;
      throw error;
    });
    return head && { head, answers };
  }, { deadlineMs: SOCKET_MS, what: `the supervisor to open ${layout.socket}`, everyMs: 50 });
  if ('why' in first) throw new CliError(first.why, EXIT.failed, `Its log: ${layout.log}/supervisor.log`);
  return withHead(first.head, first.answers);
}

async function* withHead(head: IteratorResult<ControlAnswer, unknown>, rest: AsyncIterable<ControlAnswer>): AsyncGenerator<ControlAnswer> {
  if (head.done) return;
  yield head.value;
  yield* rest;
}
