import { describe, expect, it } from 'vitest';
import { CommandError } from './command.js';
import { overrun, rootShareBytes, sellableDiskGb } from './disk.rules.js';
import { endingFault, faultOf, FaultError, pullFault } from './faults.js';
import { FrameReader, tailLines } from './frames.rules.js';
import { cgroupFolders } from './instance-stats.js';
import { withTag } from './images.js';
import { cidrsOverlap, gatewayOf, parseCidr } from './ipv4.rules.js';
import { PullTally } from './pull.rules.js';

describe('disk rules', () => {
  it.each([[5, 2], [20, 12], [100, 85], [1000, 850], [0.5, 0]])('of %d GB, %d can be sold', (pool, sellable) => expect(sellableDiskGb(pool)).toBe(sellable));
  it('gives each instance at least half a GB of root file system', () => expect(rootShareBytes(1)).toBe(5e8));

  const samples = [{ rentalId: 'a', bytes: 10 }, { rentalId: 'b', bytes: 30 }, { rentalId: 'c', bytes: 20 }];
  it('ends those above their share', () => expect([...overrun(samples, 15, 0.5)]).toEqual(['b', 'c']));
  it('ends the largest alone when the pool runs low', () => expect([...overrun(samples, 100, 0.01)]).toEqual(['b']));
  it('ends nobody otherwise', () => expect([...overrun(samples, 100, 0.5)]).toEqual([]));
  it('has nobody to end in an empty pool', () => expect([...overrun([], 100, 0)]).toEqual([]));
});

describe('faults', () => {
  it('knows a dead engine from a missing file', () => {
    expect(faultOf(Object.assign(new Error('connect ENOENT /x'), { code: 'ENOENT', syscall: 'connect' })).code).toBe('engine_down');
    expect(faultOf(Object.assign(new Error('open /x'), { code: 'ENOENT', syscall: 'open' })).code).toBe('internal');
    expect(faultOf(new Error('socket hang up')).code).toBe('engine_down');
  });
  it('knows a full disk from a tool', () => expect(faultOf(new CommandError('fallocate', { code: 1, stdout: '', stderr: 'fallocate failed: No space left on device' })).code).toBe('disk_full'));
  it('keeps the fault that was thrown', () => expect(faultOf(new FaultError('image_too_large', 'x')).code).toBe('image_too_large'));
  it('names a command that is not in the image', () => {
    const words = 'failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown';
    expect(faultOf(Object.assign(new Error('x'), { statusCode: 400, json: { message: words } }))).toEqual({ code: 'bad_spec', message: 'The image\'s command could not be started: "nope": executable file not found in $PATH' });
  });
  it.each([
    ['manifest for x:y not found: manifest unknown', /no such image or tag/],
    ['pull access denied for x, repository does not exist', /needs credentials/],
    ['Get "https://r/v2/": dial tcp: lookup r: no such host', /could not be reached/],
    ['invalid reference format', /not a valid image reference/],
  ])('explains %j', (words, pattern) => {
    const found = pullFault('x:y', new Error(words));
    expect(found.code).toBe('image_pull_failed');
    expect(found.message).toMatch(pattern);
  });
  it('tells an ending at once, later, by memory and by a failed start apart', () => {
    const ending = { exitCode: 1, oomKilled: false, error: '', ranSeconds: 0.2 };
    expect(endingFault(ending)).toMatchObject({ code: 'exited_at_once', exit_code: 1 });
    expect(endingFault({ ...ending, ranSeconds: 60 }).code).toBe('exited');
    expect(endingFault({ ...ending, exitCode: 137, oomKilled: true }).code).toBe('out_of_memory');
    expect(endingFault({ ...ending, error: 'could not select device driver "" with capabilities: [[gpu]]' }).code).toBe('gpu_unavailable');
  });
});

describe('FrameReader', () => {
  const frame = (stream: number, text: string): Buffer => {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  it('gives the same text however the bytes are cut', () => {
    const bytes = Buffer.concat([frame(1, 'one\n'), frame(2, ''), frame(2, 'two\n')]);
    for (let size = 1; size <= bytes.length; size++) {
      const reader = new FrameReader();
      let text = '';
      for (let at = 0; at < bytes.length; at += size) text += Buffer.concat(reader.read(bytes.subarray(at, at + size))).toString();
      expect(text).toBe('one\ntwo\n');
    }
  });
  it('takes the last lines', () => {
    expect(tailLines('a\nb\nc\n', 2)).toEqual({ text: 'b\nc\n', truncated: true });
    expect(tailLines('a\nb', 2)).toEqual({ text: 'a\nb', truncated: false });
    expect(tailLines('', 2)).toEqual({ text: '', truncated: false });
  });
});

describe('PullTally', () => {
  it('adds up layers and knows which are there', () => {
    const tally = new PullTally();
    tally.add({ id: 'latest', status: 'Pulling from x' });
    tally.add({ id: 'a', status: 'Already exists' });
    tally.add({ id: 'b', status: 'Downloading', progressDetail: { current: 3, total: 10 } });
    tally.add({ status: 'Digest: sha256:…' });
    expect(tally.progress()).toEqual({ current_bytes: 3, total_bytes: 10, layers_done: 1, layers: 2 });
    tally.add({ id: 'b', status: 'Download complete' });
    tally.add({ id: 'b', status: 'Pull complete' });
    expect(tally.progress()).toEqual({ current_bytes: 10, total_bytes: 10, layers_done: 2, layers: 2 });
  });
});

describe('small rules', () => {
  it.each([['debian', 'debian:latest'], ['a.b:5000/x', 'a.b:5000/x:latest'], ['x:1', 'x:1'], ['x@sha256:0', 'x@sha256:0']])('%s is %s', (ref, full) => expect(withTag(ref)).toBe(full));
  it('takes the first address of a subnet for the bridge', () => expect(gatewayOf('10.213.7.9/16')).toEqual({ address: '10.213.0.1', prefix: 16 }));
  it.each(['10.0.0.0/8', '10.0.0.0/25', 'x', '10.0.0/16', '300.0.0.0/16'])('refuses %s as a subnet', (subnet) => expect(() => gatewayOf(subnet)).toThrow(RangeError));
  it('sees overlaps both ways', () => {
    const [wide, narrow, other] = ['10.0.0.0/8', '10.213.0.0/16', '11.0.0.0/8'].map(parseCidr);
    if (!wide || !narrow || !other) throw new Error('not parsed');
    expect([cidrsOverlap(wide, narrow), cidrsOverlap(narrow, wide), cidrsOverlap(wide, other)]).toEqual([true, true, false]);
  });
  it('finds the cgroups of both versions', () => {
    expect(cgroupFolders('5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n').get('cpuacct')).toBe('/sys/fs/cgroup/cpu,cpuacct/docker/x');
    expect(cgroupFolders('0::/system.slice/docker-x.scope\n').get('')).toBe('/sys/fs/cgroup/system.slice/docker-x.scope');
  });
});
