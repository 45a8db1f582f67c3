import { randomUUID } from 'node:crypto';
import { basename, resolve } from 'node:path';
import { confirm, isCancel } from '@clack/prompts';
import { fieldErrors, type JobQuote, JobSubmission, type JobSubmissionInput, type JobView, makeProblem, ProblemError } from '@muster/shared-types';
import { type Command, Option } from 'commander';
import { type Access, openAccess } from '../commands/access.js';
import { rememberFirst } from '../commands/recall.js';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { type Io, say, sayJson } from '../output/io.js';
import { MOST_NODES } from '../market/settings.js';
import { usd } from '../output/words.js';
import { type SplitWish, splitOf, type SubmitFlags, submissionOf } from './flags.rules.js';
import { namedInput, sendInputs } from './inputs.js';
import { type LocalInput, readJobFile } from './job-file.js';
import { jobName, quoteWords } from './job-words.js';
import { reportEnd } from './report.js';
import { watchJob } from './watch.js';

interface SubmitOptions extends SubmitFlags {
  file?: string;
  input?: string[];
  split?: string;
  wait?: boolean;
  anyway?: boolean;
  yes?: boolean;
}

const EXAMPLES = `
Examples:
  muster submit --name hello --image workspace --cmd echo --cmd hello --wait
  muster submit --image workspace --matrix seed=1..100 -- sh -c 'echo $SEED | sha256sum'
  muster submit --image workspace --split lines:words.txt:10 --aggregate concat -- sort /input/words.txt
  muster submit -f job.yaml --wait

Inputs lie below /input, each task of a matrix has its values in its environment. With --outputs /output the files there
are the result; without, standard output is.`;

export function registerSubmit(program: Command, context: CliContext): void {
  program
    .command('submit')
    .description('Run a container on strangers’ machines and believe what k of n agree on: quote, confirm, submit')
    .argument('[command...]', 'command of the container, after --')
    .option('-f, --file <job.yaml>', 'a job in a file; flags go before what it says')
    .option('--name <name>', 'what to call it')
    .option('--description <text>', 'what it is for')
    .option('--image <image>', 'image to run, e.g. workspace')
    .option('--cmd <word>', 'one word of the command; may be repeated', collect)
    .option('--env <name=value>', 'variable for the container; may be repeated', collectEnv)
    .option('--input <file>', 'file or folder for /input, also NAME=FILE; may be repeated', collect)
    .option('--input-data <text>', 'text that lies in /input/data')
    .option('--outputs <folder>', 'the files there are the result; the folder is /output')
    .option('--cpu <n>', 'vCPUs of one execution (1)')
    .option('--memory <size>', 'memory of one execution, e.g. 512m or 2g (512m)')
    .option('--disk <gb>', 'disk of one execution in GB (1)')
    .option('--gpu <n>', 'GPUs of one execution')
    .option('--gpu-ram <size>', 'memory of each GPU, e.g. 16g')
    .option('--gpu-name <name>', 'GPU model, e.g. "RTX 4090"')
    .option('--needs <capability>', 'what a node must have, e.g. cuda>=12 or runtime:gvisor; may be repeated', collect)
    .option('--region <cc>', 'country of the nodes, e.g. DE')
    .option('--min-reputation <n>', 'least reputation of a node')
    .option('--network <mode>', 'none or egress (none)')
    .option('--timeout <time>', 'longest time of one execution, e.g. 300 or 2h (300)')
    .option('--redundancy <n>', 'executions per task (3)')
    .option('--consensus <k>', 'how many of them must agree (2)')
    .option('--max-copies <n>', 'executions per task at most, when they do not agree (7)')
    .option('--max-errors <n>', 'different nodes that fail before the job is blamed')
    .option('--distinct-by <what>', 'owner or node: what copies of a task must not share; the market’s setting when that is stricter')
    .option('--tolerance <atol:rtol>', 'results are numbers and agree within this')
    .option('--matrix <name=values>', 'one task per value, e.g. seed=1..100 or lr=0.1,0.2; may be repeated', collect)
    .addOption(new Option('--split <by:source:n>', 'one task per n lines or files, e.g. lines:words.txt:10').conflicts('matrix'))
    .option('--aggregate <how>', 'concat or json_merge of all results')
    .option('--max-price <usd>', 'never charge more than this for the whole job')
    .option('--anyway', 'submit it although it has to wait for nodes')
    .option('-y, --yes', 'submit without asking')
    .option('--wait', 'follow it to its end and print the result')
    .addHelpText('after', EXAMPLES)
    .action((words: string[], options: SubmitOptions) => submit(context, words, options));
}

const collect = (text: string, before: string[] = []): string[] => [...before, text];

function collectEnv(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new CliError(`--env ${text} is not NAME=VALUE.`, EXIT.usage);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

async function submit(context: CliContext, words: string[], options: SubmitOptions): Promise<void> {
  const { io, config } = context;
  const { body, files } = await described(words, options);
  const access = await openAccess(config);
  body.inputs = [...(body.inputs ?? []), ...(await sendInputs(io, access, files))];
  const job = checked(body);
  const quote = await access.client.call('quoteJob', { body });
  say(io, quoteWords(io, quote, job));
  if (lacksNodes(quote) && !options.anyway) throw cannotStart(quote, job.redundancy);
  if (quote.waiting_for) say(io, `${io.paint.yellow('!')} It will wait: ${quote.waiting_for.message}`);
  if (!(await agreed(io, quote, options))) throw new CliError('Not submitted.', EXIT.refused);
  const submitted = await access.client.call('createJob', { idempotencyKey: randomUUID(), body });
  await rememberFirst(config, 'jobs', submitted.id);
  if (options.wait) return follow(io, access, submitted);
  if (io.json) return sayJson(io, submitted);
  say(io, `${io.paint.green('✓')} ${jobName(submitted)} is number 1. Follow it with: ${io.paint.bold('muster get 1')}`);
}

/** What is asked for, before anything is sent anywhere. */
async function described(words: string[], options: SubmitOptions): Promise<{ body: JobSubmissionInput; files: LocalInput[] }> {
  const file = options.file === undefined ? { submission: {}, files: [] } : await readJobFile(options.file);
  const cmd = [...(options.cmd ?? []), ...words];
  const body = submissionOf({ ...options, ...(cmd.length > 0 ? { cmd } : {}) }, file.submission);
  const split = options.split === undefined ? undefined : splitOf(options.split);
  const named = await Promise.all((options.input ?? []).map(namedInput));
  const files = [...file.files, ...named, ...(split ? [splitSource(split)] : [])];
  if (split) body.tasks = { kind: 'split', by: split.by, path: splitSource(split).path, chunk: split.chunk };
  checked(body);
  return { body, files };
}

const splitSource = ({ source }: SplitWish): LocalInput => ({ source: resolve(source), path: basename(resolve(source)) });

/** The market's own schema, before a file is sent: the same words per field. */
function checked(body: JobSubmissionInput): JobSubmission {
  const parsed = JobSubmission.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new ProblemError(makeProblem('invalid_request', { detail: 'The job is not valid.', errors: fieldErrors(parsed.error) }));
}

/** Nodes that are busy have room some time; those that nobody has do not come by themselves. */
const lacksNodes = ({ can_start, waiting_for }: JobQuote): boolean => !can_start && waiting_for?.code !== 'all_busy';

/** Said instead of waiting in silence, with what would help. */
function cannotStart(quote: JobQuote, redundancy: number): ProblemError {
  const facts = { nodes_fitting: String(quote.nodes_fitting), owners_fitting: String(quote.owners_fitting), distinct_by: quote.distinct_by, waiting_for: quote.waiting_for?.code ?? '' };
  const detail = `It cannot run now: ${quote.waiting_for?.message ?? 'too few nodes fit it'}`;
  const nodes = Math.min(MOST_NODES, redundancy);
  const here = `muster up --nodes ${nodes}${quote.distinct_by === 'owner' ? ` --owners ${nodes}` : ''}`;
  const fitting = quote.distinct_by === 'owner' ? quote.owners_fitting : quote.nodes_fitting;
  const more = quote.waiting_for?.code.startsWith('too_few') && fitting < redundancy ? `A market of this machine gets more of them with: ${here}. ` : '';
  return new ProblemError(makeProblem('action_not_allowed', { detail, hint: `${more}Submit it all the same, and it waits for them: --anyway`, facts }));
}

async function agreed(io: Io, quote: JobQuote, { yes }: SubmitOptions): Promise<boolean> {
  if (yes) return true;
  if (!io.isTty || io.json) throw new CliError('Nobody is here to confirm the price.', EXIT.usage, 'Add --yes to submit it at the quoted price.');
  const answer = await confirm({ message: `Submit it and hold ${usd(quote.max_charge_usd)}?` });
  return !isCancel(answer) && answer;
}

async function follow(io: Io, access: Access, submitted: JobView): Promise<void> {
  await reportEnd(io, access, await watchJob(io, access.client, submitted));
}
