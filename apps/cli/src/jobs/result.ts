import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { canonicalJson } from '@muster/proof';
import type { JobResult } from '@muster/shared-types';
import type { Command } from 'commander';
import { type Access, openAccess } from '../commands/access.js';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { type Io, say, sayJson } from '../output/io.js';
import { when } from '../output/words.js';
import { unpackResult } from './archive.js';
import { bytesWords, jobName } from './job-words.js';
import { findJobId } from './jobs.js';

const LINE_FEED = 10;
const DOWNLOAD_MS = 60 * 60_000;
/** A job completes when its nodes agree; a folder that one of them brought is looked through and kept a moment later. */
const KEPT_MS = 60_000;
const LOOK_EVERY_MS = 250;

type Part = JobResult['parts'][number];
type WholeResult = Omit<JobResult, 'next'>;

export function registerResult(program: Command, context: CliContext): void {
  program
    .command('result')
    .description('The agreed result, checked against its hash: printed, or as files')
    .argument('<job>', 'number of the last list, or an id')
    .option('-o, --output <folder>', 'where to put files; needed for result folders and many parts')
    .addHelpText('after', '\nExample:\n  muster result 1\n  muster result 1 -o ./out')
    .action((typed: string, options: { output?: string }) => result(context, typed, options));
}

async function result(context: CliContext, typed: string, { output }: { output?: string }): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const whole = await keptResult(access, await findJobId(context, access, typed));
  if (whole.parts.length === 0) throw new CliError(`${nameOf(whole)} has no result yet; it is ${whole.status}.`, EXIT.refused, `Follow it with: muster get ${typed}`);
  if (output !== undefined) return saveAll(io, access, whole, resolve(output));
  if (io.json) return sayJson(io, whole);
  print(io, whole);
}

const nameOf = (whole: WholeResult): string => jobName({ id: whole.job_id });

/** All of it once everything that belongs to it is kept; of a job that goes on, or failed, what there is. */
async function keptResult(access: Access, jobId: string): Promise<WholeResult> {
  const until = performance.now() + KEPT_MS;
  for (;;) {
    const whole = await wholeResult(access, jobId);
    if (whole.complete || whole.status !== 'completed' || performance.now() > until) return whole;
    await sleep(LOOK_EVERY_MS);
  }
}

/** Every page of it. */
async function wholeResult({ client }: Access, jobId: string): Promise<WholeResult> {
  const { next: first, ...whole } = await client.call('getJobResult', { params: { job_id: jobId }, query: { limit: 200 } });
  for (let cursor = first; cursor !== null; ) {
    const page = await client.call('getJobResult', { params: { job_id: jobId }, query: { limit: 200, cursor } });
    whole.parts.push(...page.parts);
    cursor = page.next;
  }
  return whole;
}

/** What can be read at once: an aggregate, or the one part there is. Its bytes go out as they are. */
function print(io: Io, whole: WholeResult): void {
  const { aggregate, parts } = whole;
  const inline = aggregate?.result != null ? agreed(aggregate.result, aggregate.encoding, aggregate.sha256) : undefined;
  const [only, ...others] = parts;
  const single = !aggregate && only?.result != null && others.length === 0 ? agreed(only.result, only.encoding, only.result_hash) : undefined;
  const bytes = inline ?? single;
  if (!bytes) throw new CliError(whyFiles(whole), EXIT.usage, 'Say where to put it: muster result 1 -o ./out');
  io.stdout.write(bytes);
  if (io.isTty && bytes.at(-1) !== LINE_FEED) io.stdout.write('\n');
}

function whyFiles({ complete, parts, aggregate }: WholeResult): string {
  if (parts.some((part) => part.manifest)) return 'The result is a folder of files.';
  if (aggregate && aggregate.result === null) return `The result is long (${bytesWords(aggregate.size)}).`;
  return `The result has ${parts.length} parts${complete ? '' : ' so far'}.`;
}

/** The bytes, when they are those that the nodes agreed on. */
function agreed(text: string, encoding: 'utf8' | 'base64', sha256: string): Buffer {
  const bytes = Buffer.from(text, encoding);
  check(createHash('sha256').update(bytes).digest('hex'), sha256);
  return bytes;
}

function check(found: string, sha256: string): void {
  if (found !== sha256) throw new CliError(`The result hashes to ${found}, and not to the agreed ${sha256}.`, EXIT.failed, 'Do not believe it; tell the operator of the market.');
}

/** Parts, aggregate, and `result.json` that says which is which. */
async function saveAll(io: Io, access: Access, whole: WholeResult, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const isOnly = whole.parts.length === 1 && whole.complete && !whole.aggregate;
  const parts = [];
  for (const part of whole.parts) {
    const name = isOnly ? '' : String(part.index).padStart(6, '0');
    parts.push({ index: part.index, label: part.label, result_hash: part.result_hash, path: await savePart(access, part, folder, name) });
  }
  const aggregate = whole.aggregate && { sha256: whole.aggregate.sha256, size: whole.aggregate.size, path: await saveAggregate(access, whole.aggregate, folder) };
  const index = { job_id: whole.job_id, status: whole.status, complete: whole.complete, aggregate, parts, kept_until: whole.kept_until };
  await writeFile(join(folder, 'result.json'), `${JSON.stringify(index, null, 2)}\n`);
  if (io.json) return sayJson(io, { ...index, folder });
  say(io, `${io.paint.green('✓')} ${whole.parts.length === 1 ? '1 part' : `${whole.parts.length} parts`}${aggregate ? ' and the aggregate' : ''} in ${folder}, every byte as the nodes agreed. What is what: result.json`);
  if (!whole.complete) say(io, `${io.paint.yellow('!')} ${nameOf(whole)} is ${whole.status}: this is what is final so far.`);
  if (whole.kept_until) say(io, io.paint.dim(`The market keeps it until ${when(whole.kept_until)}.`));
}

/** A result folder becomes a folder, standard output a file. Returns its name below `folder`. */
async function savePart(access: Access, part: Part, folder: string, name: string): Promise<string> {
  if (part.manifest === null) {
    if (part.result === null) throw new CliError(`Part ${part.index} has no content any more.`, EXIT.failed, 'Results are kept for a limited time: docs/jobs.md');
    const file = name === '' ? 'stdout' : name;
    await writeFile(join(folder, file), agreed(part.result, part.encoding, part.result_hash));
    return file;
  }
  check(createHash('sha256').update(canonicalJson(part.manifest)).digest('hex'), part.result_hash);
  const below = name === '' ? 'output' : name;
  await mkdir(join(folder, below), { recursive: true });
  if (part.archive_url !== null) await unpackResult(await download(access, part.archive_url), part.manifest, join(folder, below));
  else if (part.manifest.files.length > 0) throw new CliError(`The archive of part ${part.index} is not kept any more.`, EXIT.failed, 'Results are kept for a limited time: docs/jobs.md');
  return below;
}

async function saveAggregate(access: Access, { result: text, encoding, sha256, url }: NonNullable<JobResult['aggregate']>, folder: string): Promise<string> {
  const path = join(folder, 'aggregate');
  if (text !== null || url === null) {
    await writeFile(path, agreed(text ?? '', encoding, sha256));
    return 'aggregate';
  }
  const hash = createHash('sha256');
  await writeFile(path, hashing(await download(access, url), hash));
  check(hash.digest('hex'), sha256);
  return 'aggregate';
}

async function* hashing(chunks: AsyncIterable<Uint8Array>, hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

async function download({ url: base }: Access, link: string): Promise<AsyncIterable<Uint8Array>> {
  const answer = await fetch(new URL(link, base), { signal: AbortSignal.timeout(DOWNLOAD_MS) });
  if (!answer.ok || !answer.body) throw new CliError(`The result could not be downloaded: HTTP ${answer.status}.`, EXIT.failed, 'Links are good for some minutes: try again.');
  return answer.body;
}
