import { execFile, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { InstanceSpec } from '@muster/shared-types';
import { engineObstacle, makeEnginePlace, removePlace, type EnginePlace } from '@muster/testkit/engine/engine-place';
import { testInstanceSpec } from '@muster/testkit/engine/instance-spec';
import { until } from '@muster/testkit/engine/until';
import { workspaceImages } from '@muster/testkit/engine/workspace-image';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEngine } from './engine.js';
import type { Engine } from './types.js';

const exec = promisify(execFile);
const NODE = '01890000-0000-7000-8000-000000000005';
const images = workspaceImages();
const obstacle = engineObstacle() ?? (images === null ? 'needs the image workspace' : null);

describe.skipIf(obstacle !== null)(`the image workspace on a real engine${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let place: EnginePlace;
  let engine: Engine;
  let spec: InstanceSpec;
  let ip: string;
  let options: string[];

  beforeAll(async () => {
    place = await makeEnginePlace({ poolGb: 6 });
    engine = await startEngine(place);
    await engine.importArchives(images ?? '');
    const keys = join(place.musterHome, 'keys');
    await mkdir(keys);
    for (const name of ['host', 'user']) await exec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(keys, name)]);
    spec = testInstanceSpec({
      image: 'muster/workspace:latest',
      ssh: { authorized_keys: [await readFile(join(keys, 'user.pub'), 'utf8')], host_private_key: await readFile(join(keys, 'host'), 'utf8') },
      env_vars: { GREETING: 'hello' },
    });
    expect(await engine.create(spec, NODE)).toMatchObject({ ok: true });
    const started = await engine.start(spec.rental_id);
    ip = started.ok ? started.value.ip : '';
    const [type, key] = (await readFile(join(keys, 'host.pub'), 'utf8')).split(' ');
    await writeFile(join(keys, 'known_hosts'), `${ip} ${type} ${key}\n`);
    options = ['-F', '/dev/null', '-i', join(keys, 'user'), '-o', `UserKnownHostsFile=${join(keys, 'known_hosts')}`, '-o', 'StrictHostKeyChecking=yes', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=5', `root@${ip}`];
    await until('sshd answers', () => engine.probePort(spec.rental_id, 22, { banner: 'SSH-2.0-' }));
  }, 120_000);

  afterAll(async () => {
    await engine?.stopEngine();
    if (place) await removePlace(place);
  }, 60_000);

  const ssh = async (command: string): Promise<string> => (await exec('ssh', [...options, command])).stdout.trim();

  it('lets the renter in with the given host key, as root, with their variables', async () => {
    expect(await ssh('id -u; echo $GREETING; pwd; df --output=target /workspace | tail -1')).toMatch(/^0\nhello\n.*\n\/workspace$/);
  });

  it('can change owners, switch users and unpack as apt does', async () => {
    expect(await ssh('touch /tmp/x && chown 33:33 /tmp/x && stat -c %u /tmp/x && setpriv --reuid 33 --clear-groups id -u')).toBe('33\n33');
  });

  it('shows what the image wrote to its own log', async () => {
    await ssh('true');
    expect((await engine.logs(spec.rental_id, 200)).text).toMatch(/Accepted publickey for root/);
  });

  it('loses a live session within 3 s when access is cut', async () => {
    const session = spawn('ssh', [...options, 'echo in; exec cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
    await new Promise((resolve) => session.stdout.once('data', resolve));
    const ended = new Promise<number>((resolve) => session.on('exit', () => resolve(performance.now())));
    const cutAt = performance.now();
    expect(await engine.cutAccess(spec.rental_id)).toEqual({ ok: true });
    expect((await ended) - cutAt).toBeLessThan(3000);
    await expect(ssh('true')).rejects.toThrow();
  });
});
