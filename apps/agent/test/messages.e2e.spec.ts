import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { agentMessages, type FromServer, type InstanceSpec, problems } from '@muster/shared-types';
import { engineObstacle } from '@muster/testkit/engine/engine-place';
import { testInstanceSpec } from '@muster/testkit/engine/instance-spec';
import fc from 'fast-check';
import { until } from '@muster/testkit/engine/until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ECHO_COMMAND, OPEN_MS, TestHost } from './support/host.js';

const obstacle = engineObstacle();
const RUNS = 300;

describe.skipIf(obstacle !== null)(`what a host does with messages${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let host: TestHost;
  let running: InstanceSpec;

  beforeAll(async () => {
    host = await TestHost.open();
    host.market.nacks.push('unavailable', 'not_proven', 'superseded');
    running = await host.rent({ command: [...ECHO_COMMAND.slice(0, 2), `echo first words; ${ECHO_COMMAND[2]}`] });
  }, OPEN_MS);

  afterAll(() => host?.end(), 120_000);

  /** Everything an order could change, less the time of the last contact. */
  const state = async () => {
    const { last_contact_boot_s: _, ...doc } = JSON.parse(await readFile(join(host.place.musterHome, 'agent', 'desired-state.json'), 'utf8')) as Record<string, unknown>;
    return { doc, containers: await host.containers() };
  };
  const expectRefused = (answer: unknown): void => {
    expect(answer).toMatchObject({ ok: false, problem: { code: expect.any(String), status: expect.any(Number), retryable: expect.any(Boolean) } });
    expect(Object.keys(problems)).toContain((answer as { problem: { code: string } }).problem.code);
  };

  const names = (Object.keys(agentMessages) as (keyof typeof agentMessages)[]).filter((name) => agentMessages[name].direction === 'server_to_agent') as FromServer[];
  const unknown = fc.oneof(fc.constantFrom('toString', 'constructor', '__proto__', 'hasOwnProperty', 'inventory', 'instance_update'), fc.string({ minLength: 1, maxLength: 30 }).filter((name) => !Object.hasOwn(agentMessages, name) && !RESERVED.has(name)));
  const garbage = fc.oneof(fc.jsonValue(), fc.constant('x'.repeat(100_000)), fc.constant(Array.from({ length: 5_000 }, () => ({}))));
  /** An order as it should be, with one field that is not. Its generation is old, so nothing comes of it even when the field happens to be fine. */
  const stale = testInstanceSpec();
  const orders: [FromServer, Record<string, unknown>][] = [
    ['start_instance', { ...stale, generation: 0 }],
    ['stop_instance', { rental_id: stale.rental_id, epoch: 1, reason: 'x', grace_s: 0, keep_disk: false, generation: 0 }],
    ['desired_state', { cluster_id: stale.rental_id, generation: 0, instances: [stale], absent: [], draining: false }],
    ['drain_node', { reason: 'x', generation: 0 }],
  ];
  const bent = fc.constantFrom(...orders).chain(([name, order]) =>
    fc.tuple(fc.constant(name), fc.constantFrom(...Object.keys(order).filter((key) => key !== 'generation')), fc.jsonValue()).map(([event, key, value]): [string, unknown] => [event, { ...order, [key]: value }]),
  );
  const message = fc.oneof(
    bent,
    fc.tuple(fc.constantFrom<string>(...names), garbage).filter(([name, data]) => !agentMessages[name as FromServer].payload.safeParse(data).success),
    fc.tuple(unknown, garbage),
  );

  it('answers every message with a problem that has a code, and changes nothing', async () => {
    await until('it is on the disk that it has run', async () => JSON.stringify((await state()).doc).includes('"ran":true'));
    const before = await state();
    const pid = host.agent?.pid;
    await fc.assert(fc.asyncProperty(message, async ([name, data]) => expectRefused(await host.market.sendRaw(name, data))), { numRuns: RUNS });
    expectRefused(await host.market.sendRaw('start_instance'));
    expectRefused(await host.market.sendRaw('start_instance', { ...stale, generation: host.market.generation, proxy_port_mapping: { '99999': 20_000 } }));
    expectRefused(await host.market.sendRaw('start_instance', { ...stale, generation: host.market.generation, proxy_port_mapping: { '80': 20_000, '81': 20_000 } }));
    expect(await state()).toEqual(before);
    expect(host.agent?.running).toBe(true);
    expect(host.agent?.pid).toBe(pid);
    expect(await (await host.session(running)).echoes('undisturbed')).toBe(true);
  });

  it('takes a payload that is the whole envelope, and gives back what an instance has printed', async () => {
    const answer = await host.market.sendRaw('log_request', { event: 'log_request', data: { rental_id: running.rental_id, tail_lines: 10 } });
    expect(answer).toMatchObject({ ok: true, text: expect.stringContaining('first words'), truncated: false });
  });

  it('runs a command in the instance for the market, and ends it with the connection', async () => {
    const open = (command: string[]) => ({ stream_id: `${randomUUID()}.${randomUUID()}`, rental_id: running.rental_id, command, tty: false, cols: 80, rows: 24 });
    const of = (id: string) => host.market.execFrames.filter((frame) => frame.stream_id === id);
    const hello = open(['sh', '-c', 'read line; echo "got $line"; exit 5']);
    expect(await host.market.send('exec_open', hello)).toEqual({ ok: true });
    await host.market.send('exec_data', { kind: 'data', stream_id: hello.stream_id, stream: 'stdin', bytes: btoa('this\n') });
    const exit = await until('the command to end', () => of(hello.stream_id).find((frame) => frame.kind === 'exit'));
    expect(exit).toMatchObject({ exit_code: 5 });
    expect(of(hello.stream_id)).toContainEqual({ kind: 'data', stream_id: hello.stream_id, stream: 'stdout', bytes: btoa('got this\n') });
    expect(await host.market.send('exec_open', { ...open(['true']), rental_id: randomUUID() })).toMatchObject({ problem: { code: 'not_found' } });
    expect(await host.market.send('exec_open', open(['sleep', '5151']))).toEqual({ ok: true });
    const proofs = host.market.proofs;
    host.market.drop('unavailable');
    await until('the agent to be back', () => host.market.proofs > proofs);
    await until('what ran to be gone', async () => {
      const look = open(['sh', '-c', 'ps -o args | grep -c "sleep 515[1]"']);
      expect(await host.market.send('exec_open', look)).toEqual({ ok: true });
      await until('the answer', () => of(look.stream_id).some((frame) => frame.kind === 'exit'));
      return of(look.stream_id).some((frame) => frame.kind === 'data' && atob(frame.bytes) === '0\n');
    });
  });

  it('takes the same order twice, and an order that comes after its removal not at all', async () => {
    const spec = await host.rent();
    expect(await host.market.send('start_instance', { ...spec, generation: host.market.generation })).toEqual({ ok: true });
    expect(await host.containers(spec.rental_id)).toHaveLength(1);
    await host.market.stop(spec, { grace_s: 0 });
    await host.reports(spec, 'gone');
    expectRefused(await host.market.send('start_instance', { ...spec, generation: host.market.generation }));
    expect(await host.containers(spec.rental_id)).toEqual([]);
  });

  it('drains when told to', async () => {
    expect(await host.market.send('drain_node', { generation: host.market.generation })).toEqual({ ok: true });
    await expect.poll(() => host.market.heartbeats.at(-1)?.status).toBe('draining');
  });
});

/** Socket.IO's own; it does not let them be sent. */
const RESERVED = new Set(['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener', 'problem']);
