import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { JobsMarket, type DemoAccount, type DemoNode, type RunJob } from '@muster/cli/demo/jobs-market';
import { Liar } from '@muster/cli/demo/liar';
import { readConfig } from '@muster/cli/config';
import { createIo } from '@muster/cli/output/io';
import { ExecutionView, JobView } from '@muster/shared-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CLI, REPOSITORY } from './support/caches.js';
import { Market } from './support/market.js';
import { needs, obstacle } from './support/obstacle.js';
import { run } from './support/run.js';
import { until } from './support/until.js';

const STORY_MS = 600_000;
const HELLO = '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03';

/** Takes a moment, so that every copy is taken before two agree. */
const SLOW_HELLO = ['sh', '-c', 'sleep 4; echo hello'];

const Story = z.object({
  ok: z.boolean(),
  steps: z.array(z.object({ step: z.string(), ok: z.boolean() }).loose()),
  figures: z.object({ total_ms: z.number(), jobs: z.array(z.object({ name: z.string(), completed_ms: z.number() }).loose()) }).loose(),
});
const Refusal = z.object({ error: z.object({ message: z.string(), hint: z.string(), facts: z.record(z.string(), z.string()), exit_code: z.number() }) });
const SavedResult = z.object({ complete: z.boolean(), parts: z.array(z.object({ path: z.string() }).loose()), aggregate: z.object({ path: z.string(), sha256: z.string() }).loose() });

/** One market of three nodes of three owners; the tests go through it in order. */
describe.skipIf(obstacle !== null)(`verified jobs on a whole market${needs}`, () => {
  let market: Market;
  let jobs: JobsMarket;
  let nodes: DemoNode[];
  let submitter: DemoAccount;

  beforeAll(async () => {
    market = await Market.open({ nodes: 3 });
    const silent = { write: () => true };
    jobs = await JobsMarket.open({ config: readConfig(market.env), io: createIo({ stdout: silent, stderr: silent, stdin: {}, noColor: true, self: 'muster' }) });
    nodes = await jobs.readyNodes(3);
    submitter = await jobs.submitter();
  }, STORY_MS);

  afterAll(async () => {
    await market?.close();
  }, STORY_MS);

  const asSubmitter = (): NodeJS.ProcessEnv => ({ MUSTER_URL: market.url, MUSTER_API_KEY: submitter.apiKey });
  const submit = (...args: string[]) => market.cli(['submit', '--yes', '--json', ...args], STORY_MS, asSubmitter());
  const hello = (name: string, command: string[]): Promise<RunJob> =>
    jobs.run(submitter, { name, docker_image: 'workspace', command, redundancy: 3, consensus: 2, distinct_by: 'owner' });
  const deltas = ({ executions }: RunJob): number[] => executions.filter(({ status }) => status === 'reported').map((run) => run.reputation_delta).toSorted((a, b) => b - a);

  it('muster demo jobs: echo hello +5/+5/+5, a liar +5/+5/−10, both examples, and the money adds up', async () => {
    const { stdout } = await market.must(['demo', 'jobs', '--json'], STORY_MS);
    const story = Story.parse(JSON.parse(stdout));
    expect(story.ok).toBe(true);
    expect(story.steps.map(({ step, ok }) => `${ok} ${step}`)).toEqual([
      'true three nodes of three owners',
      'true an account that owns none of them',
      'true echo hello, 2 of 3 must agree',
      'true the same with a liar among three',
      'true examples/hash-verify',
      'true examples/image-process',
      'true money adds up',
    ]);
    console.log(`    demo jobs: ${JSON.stringify(story.figures)}`);
  }, STORY_MS);

  it('echo hello through the command line: completed, its hash, votes of different nodes', async () => {
    const before = await jobs.reputations(nodes);
    const ran = await submit('--name', 'hello', '--image', 'workspace', '--cmd', 'echo', '--cmd', 'hello', '--wait');
    expect(ran.code).toBe(0);
    const job = JobView.parse(JSON.parse(ran.stdout));
    expect(job).toMatchObject({ status: 'completed', result: 'hello\n', result_hash: HELLO, consensus: 2 });
    const { executions } = await jobs.settled(submitter, job.id, 0);
    // On a slow machine two may agree before the third has taken its copy, which is not needed then.
    const reported = executions.filter(({ status }) => status !== 'unneeded');
    expect(reported.map((run) => [run.status, run.reputation_delta])).toEqual(reported.map(() => ['reported', 5]));
    const voters = reported.map((run) => run.node_name);
    expect(new Set(voters).size).toBe(reported.length);
    expect(reported.length).toBeGreaterThanOrEqual(2);
    expect(await jobs.reputations(nodes)).toEqual(Object.fromEntries(Object.entries(before).map(([name, reputation]) => [name, reputation + (voters.includes(name) ? 5 : 0)])));
  }, STORY_MS);

  it('a file too large to travel inside the submission is uploaded, and what comes back is its hash', async () => {
    const bytes = randomBytes(300_000);
    const file = join(market.home, 'person', 'noise');
    await writeFile(file, bytes);
    const ran = await submit('--image', 'workspace', '--redundancy', '2', '--input', file, '--wait', '--', 'sha256sum', '/input/noise');
    expect(ran.stderr).toBe('');
    expect(JobView.parse(JSON.parse(ran.stdout)).result).toBe(`${createHash('sha256').update(bytes).digest('hex')}  /input/noise\n`);
  }, STORY_MS);

  it('two liars of one owner do not win: they are one vote', async () => {
    const [first, second] = [await Liar.start(jobs), await Liar.start(jobs)];
    try {
      await jobs.listOnly(nodes, nodes.slice(0, 2));
      const ran = await hello('two liars', SLOW_HELLO);
      expect(ran.job).toMatchObject({ status: 'completed', result_hash: HELLO });
      expect(deltas(ran)).toEqual([5, 5, -10]);
      const lies = ran.executions.filter(({ node_id }) => node_id === first.node.id || node_id === second.node.id);
      expect(lies.map(({ verdict, paid_usd }) => [verdict, paid_usd])).toEqual([['invalid', '0.000000']]);
    } finally {
      await Promise.all([first.stop(), second.stop()]);
      await jobs.listOnly(nodes, nodes);
    }
  }, STORY_MS);

  it('with one owner left submit says so and ends with 4; a job that may wait says what it waits for, and then runs', async () => {
    await jobs.listOnly(nodes, nodes.slice(0, 1));
    let waiting: JobView;
    try {
      waiting = await submitToOneOwner();
    } finally {
      await jobs.listOnly(nodes, nodes);
    }
    await until('the job to be done', async () => (await submitter.client.call('getJob', { params: { job_id: waiting.id } })).status === 'completed');
  }, STORY_MS);

  async function submitToOneOwner(): Promise<JobView> {
    const refused = await submit('--image', 'workspace', '--', 'echo', 'hello');
    expect(refused.code).toBe(4);
    const { error } = Refusal.parse(JSON.parse(refused.stderr.trim().split('\n').at(-1) ?? ''));
    expect(error.facts).toMatchObject({ waiting_for: 'too_few_owners', distinct_by: 'owner' });
    expect(error.hint).toContain('--anyway');
    const waiting = JobView.parse(JSON.parse((await submit('--image', 'workspace', '--anyway', '--', 'echo', 'hello')).stdout));
    const shown = async (): Promise<JobView> => JobView.parse(JSON.parse((await market.cli(['get', waiting.id, '--json'], undefined, asSubmitter())).stdout));
    await until('the one owner to have voted', async () => (await shown()).progress.executions_reported === 1);
    await until('the job to say that it waits for owners', async () => (await shown()).waiting_for?.code === 'too_few_owners');
    return waiting;
  }

  it('its nodes come back after their agents were killed, and a killed supervisor leaves them to the next one', async () => {
    await Promise.all([market.kill('agent-2'), market.kill('agent-3')]);
    process.kill(market.supervisorPid, 'SIGKILL');
    await until('the supervisor to be gone', async () => (await market.cli(['status'])).code === 3);
    await market.up();
    nodes = await jobs.readyNodes(3);
    expect(deltas(await hello('after the kills', SLOW_HELLO))).toEqual([5, 5, 5]);
    const list = z.object({ items: z.array(ExecutionView.pick({ id: true })) }).parse(JSON.parse((await market.cli(['list', '--json'], undefined, asSubmitter())).stdout));
    expect(list.items.length).toBeGreaterThan(5);
  }, STORY_MS);

  it('the jobs of the README, command by command: a thousand lines in parts come to what one machine would have made', async () => {
    const person = join(market.home, 'person');
    const ran: string[] = [];
    for (const command of await commandsOfReadme('**9. Verified jobs.**', '**10.')) {
      if (STORY_ELSEWHERE.includes(command)) continue;
      const line = command.replace('./muster', `"${process.execPath}" "${CLI}"`).replace('examples/', `${REPOSITORY}/examples/`).replace(/^(.* submit .*)$/, '$1 --yes');
      const { code, stdout, stderr } = await run('bash', ['-c', line], { env: market.env, cwd: person, withinMs: STORY_MS });
      expect({ command, code, stderr: code === 0 ? '' : stderr }).toEqual({ command, code: 0, stderr: '' });
      if (command === './muster result 1') expect(stdout).toBe('hello\n');
      if (command.includes('matrix/job.yaml')) expect(stdout).toContain('"seed 10"');
      if (command.endsWith('-o ./factors')) await expectFactors(join(person, 'factors'));
      ran.push(command);
    }
    expect(ran.length).toBeGreaterThanOrEqual(10);
  }, STORY_MS);

  it('the first job and the folder of docs/jobs.md, as files', async () => {
    const page = await readFile(join(REPOSITORY, 'docs', 'jobs.md'), 'utf8');
    const blocks = [...page.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, block = '']) => block);
    for (const name of ['hello', 'a folder']) {
      const file = join(market.home, 'person', 'job.yaml');
      await writeFile(file, blocks.find((block) => block.startsWith(`name: ${name}\n`)) ?? '');
      const ran = await submit('-f', file, '--wait');
      expect(ran.code, ran.stderr).toBe(0);
      const job = JobView.parse(JSON.parse(ran.stdout));
      if (job.name === 'hello') expect(job.result).toBe('hello\n');
      else await expectFolder(job.id);
    }
  }, STORY_MS);

  async function expectFolder(id: string): Promise<void> {
    const folder = join(market.home, 'person', 'folder');
    expect((await market.cli(['result', id, '-o', folder], STORY_MS, asSubmitter())).code).toBe(0);
    expect(await readFile(join(folder, 'output', 'deep', 'hello.txt'), 'utf8')).toBe('hello\n');
  }
});

/** Run by the test before all others, and by the first one. */
const STORY_ELSEWHERE = ['./muster up --nodes 3 --owners 3', './muster demo jobs'];

async function commandsOfReadme(from: string, to: string): Promise<string[]> {
  const page = await readFile(join(REPOSITORY, 'README.md'), 'utf8');
  const chapter = page.slice(page.indexOf(from), page.indexOf(to));
  return [...chapter.matchAll(/^```\n([^]*?)^```$/gm)].flatMap(([, block = '']) => block.trimEnd().split('\n'));
}

/** Every part agreed on, and the aggregate as it would come from one machine. */
async function expectFactors(folder: string): Promise<void> {
  const saved = SavedResult.parse(JSON.parse(await readFile(join(folder, 'result.json'), 'utf8')));
  expect(saved).toMatchObject({ complete: true });
  expect(saved.parts).toHaveLength(100);
  const numbers = (await readFile(join(REPOSITORY, 'examples', 'split', 'numbers.txt'), 'utf8')).trimEnd().split('\n').map(Number);
  const plain = numbers.map((number) => `${number}:${factorsOf(number).map((factor) => ` ${factor}`).join('')}\n`).join('');
  expect(await readFile(join(folder, saved.aggregate.path), 'utf8')).toBe(plain);
  expect(saved.aggregate.sha256).toBe(createHash('sha256').update(plain).digest('hex'));
}

/** As `factor` of coreutils: each prime as often as it divides. */
function factorsOf(number: number): number[] {
  const factors: number[] = [];
  let rest = number;
  for (let factor = 2; factor * factor <= rest; ) {
    if (rest % factor === 0) {
      factors.push(factor);
      rest /= factor;
    } else factor += 1;
  }
  return rest > 1 ? [...factors, rest] : factors;
}
