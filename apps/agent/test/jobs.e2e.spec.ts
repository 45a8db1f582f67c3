import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { sha256Hex, sha256OfJson } from '@muster/proof';
import { JOB_LIMITS } from '@muster/shared-types';
import { engineObstacle } from '@muster/testkit/engine/engine-place';
import { startTestRegistry } from '@muster/testkit/engine/test-registry';
import { until } from '@muster/testkit/frp/until';
import { extract } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileInput, remainsOf, reportOf, runOne, shell, testExecution } from './support/execution.js';
import { OPEN_MS, TestHost } from './support/host.js';

const obstacle = engineObstacle();
const gvisorObstacle = ['/usr/local/bin/runsc', '/usr/bin/runsc'].some((file) => existsSync(file)) ? null : 'needs runsc';

describe.skipIf(obstacle !== null)(`executions of jobs${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let host: TestHost;

  beforeAll(async () => {
    host = await TestHost.open();
  }, OPEN_MS);

  afterAll(() => host?.end(), 120_000);

  const faultOf = async (...args: Parameters<typeof shell>) => (await runOne(host, shell(...args))).fault;

  it('prints hello, with the hash that everybody gets, and leaves nothing', async () => {
    const report = await runOne(host, testExecution());
    expect(report).toMatchObject({
      result_hash: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
      result: 'hello\n',
      result_encoding: 'utf8',
      exit_code: 0,
      fault: null,
      logs: 'hello\n',
      image_digest: expect.stringMatching(/^sha256:/) as string,
    });
    await until('nothing is left', async () => (await remainsOf(host)).length === 0);
    await until('it is named no more', () => host.market.heartbeats.at(-1)?.executions?.length === 0);
  });

  it('says how far it is, and names what it works on', async () => {
    const spec = shell('sleep 1');
    await host.market.run(spec);
    await until('it is told to run', () => host.market.taskUpdates.some((one) => one.execution_id === spec.execution_id && one.phase === 'running'));
    await until('it is in heartbeats', () => host.market.heartbeats.at(-1)?.executions?.some((one) => one.execution_id === spec.execution_id && one.attempt === 1));
    expect((await reportOf(host, spec)).result_hash).toBe(sha256Hex(''));
  });

  it('runs as nobody, without a capability, on a root that nobody writes to', async () => {
    const script = 'id -u; grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status; for at in / /etc /root /bin; do touch $at/x 2>/dev/null && echo wrote $at; done; echo ok >/tmp/x && cat /tmp/x; ls /sys/class/net';
    const report = await runOne(host, shell(script));
    expect(report.result?.replaceAll('\t', ' ')).toBe('65534\nCapEff: 0000000000000000\nCapBnd: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2\nok\nlo\n');
  });

  it('reaches nobody without a network, and the way out alone with one', async () => {
    const closed = await runOne(host, shell('nc -w 5 93.184.215.14 80 || exit 7'));
    expect(closed.fault).toMatchObject({ code: 'exit_code', blame: 'job' });
    expect(closed.exit_code).toBe(7);
    expect(closed.logs).toMatch(/unreachable/i);
    const open = await runOne(host, shell(`ip route | grep -c default; nc -w 2 ${host.place.subnet.replace(/0\/24$/, '1')} 22 </dev/null || echo closed`, { network: 'egress' }));
    expect(open.result).toBe('1\nclosed\n');
  });

  it('is ended at its time limit', async () => {
    const report = await runOne(host, shell('echo begun; sleep 400', { timeout_s: 1 }));
    expect(report.fault).toEqual({ code: 'timeout', blame: 'job', message: 'It ran longer than its 1 s and was ended.' });
    expect(report.logs).toBe('begun\n');
    expect(report.result_hash).toBeNull();
  });

  it('dies of 600 MB with 512', async () => {
    expect(await faultOf('tail -c 600000000 /dev/zero', { memory_mb: 512 })).toMatchObject({ code: 'out_of_memory', message: expect.stringContaining('512 MB') as string });
  });

  it('either runs in very little memory or says that it is too little', async () => {
    const report = await runOne(host, testExecution({ memory_mb: 6 }));
    if (report.fault) expect(report.fault).toMatchObject({ code: 'out_of_memory', blame: 'job' });
    else expect(report.result).toBe('hello\n');
  });

  it('keeps a fork bomb to itself', async () => {
    const bomb = shell('bomb() { bomb | bomb & }; bomb; sleep 600', { timeout_s: 3 });
    await host.market.run(bomb);
    expect((await runOne(host, testExecution())).result).toBe('hello\n');
    expect((await reportOf(host, bomb)).fault?.blame).toBe('job');
    await until('nothing is left', async () => (await remainsOf(host)).length === 0);
  });

  it('stops a flood of output at once, also one that does not care about its pipe', async () => {
    const flood = 'yes | head -c 10000000000';
    const stubborn = `trap '' PIPE; while :; do echo ${'x'.repeat(1000)}; done 2>/dev/null`;
    for (const script of [flood, stubborn]) {
      const report = await runOne(host, shell(script));
      expect(report.fault).toMatchObject({ code: 'output_too_large', blame: 'job' });
      expect(report.logs.length).toBeLessThanOrEqual(JOB_LIMITS.logChars);
    }
  });

  it('keeps the end of a flood of errors, and the result beside it', async () => {
    const report = await runOne(host, shell('yes error | head -c 48000000 >&2; echo last >&2; echo ok'));
    expect(report).toMatchObject({ result: 'ok\n', fault: null });
    expect(report.logs.startsWith('ok\n')).toBe(true);
    expect(report.logs.endsWith('error\nlast\n')).toBe(true);
    expect(report.logs.length).toBe(JOB_LIMITS.logChars);
  });

  it('takes a result of exactly the limit', async () => {
    const size = JOB_LIMITS.resultBytes;
    const report = await runOne(host, shell(`yes | head -c ${size}`));
    expect(report.fault).toBeNull();
    expect(report.result_hash).toBe(sha256Hex('y\n'.repeat(size / 2)));
    expect(await faultOf(`yes | head -c ${size + 1}`)).toMatchObject({ code: 'output_too_large' });
  });

  it('carries binary output byte for byte', async () => {
    const report = await runOne(host, shell('printf "\\377\\000\\001a"'));
    expect(report).toMatchObject({ result_encoding: 'base64', result: Buffer.from([255, 0, 1, 97]).toString('base64'), result_hash: sha256Hex(Buffer.from([255, 0, 1, 97])) });
    expect(report.logs).not.toContain('\0');
  });

  it('reports an exit code with what was printed', async () => {
    const report = await runOne(host, shell('echo to nowhere; echo because >&2; exit 3'));
    expect(report).toMatchObject({ exit_code: 3, result: null, result_hash: null, logs: 'to nowhere\nbecause\n', fault: { code: 'exit_code', blame: 'job', message: 'It ended with exit code 3.' } });
  });

  it.each([
    ['a command that is not there', { command: ['no-such-program'] }, 'bad_image'],
    ['an image that is not there', { docker_image: 'muster/nothing:1' }, 'image_missing'],
    ['an image name that is none', { docker_image: 'Not An Image' }, 'image_missing'],
  ] as const)('blames the job for %s', async (_, changes, code) => {
    const report = await runOne(host, testExecution({ ...changes, command: 'command' in changes ? [...changes.command] : ['true'] }));
    expect(report.fault).toMatchObject({ code, blame: 'job' });
    expect(report.fault?.message.length).toBeGreaterThan(20);
  });

  it('pulls an image, says how far, and names its digest; one that its registry lacks is the job\'s fault', async () => {
    const tar = (await readdir(host.imagesDir)).find((file) => file.endsWith('.tar')) ?? '';
    const registry = await startTestRegistry(join(host.imagesDir, tar), { delayMs: 5 });
    try {
      const spec = testExecution({ docker_image: `${registry.host}/some/image:1` });
      const report = await runOne(host, spec);
      expect(report).toMatchObject({ result: 'hello\n', image_digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string });
      expect(host.market.taskUpdates.some((one) => one.execution_id === spec.execution_id && one.phase === 'pulling' && (one.progress?.total_bytes ?? 0) > 0)).toBe(true);
      const pinned = await runOne(host, testExecution({ docker_image: `${registry.host}/some/image@${report.image_digest}` }));
      expect(pinned).toMatchObject({ result: 'hello\n', image_digest: report.image_digest });
      expect((await runOne(host, testExecution({ docker_image: `${registry.host}/missing/image:1` }))).fault).toMatchObject({ code: 'image_missing', blame: 'job' });
    } finally {
      await registry.close();
    }
  });

  it('blames the host for a runtime that it lacks', async () => {
    expect(host.market.inventories.at(-1)?.capabilities).toEqual(expect.arrayContaining(['image:busybox', 'image:muster/busybox']));
    if (gvisorObstacle !== null) expect(await faultOf('true', { runtime: 'gvisor' })).toMatchObject({ code: 'capability_missing', blame: 'node' });
  });

  it.skipIf(gvisorObstacle !== null)(`runs under gVisor like anywhere else${gvisorObstacle === null ? '' : ` (${gvisorObstacle})`}`, async () => {
    expect(host.market.inventories.at(-1)?.capabilities).toContain('runtime:gvisor');
    const inputs = [{ kind: 'inline', path: 'a', data: 'in\n', encoding: 'utf8' } as const];
    const report = await runOne(host, shell('dmesg | grep -c gVisor; cat /input/a; nc -w 2 93.184.215.14 80 || echo closed', { runtime: 'gvisor', inputs }));
    expect(report).toMatchObject({ result: '1\nin\nclosed\n', fault: null });
    expect(await faultOf('tail -c 600000000 /dev/zero', { runtime: 'gvisor', memory_mb: 512 })).toMatchObject({ code: 'out_of_memory' });
    expect(await faultOf('yes | head -c 1000000', { runtime: 'gvisor' })).toMatchObject({ code: 'output_too_large' });
    expect(await faultOf('true', { runtime: 'gvisor', network: 'egress' })).toMatchObject({ code: 'capability_missing', blame: 'job' });
    await until('nothing is left', async () => (await remainsOf(host)).length === 0);
  });

  describe('inputs', () => {
    it('lie below /input, to be read only', async () => {
      const big = randomBytes(3_000_000);
      host.market.files.set('big', big);
      const report = await runOne(host, shell('cd /input; cat a/b.txt; base64 c; sha256sum big | cut -c1-64; touch x 2>/dev/null || echo read-only', {
        inputs: [
          { kind: 'inline', path: 'a/b.txt', data: 'text\n', encoding: 'utf8' },
          { kind: 'inline', path: 'c', data: '/wA=', encoding: 'base64' },
          fileInput(host, 'big', sha256Hex(big)),
        ],
      }));
      expect(report.result).toBe(`text\n/wA=\n${sha256Hex(big)}\nread-only\n`);
    });

    it('must have the hash that was promised, and be there', async () => {
      host.market.files.set('small', Buffer.from('small'));
      expect(await faultOf('true', { inputs: [fileInput(host, 'small', sha256Hex('large'))] })).toMatchObject({ code: 'input_hash', blame: 'job' });
      expect(await faultOf('true', { inputs: [fileInput(host, 'nowhere', sha256Hex(''))] })).toMatchObject({ code: 'input_failed', blame: 'job', message: expect.stringContaining('404') as string });
      expect(await faultOf('true', { inputs: [{ ...fileInput(host, 'small', sha256Hex('small')), size: 3 }] })).toMatchObject({ code: 'input_failed', blame: 'job' });
    });

    it('never come from private addresses, by name, number or redirect', async () => {
      host.market.redirects.set('inside', 'https://169.254.169.254/latest/meta-data');
      host.market.redirects.set('plain', 'http://example.com/');
      const urls = ['https://127.0.0.1:1/', 'https://localhost/', 'https://10.1.2.3/', 'https://[::1]/', 'https://[::ffff:10.0.0.1]/', 'http://93.184.215.14/', 'https://100.64.0.1/', `${host.market.url}/files/inside`, `${host.market.url}/files/plain`];
      for (const url of urls) {
        const fault = await faultOf('true', { inputs: [{ kind: 'fetch', path: 'x', url, sha256: sha256Hex(''), size: null }] });
        expect(fault, url).toMatchObject({ code: 'input_failed', blame: 'job', message: expect.stringContaining('not fetched') as string });
      }
    });
  });

  describe('a folder as result', () => {
    const filesOf = async (name: string): Promise<Record<string, string>> => {
      const found: Record<string, string> = {};
      const unpack = Readable.from([host.market.files.get(name) ?? Buffer.alloc(0)]).pipe(extract());
      for await (const entry of unpack) {
        const parts: Buffer[] = [];
        for await (const part of entry) parts.push(part as Buffer);
        found[entry.header.name] = Buffer.concat(parts).toString();
      }
      return found;
    };
    const inFolder = (script: string, changes: Parameters<typeof shell>[1] = {}) => {
      const name = randomUUID();
      return { name, spec: shell(script, { outputs: '/output', upload_url: `${host.market.url}/files/${name}`, ...changes }) };
    };

    it('is a manifest, and its archive is uploaded', async () => {
      const long = 'l'.repeat(150);
      const { name, spec } = inFolder(`cd /output; mkdir -p z/y; echo one >z/y/1; printf "" >Z; echo two >a; echo ${long} >${long}; echo printed; echo beside >&2`);
      const report = await runOne(host, spec);
      const files = [['Z', ''], ['a', 'two\n'], [long, `${long}\n`], ['z/y/1', 'one\n']].map(([path = '', text = '']) => ({ path, size: text.length, sha256: sha256Hex(text) }));
      expect(report.manifest).toEqual({ exit_code: 0, files });
      expect(report).toMatchObject({ result: null, result_hash: sha256OfJson({ exit_code: 0, files }), logs: 'printed\nbeside\n', fault: null });
      expect(await filesOf(name)).toEqual({ Z: '', a: 'two\n', [long]: `${long}\n`, 'z/y/1': 'one\n' });
    });

    it.each([
      ['a link out of it', 'ln -s /etc/passwd /output/x'],
      ['a link to a folder', 'mkdir /output/a; ln -s a /output/b'],
      ['a pipe', 'mkfifo /output/x'],
      ['a name that is no text', 'printf x >"/output/$(printf "\\377")"'],
    ])('may not hold %s', async (_, script) => {
      const { name, spec } = inFolder(script);
      expect((await runOne(host, spec)).fault).toMatchObject({ code: 'bad_output', blame: 'job' });
      expect(host.market.files.has(name)).toBe(false);
    });

    it('has no more files and bytes than it may', async () => {
      const many = inFolder(`cd /output; for i in $(seq ${JOB_LIMITS.outputFiles + 1}); do : >$i; done`);
      expect((await runOne(host, many.spec)).fault).toMatchObject({ code: 'output_too_large' });
      const sparse = inFolder('truncate -s 500G /output/x 2>/dev/null || truncate -s 2G /output/x', { disk_gb: 1 });
      expect((await runOne(host, sparse.spec)).fault).toMatchObject({ code: 'output_too_large' });
      const full = inFolder('dd if=/dev/zero of=/output/x bs=1M', { disk_gb: 1 });
      expect((await runOne(host, full.spec)).fault).toMatchObject({ code: 'disk_full', blame: 'job' });
    });

    it('that nobody takes is the host\'s fault', async () => {
      const { spec } = inFolder('echo x >/output/x', { upload_url: 'https://127.0.0.1:1/x' });
      expect((await runOne(host, spec)).fault).toMatchObject({ code: 'upload_failed', blame: 'node' });
    });
  });

  describe('orders', () => {
    it('that come twice run once', async () => {
      const spec = shell('echo $RANDOM$RANDOM');
      await Promise.all([host.market.run(spec), host.market.run(spec, spec)]);
      await reportOf(host, spec);
      await host.market.run(spec);
      await runOne(host, testExecution());
      expect(host.market.batches.flatMap((batch) => batch.results).filter((one) => one.execution_id === spec.execution_id)).toHaveLength(1);
    });

    it('to cancel end it, and nothing is left', async () => {
      const spec = shell('sleep 600');
      await host.market.run(spec);
      await until('it runs', () => host.market.taskUpdates.some((one) => one.execution_id === spec.execution_id && one.phase === 'running'));
      await host.market.send('cancel_tasks', { executions: [{ execution_id: spec.execution_id, attempt: 2, reason: 'another one' }, { execution_id: randomUUID(), attempt: 1, reason: 'unknown' }] });
      await host.market.send('cancel_tasks', { executions: [{ execution_id: spec.execution_id, attempt: 1, reason: 'the job was cancelled' }] });
      expect((await reportOf(host, spec)).fault).toMatchObject({ code: 'cancelled' });
      await until('nothing is left', async () => (await remainsOf(host)).length === 0);
    });

    it('for more than there is are refused', async () => {
      const specs = [testExecution({ cpu_cores: 1000 }), testExecution({ memory_mb: 16_000_000 }), testExecution({ disk_gb: 9_000 })];
      await host.market.run(...specs);
      const refusal = (id: string) => host.market.taskUpdates.find((one) => one.execution_id === id && one.phase === 'refused');
      for (const { execution_id } of specs) expect(await until('it is refused', () => refusal(execution_id))).toMatchObject({ detail: expect.stringMatching(/free here/) as string });
      const beats = host.market.heartbeats.length;
      const beat = await until('a heartbeat has come', () => host.market.heartbeats[beats]);
      expect(beat.executions).toEqual([]);
    });

    it('while it drains are refused; what runs goes on', async () => {
      const before = shell('sleep 1; echo done');
      const after = testExecution();
      await host.market.run(before);
      host.market.generation += 1;
      await host.market.send('drain_node', { generation: host.market.generation });
      await host.market.run(after);
      await until('it is refused', () => host.market.taskUpdates.some((one) => one.execution_id === after.execution_id && one.phase === 'refused'));
      expect((await reportOf(host, before)).result).toBe('done\n');
      host.market.generation += 1;
      await host.market.sendState();
      expect((await runOne(host, after)).result).toBe('hello\n');
    });
  });
});
