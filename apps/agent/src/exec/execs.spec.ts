import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { base64Bytes, EXEC_LIMITS, type ExecData, type ExecOpen, type ExecPart, type InstanceSpec } from '@muster/shared-types';
import { engineObstacle, makeEnginePlace, removePlace, type EnginePlace } from '@muster/testkit/engine/engine-place';
import { testInstanceSpec } from '@muster/testkit/engine/instance-spec';
import { writeTestImage } from '@muster/testkit/engine/test-image';
import { until } from '@muster/testkit/engine/until';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from '../docker/engine.js';
import type { Engine } from '../docker/types.js';
import { logsOf } from '../link/log-follow.js';
import { Execs } from './execs.js';

const NODE = '01890000-0000-7000-8000-000000000001';
const obstacle = engineObstacle();

/** The market's end: keeps what comes, and gives back credit unless told not to. */
class Peer {
  readonly frames: ExecData[] = [];
  readonly id = `${randomUUID()}.${randomUUID()}`;
  credits = true;

  constructor(private readonly execs: () => Execs) {}

  heard(frame: ExecData): void {
    this.frames.push(frame);
    if (frame.kind === 'data' && this.credits) queueMicrotask(() => this.say({ kind: 'credit', bytes: base64Bytes(frame.bytes) }));
  }

  say(part: ExecPart): void {
    this.execs().received({ ...part, stream_id: this.id });
  }

  type(text: string | Buffer): void {
    this.say({ kind: 'data', stream: 'stdin', bytes: Buffer.from(text).toString('base64') });
  }

  bytes(stream: 'stdout' | 'stderr' = 'stdout'): Buffer {
    return Buffer.concat(this.frames.flatMap((frame) => (frame.kind === 'data' && frame.stream === stream ? [Buffer.from(frame.bytes, 'base64')] : [])));
  }

  text(stream: 'stdout' | 'stderr' = 'stdout'): string {
    return this.bytes(stream).toString('utf8');
  }

  get exit(): Extract<ExecData, { kind: 'exit' }> | undefined {
    return this.frames.find((frame) => frame.kind === 'exit');
  }

  ended = async (): Promise<Extract<ExecData, { kind: 'exit' }>> => until('the command to end', () => this.exit);
}

describe.skipIf(obstacle !== null)(`commands in instances${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 60_000 }, () => {
  let place: EnginePlace;
  let engine: Engine;
  let spec: InstanceSpec;
  let execs: Execs;
  let wanted = true;
  const peers = new Map<string, Peer>();

  beforeAll(async () => {
    place = await makeEnginePlace({ poolGb: 4 });
    await writeTestImage(join(place.musterHome, 'images'));
    engine = await startEngine(place);
    await engine.importArchives(join(place.musterHome, 'images'));
    spec = testInstanceSpec();
    expect(await engine.create(spec, NODE)).toMatchObject({ ok: true });
    expect(await engine.start(spec.rental_id)).toMatchObject({ ok: true });
    execs = new Execs({ engine, isWanted: () => wanted, post: (frame) => peers.get(frame.stream_id)?.heard(frame), log: pino({ level: 'silent' }) });
  }, 90_000);
  afterEach(() => {
    wanted = true;
    execs.endAll();
    peers.clear();
  });
  afterAll(async () => {
    await engine?.stopEngine();
    if (place) await removePlace(place);
  }, 60_000);

  const open = async (command: string[], more: Partial<ExecOpen> = {}): Promise<Peer> => {
    const peer = new Peer(() => execs);
    peers.set(peer.id, peer);
    expect(await execs.open({ stream_id: peer.id, rental_id: spec.rental_id, command, tty: false, cols: 80, rows: 24, ...more })).toEqual({ ok: true, value: undefined });
    return peer;
  };
  const inside = async (script: string): Promise<string> => {
    const result = await engine.exec(spec.rental_id, ['sh', '-c', script]);
    return result.ok ? result.value.output.trim() : result.fault.message;
  };

  /** A process of exactly this command line is there. */
  const runs = async (words: string): Promise<boolean> => (await inside('ps -o args')).split('\n').includes(words);

  it('hands on both streams apart, and the exit code', async () => {
    const peer = await open(['sh', '-c', 'echo out; echo err >&2; exit 7']);
    expect(await peer.ended()).toMatchObject({ exit_code: 7 });
    expect([peer.text(), peer.text('stderr')]).toEqual(['out\n', 'err\n']);
    expect(peer.frames.at(-1)?.kind).toBe('exit');
    expect(execs.count).toBe(0);
  });

  it('hands on input and its end, unchanged', async () => {
    const bytes = Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * 7) % 256));
    const peer = await open(['cat']);
    for (let at = 0; at < bytes.length; at += EXEC_LIMITS.chunkBytes) peer.type(bytes.subarray(at, at + EXEC_LIMITS.chunkBytes));
    peer.say({ kind: 'eof' });
    expect(await peer.ended()).toMatchObject({ exit_code: 0 });
    expect(peer.bytes().equals(bytes)).toBe(true);
  });

  it('is a terminal when asked: its size, a new size, Ctrl-C, and a login shell', async () => {
    const peer = await open([], { tty: true, cols: 101, rows: 33 });
    peer.type('stty size; echo size-told\n');
    await until('the size', () => peer.text().includes('33 101') || undefined);
    execs.resize({ stream_id: peer.id, cols: 120, rows: 40 });
    peer.type('stty size\n');
    await until('the new size', () => peer.text().includes('40 120') || undefined);
    peer.type('sleep 600\n');
    await until('the sleep', () => runs('sleep 600'));
    peer.type('\x03');
    peer.type('echo code=$?; exit 3\n');
    expect(await peer.ended()).toMatchObject({ exit_code: 3 });
    expect(peer.text()).toContain('code=130');
  });

  it('says what cannot be run', async () => {
    const peer = await open(['/no/such/program']);
    expect((await peer.ended()).exit_code).toBeGreaterThan(125);
  });

  it('lets a flood wait for whoever reads it: no more than a window is on its way', async () => {
    const peer = new Peer(() => execs);
    peer.credits = false;
    peers.set(peer.id, peer);
    await execs.open({ stream_id: peer.id, rental_id: spec.rental_id, command: ['yes'], tty: false, cols: 80, rows: 24 });
    await until('a full window', () => peer.bytes().length >= EXEC_LIMITS.windowBytes || undefined);
    await inside('sleep 0.5');
    expect(peer.bytes().length).toBe(EXEC_LIMITS.windowBytes);
    peer.say({ kind: 'credit', bytes: 1_000 });
    await until('what was given back', () => peer.bytes().length === EXEC_LIMITS.windowBytes + 1_000 || undefined);
    peer.say({ kind: 'close' });
    await until('the flood to be ended', async () => !(await runs('yes')));
  });

  it.each([
    ['the person leaves', (peer: Peer) => peer.say({ kind: 'close' })],
    ['the connection to the market is lost', () => execs.endAll()],
    ['the instance is not wanted here any more', () => ((wanted = false), execs.endUnwanted())],
  ])('ends what runs when %s', async (_why, end) => {
    const peer = await open(['sh', '-c', 'trap "" HUP; sleep 4242']);
    await until('it to run', () => runs('sleep 4242'));
    end(peer);
    expect(await peer.ended()).toMatchObject({ exit_code: null });
    expect(execs.count).toBe(0);
    await until('it to be gone', async () => !(await runs('sleep 4242')));
  });

  it('ends what a market that has forgotten it would leave behind', async () => {
    const forgetful = new Execs({ engine, isWanted: () => true, post: (frame) => peers.get(frame.stream_id)?.heard(frame), log: pino({ level: 'silent' }), silenceMs: 1 });
    const peer = new Peer(() => forgetful);
    peers.set(peer.id, peer);
    await forgetful.open({ stream_id: peer.id, rental_id: spec.rental_id, command: ['sleep', '4343'], tty: false, cols: 80, rows: 24 });
    expect(await peer.ended()).toMatchObject({ exit_code: null, message: expect.stringContaining('does not know') });
  });

  it('refuses instances that are not wanted here, the same stream twice, and more than a rental may have', async () => {
    const ask = (id = `${randomUUID()}.${randomUUID()}`) => execs.open({ stream_id: id, rental_id: spec.rental_id, command: ['sleep', '600'], tty: false, cols: 80, rows: 24 });
    wanted = false;
    expect(await ask()).toMatchObject({ problem: { code: 'not_found' } });
    wanted = true;
    const id = `${randomUUID()}.${randomUUID()}`;
    expect(await ask(id)).toMatchObject({ ok: true });
    expect(await ask(id)).toMatchObject({ problem: { code: 'action_not_allowed' } });
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask()));
    expect(answers.filter((answer) => answer.ok)).toHaveLength(EXEC_LIMITS.streamsPerRental - 1);
    expect(answers.find((answer) => !answer.ok)).toMatchObject({ problem: { code: 'rate_limited' } });
  });

  describe('logs that are followed', () => {
    const request = (after?: string, waitMs = 0) => logsOf(engine, { rental_id: spec.rental_id, tail_lines: 5_000, ...(after === undefined ? {} : { after, wait_ms: waitMs }) });
    const asked = async (after?: string, waitMs = 0) => {
      const answer = await request(after, waitMs);
      if (!answer.ok || answer.cursor === undefined) throw new Error('no logs');
      return { ...answer, cursor: answer.cursor };
    };
    /** Into the command's own output, which the agent captures. */
    const print = (words: string) => inside(`printf '${words}' > /proc/1/fd/1`);

    it('come once each, in order, and a look waits for the next', async () => {
      const first = await asked();
      expect(first.text).toContain('ready');
      await print('one\\n');
      const second = await asked(first.cursor, 10_000);
      expect(second).toMatchObject({ text: 'one\n', gap: false });
      const waiting = asked(second.cursor, 20_000);
      await print('two ä\\n');
      expect(await waiting).toMatchObject({ text: 'two ä\n' });
      expect(await asked((await waiting).cursor, 0)).toMatchObject({ text: '', gap: false });
    });

    it('say so when some of it was overwritten, and go on', async () => {
      const { cursor } = await asked();
      await inside('yes 0123456789 | head -c 3500000 > /proc/1/fd/1');
      const later = await until('the gap', async () => {
        const answer = await asked(cursor);
        return answer.gap ? answer : undefined;
      });
      expect(later.text.length).toBeLessThanOrEqual(1_000_000);
      await print('after\\n');
      const found = await until('what came after', async () => {
        const answer = await asked(later.cursor);
        return answer.text.includes('after') ? answer : undefined;
      });
      expect(found.text.endsWith('after\n')).toBe(true);
    });

    it('take a place that makes no sense for none', async () => {
      expect((await asked('nonsense')).text.length).toBeGreaterThan(0);
      expect(await asked('1.99999999.7')).toMatchObject({ gap: true });
    });
  });
});
