import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { InstanceSpec } from '@muster/shared-types';
import { engineObstacle, makeEnginePlace, removePlace, type EnginePlace } from '@muster/testkit/engine/engine-place';
import { testInstanceSpec } from '@muster/testkit/engine/instance-spec';
import { startStandInHosts, type StandInHosts } from '@muster/testkit/engine/stand-in-hosts';
import { writeTestImage } from '@muster/testkit/engine/test-image';
import { until } from '@muster/testkit/engine/until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from './engine.js';
import { gatewayOf } from './ipv4.rules.js';
import type { Engine } from './types.js';

const exec = promisify(execFile);
const NODE = '01890000-0000-7000-8000-000000000002';
const obstacle = engineObstacle();

describe.skipIf(obstacle !== null)(`what an instance cannot do${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 90_000 }, () => {
  let place: EnginePlace;
  let engine: Engine;
  let tenant: InstanceSpec;
  let neighbour: InstanceSpec;
  let neighbourIp: string;
  let around: StandInHosts;
  let service: Server;
  let servicePort: number;

  beforeAll(async () => {
    place = await makeEnginePlace({ poolGb: 6 });
    await writeTestImage(join(place.musterHome, 'images'));
    engine = await startEngine(place);
    await engine.importArchives(join(place.musterHome, 'images'));
    tenant = testInstanceSpec({ resource_limits: { gpu_indices: [], gpu_uuids: [], cpu_cores: 1, ram_limit: '1g' } });
    neighbour = testInstanceSpec({ command: ['nc', '-ll', '-p', '8080', '-e', 'echo', 'pong'] });
    for (const spec of [tenant, neighbour]) await engine.create(spec, NODE);
    await engine.start(tenant.rental_id);
    const started = await engine.start(neighbour.rental_id);
    neighbourIp = started.ok ? started.value.ip : '';
    around = await startStandInHosts();
    // The host has just got new networks, as when it joins another Wi-Fi; the loop does this every few seconds.
    expect(await engine.ensureFirewall()).toBe(true);
    // What Postgres, Redis and sshd of a host are to an instance: a listener on every address of the host.
    service = createServer((socket) => socket.on('error', () => undefined).end('pong\n'));
    await new Promise<void>((resolve) => service.listen(0, '0.0.0.0', resolve));
    servicePort = (service.address() as { port: number }).port;
  }, 90_000);

  afterAll(async () => {
    service?.close();
    await around?.close();
    await engine?.stopEngine();
    if (place) await removePlace(place);
  }, 60_000);

  const inside = async (script: string, spec = tenant): Promise<string> => {
    const result = await engine.exec(spec.rental_id, ['sh', '-c', `{ ${script}; } 2>&1`], 60_000);
    if (!result.ok) throw new Error(result.fault.message);
    return result.value.output.trim();
  };
  const reach = (address: string, port: number): Promise<string> => inside(`nc -w 3 ${address} ${port} </dev/null || echo refused`);
  /** The same question from the host: the thing is really there, so that a refusal inside means something. */
  const hostReaches = async (address: string, port: number): Promise<string> => (await exec('busybox', ['nc', '-w', '3', address, String(port)])).stdout.trim();

  it('is root inside and nobody outside', async () => {
    expect(await inside('id -u')).toBe('0');
    const { stdout } = await exec('ps', ['-eo', 'uid,args']);
    expect(stdout).not.toMatch(/^\s*0 nc -ll -p 8080 -e echo pong/m);
  });

  it.each([
    ['mount a file system', 'mount -t tmpfs none /mnt', /denied|not permitted/],
    ['mount the host\'s disk', 'mknod /tmp/disk b 254 0; mount -t ext4 /tmp/disk /mnt', /not permitted|No such file|denied/],
    ['make a device of a disk', 'mknod /tmp/disk b 254 0', /not permitted/],
    ['make /dev/mem', 'mknod /tmp/mem c 1 1', /not permitted/],
    ['write kernel settings', 'echo x > /proc/sys/kernel/core_pattern', /Read-only|denied/],
    ['trigger the kernel', 'echo h > /proc/sysrq-trigger', /Read-only|denied|nonexistent/],
    ['write /sys', 'echo x > /sys/kernel/uevent_helper', /Read-only|denied/],
    ['lift its own limit', 'for f in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do [ -e $f ] && echo -1 > $f; done', /Read-only|denied/],
    ['read kernel memory', 'head -c 1 /proc/kcore | wc -c', /(^|\n)0$/],
    ['read the kernel log', 'dmesg', /not permitted|denied/],
    ['enter another namespace', 'unshare -m true', /not permitted/],
    ['make a user namespace', 'unshare -U true', /not permitted/],
    ['change the host name', 'hostname evil', /not permitted/],
    ['set an address of its own', 'ip addr add 10.9.9.9/32 dev eth0', /not permitted/],
    ['take the route of another', 'ip route add 1.1.1.1 via 10.0.0.1', /not permitted|unreachable/],
    ['send raw packets', 'ping -c 1 -W 1 127.0.0.1', /denied|not permitted/],
    ['load a module', 'insmod /etc/passwd', /not permitted|denied/],
    ['set the clock', 'date -s 2000-01-01', /not permitted/],
    ['stop being killable first', 'echo -1000 > /proc/self/oom_score_adj', /denied/],
  ])('cannot %s', async (_, script, refusal) => expect(await inside(script)).toMatch(refusal));

  it('sees no engine socket, no disk and only its own processes', async () => {
    expect(await inside('ls /var/run/docker.sock /dev/vda /dev/sda /dev/kvm /dev/mem 2>/dev/null || true')).toBe('');
    expect(Number(await inside('ls -d /proc/[0-9]* | wc -l'))).toBeLessThan(20);
  });

  it('reaches the internet and its resolver, so that the refusals below are refusals', async () => {
    expect(await hostReaches(around.internet, around.port)).toBe('pong');
    expect(await reach(around.internet, around.port)).toBe('pong');
  });

  it('cannot reach the host\'s services by the gateway\'s address', async () => {
    const { address } = gatewayOf(place.subnet);
    expect(await hostReaches(address, servicePort)).toBe('pong');
    expect(await reach(address, servicePort)).toContain('refused');
  });

  it.each([['private', 0], ['public', 1]] as const)('cannot reach the host\'s services by the host\'s own %s address', async (_, which) => {
    const address = around.self[which];
    expect(await hostReaches(address, servicePort)).toBe('pong');
    expect(await reach(address, servicePort)).toContain('refused');
  });

  it.each(['lan', 'publicLan', 'metadata'] as const)('cannot reach %s beside the host', async (which) => {
    expect(await hostReaches(around[which], around.port)).toBe('pong');
    expect(await reach(around[which], around.port)).toContain('refused');
  });

  it('cannot reach a neighbour', async () => {
    expect(await until('the neighbour answers the host', () => hostReaches(neighbourIp, 8080).catch(() => false))).toBe('pong');
    expect(await reach(neighbourIp, 8080)).toContain('refused');
  });

  it('is kept from its neighbour by the bridge alone too', async () => {
    await exec('nft', ['flush', 'table', 'inet', `muster_${place.bridge}`]);
    expect(await reach(neighbourIp, 8080)).toContain('refused');
    expect(await engine.ensureFirewall()).toBe(true);
  });

  it('cannot send mail to strangers', async () => {
    expect(await inside(`nc -w 3 ${around.internet} 25 </dev/null || echo refused`)).toContain('refused');
  });

  it('cannot fork without end', async () => {
    expect(await inside('i=0; while [ $i -lt 6000 ]; do sleep 30 & i=$((i+1)); done')).toMatch(/can't fork|Cannot allocate|Resource temporarily/);
    expect((await engine.instanceStats(tenant.rental_id))?.pids ?? 0).toBeLessThanOrEqual(4096);
    expect(await inside('echo fine', neighbour)).toBe('fine');
    await engine.stop(tenant.rental_id, 0);
    expect(await engine.start(tenant.rental_id)).toMatchObject({ ok: true });
  });

  it('cannot take more memory than it rents', async () => {
    expect(await inside('tail /dev/zero; echo "ended $?"')).toMatch(/ended 137/);
    expect((await engine.instanceStats(tenant.rental_id))?.ramUsedMb ?? 0).toBeLessThanOrEqual(1024);
    expect(await inside('echo fine', neighbour)).toBe('fine');
  });
});
