import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { stateWord, table } from '../output/words.js';
import { askSupervisor, isNobodyThere } from './control-client.js';
import { layoutOf } from './layout.js';

/** `muster status`: the parts of the market that runs here. */
export async function status({ io, config }: CliContext): Promise<void> {
  try {
    for await (const answer of await askSupervisor(layoutOf(config.home).socket, { command: 'status' })) {
      if (answer.kind !== 'status') continue;
      if (io.json) return sayJson(io, answer);
      const rows = answer.parts.map(({ part, state, pid, detail }) => [part, stateWord(io, state), String(pid ?? ''), detail]);
      say(io, table(io, [{ title: 'part' }, { title: 'state' }, { title: 'pid', align: 'right' }, { title: '' }], rows));
      return say(io, `\n${answer.state}${answer.places ? ` · ${answer.places.url}` : ''}`);
    }
  } catch (error) {
    if (!isNobodyThere(error)) throw error;
  }
  throw new CliError(`no market runs in ${config.home}`, EXIT.notFound, 'Start one with: muster up');
}
