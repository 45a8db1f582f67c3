import { fieldErrors, JobSubmission, type JobSubmissionInput } from '@muster/shared-types';
import { describe, expect, it } from 'vitest';
import { draftJob } from './descriptor.rules.js';

const HELLO: JobSubmissionInput = { name: 'hello', docker_image: 'workspace', command: ['echo', 'hello'] };
const inline = (path: string, data = '', encoding: 'utf8' | 'base64' = 'utf8') => ({ kind: 'inline' as const, path, data, encoding });
const https = (path: string) => ({ kind: 'https' as const, path, url: 'https://example.org/x', sha256: 'a'.repeat(64) });
const lines = { kind: 'split' as const, by: 'lines' as const, path: 'list', chunk: 10 };
const files = { kind: 'split' as const, by: 'files' as const, path: 'images', chunk: 1 };

/** Every complaint about a submission, as the API answers them. */
function complaints(job: object): { path: string; message: string }[] {
  const parsed = JobSubmission.safeParse({ ...HELLO, ...job });
  return parsed.success ? draftJob(parsed.data, 'owner').errors : fieldErrors(parsed.error, 'body');
}
const paths = (job: object): string[] => complaints(job).map((error) => error.path);
const draft = (job: Partial<JobSubmissionInput>, market: 'owner' | 'node' = 'owner') => draftJob(JobSubmission.parse({ ...HELLO, ...job }), market).draft;

describe('a submission', () => {
  it.each<[string, object, string]>([
    ['without a name', { name: '' }, 'body.name'],
    ['with an image that is a URL', { docker_image: 'https://hub.example/x' }, 'body.docker_image'],
    ['with an image in capitals', { docker_image: 'Ubuntu' }, 'body.docker_image'],
    ['with a field that nobody reads', { timeout: 5 }, 'body'],
    ['whose consensus is more than its redundancy', { redundancy: 2, consensus: 3 }, 'body.consensus'],
    ['whose copies end before its redundancy', { redundancy: 8, max_copies: 7 }, 'body.max_copies'],
    ['that blames later than it copies', { max_errors: 8 }, 'body.max_errors'],
    ['with two amounts of memory', { required_memory: 1, memory_mb: 2048 }, 'body.memory_mb'],
    ['with a timeout of nothing', { timeout_s: 0 }, 'body.timeout_s'],
    ['with a bad variable', { environment: { 'A-B': '1' } }, 'body.environment.A-B'],
    ['with a path that climbs', { inputs: [inline('../x')] }, 'body.inputs.0.path'],
    ['with an absolute path', { inputs: [inline('/etc/passwd')] }, 'body.inputs.0.path'],
    ['with one path twice', { inputs: [inline('a'), inline('a')] }, 'body.inputs.1.path'],
    ['with a file where a folder is', { inputs: [inline('a/b'), inline('a')] }, 'body.inputs.1.path'],
    ['with input_data where an input is', { input_data: 'x', inputs: [inline('data')] }, 'body.input_data'],
    ['with text that is not base64', { inputs: [inline('a', 'no!', 'base64')] }, 'body.inputs.0.data'],
    ['with a plain http input', { inputs: [{ ...https('a'), url: 'http://example.org/x' }] }, 'body.inputs.0.url'],
    ['with an input without a hash', { inputs: [{ kind: 'https', path: 'a', url: 'https://example.org/x' }] }, 'body.inputs.0.sha256'],
    ['with too many inline bytes', { inputs: [inline('a', 'x'.repeat(2_500_000)), inline('b', 'x'.repeat(2_500_000))] }, 'body.inputs'],
    ['with an empty matrix', { tasks: { kind: 'matrix', axes: {} } }, 'body.tasks.axes'],
    ['with an axis without values', { tasks: { kind: 'matrix', axes: { a: [] } } }, 'body.tasks.axes.a'],
    ['with more tasks than may be', { tasks: { kind: 'matrix', axes: { a: Array(400).fill('x'), b: Array(400).fill('y') } } }, 'body.tasks.axes'],
    ['with two axes of one variable', { tasks: { kind: 'matrix', axes: { a: ['1'], A: ['2'] } } }, 'body.tasks.axes'],
    ['with an axis that environment sets', { environment: { SEED: '1' }, tasks: { kind: 'matrix', axes: { seed: ['1'] } } }, 'body.tasks.axes.seed'],
    ['that splits what is not there', { tasks: lines }, 'body.tasks.path'],
    ['that splits other people’s lines', { inputs: [https('list')], tasks: lines }, 'body.tasks.path'],
    ['that splits an empty folder', { inputs: [inline('other/a')], tasks: files }, 'body.tasks.path'],
    ['that compares folders by tolerance', { outputs: '/output', compare: { kind: 'tolerance', atol: 0, rtol: 0 } }, 'body.compare'],
    ['that joins folders as text', { outputs: '/output', aggregate: { kind: 'concat' } }, 'body.aggregate'],
    ['that wants a network inside gVisor', { capabilities: ['runtime:gvisor'], network: 'egress' }, 'body.network'],
    ['with an aggregator that is no image', { aggregate: { kind: 'container', docker_image: 'no image', command: [] } }, 'body.aggregate.docker_image'],
    ['in a region of three letters', { geolocation: 'DEU' }, 'body.geolocation'],
    ['with a price in words', { max_price_usd: 'cheap' }, 'body.max_price_usd'],
  ])('%s is refused, by the name of the field', (_what, job, path) => {
    expect(paths(job)).toContain(path);
    expect(complaints(job).every((error) => error.message.length > 5)).toBe(true);
  });

  it('names every bad field at once', () => {
    expect(paths({ docker_image: 'No', max_errors: 9, tasks: lines })).toEqual(['body.docker_image', 'body.max_errors', 'body.tasks.path']);
  });

  it.each(['alpine', 'python:3.12-slim', 'muster/workspace', 'ghcr.io/me/tool:v1', 'localhost:5000/a/b_c', `alpine@sha256:${'a'.repeat(64)}`, `reg.example.org/x/y:1.0@sha256:${'b'.repeat(64)}`])('runs %s', (docker_image) => {
    expect(paths({ docker_image })).toEqual([]);
  });

  it('gets what it leaves out', () => {
    expect(draft({}).need).toMatchObject({ cpuCores: 1, memoryMb: 512, diskGb: 1, numGpus: 0, network: 'none' });
    expect(draft({ required_memory: 3 }).need.memoryMb).toBe(3_072);
    expect(draft({ redundancy: 4, consensus: 2 }).maxErrors).toBe(4);
    for (const gpu of [{ required_gpu: true }, { gpu_name: 'H100 SXM' }, { gpu_ram_mb: 8_000 }]) expect(draft(gpu).need.numGpus).toBe(1);
    expect(draft({ required_gpu: true, num_gpus: 4 }).need.numGpus).toBe(4);
  });

  it('may be stricter than its market, never laxer', () => {
    expect(draft({ distinct_by: 'node' }, 'owner').distinctBy).toBe('owner');
    expect(draft({ distinct_by: 'owner' }, 'node').distinctBy).toBe('owner');
    expect(draft({}, 'node').distinctBy).toBe('node');
  });

  it('may split its input_data by lines', () => {
    expect(paths({ input_data: 'a\nb\n', tasks: { ...lines, path: 'data' } })).toEqual([]);
  });
});
