import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testExecution } from '../../test/support/execution.js';
import { type Capacity, heldBy, type Held, obstacleTo } from './capacity.rules.js';
import { type Ending, faultOfEnding } from './ending.rules.js';
import { encodeResult, logsOf, readable } from './output-text.rules.js';
import { isPublicAddress } from './public-address.rules.js';
import { sandboxOptions, type SandboxPlace } from './sandbox-spec.js';

const allowed = { timeoutS: 300, memoryMb: 512, diskGb: 1, resultBytes: 1000 };
const fine: Ending = { ordered: null, exitCode: 0, oomKilled: false, startError: '', durationMs: 10, stdoutOver: false, diskFull: false };

describe('why an execution has no result', () => {
  it.each<[string, Partial<Ending>, string | undefined, string?]>([
    ['it has one', {}, undefined],
    ['a child was killed, and it did without', { oomKilled: true }, undefined],
    ['the disk is full, and it did not mind', { diskFull: true }, undefined],
    ['exit code', { exitCode: 3 }, 'exit_code', 'job'],
    ['memory', { exitCode: 137, oomKilled: true }, 'out_of_memory', 'job'],
    ['memory of a child that it passed on', { exitCode: 1, oomKilled: true }, 'out_of_memory', 'job'],
    ['disk', { exitCode: 1, diskFull: true }, 'disk_full', 'job'],
    ['too much output, whatever it exits with', { stdoutOver: true }, 'output_too_large', 'job'],
    ['ended for its output', { ordered: 'output_too_large', exitCode: 137 }, 'output_too_large', 'job'],
    ['ended for its time', { ordered: 'timeout', exitCode: 137 }, 'timeout', 'job'],
    ['it ended by itself, and too late', { durationMs: 300_001 }, 'timeout', 'job'],
    ['cancelled', { ordered: 'cancelled', exitCode: 137 }, 'cancelled', 'node'],
    ['never started', { startError: 'exec format error', exitCode: 127 }, 'bad_image', 'job'],
  ])('%s', (_, changes, code, blame) => {
    const fault = faultOfEnding({ ...fine, ...changes }, allowed);
    expect(fault?.code).toBe(code);
    expect(fault?.blame).toBe(blame);
  });
});

describe('output as text', () => {
  it('gives the same bytes back, whatever they are', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary' }).map((text) => Buffer.from(text))), (bytes) => {
        const { result, result_encoding } = encodeResult(bytes);
        expect(Buffer.from(result, result_encoding).equals(Buffer.from(bytes))).toBe(true);
        expect(result).not.toContain('\0');
      }),
    );
  });

  it('keeps a byte-order mark, and takes NUL for binary', () => {
    expect(encodeResult(Buffer.from('\ufeffa'))).toEqual({ result: '\ufeffa', result_encoding: 'utf8' });
    expect(encodeResult(Buffer.from('a\0'))).toEqual({ result: 'YQA=', result_encoding: 'base64' });
  });

  it('is readable, cut to the limit, and never ends in half a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), fc.string({ unit: 'grapheme', maxLength: 80 }), fc.integer({ min: 2, max: 100 }), (out, err, limit) => {
        const logs = logsOf(out, err, limit);
        expect(logs.length).toBeLessThanOrEqual(limit);
        expect(logs).not.toMatch(/\p{Surrogate}/u);
        if (out.length + err.length <= limit) expect(logs).toBe(out + err);
        if (err.length <= limit / 2) expect(logs.endsWith(err)).toBe(true);
      }),
    );
    expect(readable(Buffer.from([0x61, 0xff, 0, 0x62]))).toBe('a\ufffdb');
  });
});

describe('capacity', () => {
  const offered: Capacity = { cpuCores: 4, ramMb: 4096, diskGb: 10 };
  const held = fc.record({ cpuCores: fc.integer({ min: 1, max: 4 }), ramMb: fc.integer({ min: 16, max: 4096 }), diskGb: fc.integer({ min: 1, max: 10 }), gpuUuids: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')) });

  it('is never promised twice', () => {
    fc.assert(
      fc.property(fc.array(held, { maxLength: 20 }), (wanted) => {
        const taken = wanted.reduce<Held[]>((all, one) => (obstacleTo(one, all, offered) === null ? [...all, one] : all), []);
        const sum = (pick: (one: Held) => number) => taken.reduce((total, one) => total + pick(one), 0);
        const gpus = taken.flatMap((one) => one.gpuUuids);
        expect(sum((one) => one.cpuCores)).toBeLessThanOrEqual(4);
        expect(sum((one) => one.ramMb)).toBeLessThanOrEqual(4096);
        expect(sum((one) => one.diskGb)).toBeLessThanOrEqual(10);
        expect(new Set(gpus).size).toBe(gpus.length);
      }),
    );
  });

  it('says what is short', () => {
    const spec = (changes: Parameters<typeof testExecution>[0]) => heldBy(testExecution(changes));
    expect(obstacleTo(spec({ cpu_cores: 5 }), [], offered)).toBe('it needs 5 CPU cores and 4 are free here');
    expect(obstacleTo(spec({ gpu_uuids: ['GPU-1'] }), [spec({ gpu_uuids: ['GPU-1'] })], offered)).toBe('GPU GPU-1 is in use here');
    expect(obstacleTo(spec({}), [spec({})], offered)).toBeNull();
  });
});

describe('addresses', () => {
  it.each(['1.1.1.1', '93.184.215.14', '172.32.0.1', '2606:2800:21f:cb07:6820:80da:af6b:8b2c', '2a00:1450:4001:81b::200e', '2001:4860:4860::8888'])('%s is on the internet', (address) => expect(isPublicAddress(address)).toBe(true));
  it.each([
    '0.0.0.0', '10.0.0.1', '100.64.0.1', '127.0.0.1', '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.168.1.1', '198.18.0.1', '224.0.0.1', '255.255.255.255',
    '::', '::1', 'fe80::1', 'fc00::1', 'fd12:3456::1', 'ff02::1', '::ffff:10.0.0.1', '::ffff:1.1.1.1', '64:ff9b::a00:1', '2001::1', '2001:db8::1', '2002:a00:1::', '3fff::1', 'localhost', '', '1.1.1', '01.1.1.1.1',
  ])('%s is not', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('a sandbox', () => {
  const place: SandboxPlace = { nodeId: 'n', bootId: 'b', image: 'i', isRentalImage: false, input: null, output: null, network: 'bridge', nameservers: ['9.9.9.9'], nofileHard: 20_000 };

  it('has limits and no rights, whatever is asked', () => {
    const { HostConfig: host, User, Env } = sandboxOptions(testExecution({ memory_mb: 100, cpu_cores: 2, environment: { LD_PRELOAD: 'x', NVIDIA_VISIBLE_DEVICES: 'all', SEED: '1' } }), place);
    expect(User).toBe('65534:65534');
    expect(host).toMatchObject({ ReadonlyRootfs: true, CapDrop: ['ALL'], NetworkMode: 'none', Memory: 100 * 2 ** 20, MemorySwap: 100 * 2 ** 20, NanoCpus: 2e9, PidsLimit: 512, Privileged: false, LogConfig: { Type: 'none' } });
    expect(host?.CapAdd).toBeUndefined();
    expect(Env).toEqual(['HOME=/tmp', 'SEED=1', 'NVIDIA_VISIBLE_DEVICES=void']);
  });

  it('takes the place of the entry point of an image for rentals alone', () => {
    expect(sandboxOptions(testExecution({ command: ['a', 'b'] }), place)).toMatchObject({ Cmd: ['a', 'b'] });
    expect(sandboxOptions(testExecution({ command: ['a', 'b'] }), place).Entrypoint).toBeUndefined();
    expect(sandboxOptions(testExecution({ command: ['a', 'b'] }), { ...place, isRentalImage: true })).toMatchObject({ Entrypoint: ['a', 'b'], Cmd: [] });
    expect(sandboxOptions(testExecution({ command: [] }), { ...place, isRentalImage: true }).Entrypoint).toBeUndefined();
  });

  it('is on the network only with a way out', () => {
    expect(sandboxOptions(testExecution({ network: 'egress' }), place).HostConfig).toMatchObject({ NetworkMode: 'bridge', Dns: ['9.9.9.9'] });
  });
});
