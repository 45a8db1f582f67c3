import type { CliContext } from '../context.js';
import { askSupervisor, isNobodyThere } from '../market/control-client.js';
import type { Places } from '../market/events.js';
import { layoutOf } from '../market/layout.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { JobsStory } from './jobs-story.js';
import { isUp, runSelf, tellStory } from './own-market.js';

const NODES = 3;
const LACKS = 'See what is missing with: muster up --nodes 3 --owners 3';

/** `muster demo jobs`: on the market that runs here, which gets three nodes of three owners, or on one for the story. */
export async function demoJobs(context: CliContext, keep: boolean): Promise<void> {
  const { config } = context;
  if (config.url) throw new CliError('This story makes nodes and accounts on this machine, and MUSTER_URL names another market.', EXIT.usage, 'Leave MUSTER_URL out.');
  const own = !(await isUp(context));
  await untilThreeOwners(context, own);
  await tellStory(context, own && !keep, (transcript, folder) => new JobsStory(context, transcript, folder).tell());
}

/** A market that is there grows as far as it must, and stays so. */
async function untilThreeOwners(context: CliContext, own: boolean): Promise<void> {
  const places = own ? undefined : await runningPlaces(context);
  if (!places) return runSelf(context, ['up', '--detach', '--nodes', String(NODES), '--owners', String(NODES)], LACKS);
  if (new Set(places.nodes.map((node) => node.owner)).size >= NODES) return;
  await runSelf(context, ['up', '--nodes', String(Math.max(NODES, places.nodes.length)), '--owners', String(NODES)], LACKS);
}

/** Undefined when parts run that nobody supervises. */
async function runningPlaces({ config }: CliContext): Promise<Places | undefined> {
  try {
    for await (const answer of await askSupervisor(layoutOf(config.home).socket, { command: 'status' })) if (answer.kind === 'status') return answer.places ?? undefined;
  } catch (error) {
    if (!isNobodyThere(error)) throw error;
  }
  return undefined;
}
