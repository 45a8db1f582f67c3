import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../src/market/layout.js';
import { copyObstacle, MachineCopy } from './machine-copy.js';

const obstacle = await copyObstacle();
const HOME = '/srv/muster-of-a-test';
const UNINSTALL = join(REPOSITORY, 'muster');
/** A package that holds one file; built and installed inside. */
const PACKAGE = `make() {
  mkdir -p /tmp/pkg/$1/DEBIAN /tmp/pkg/$1/usr/share/$1 && echo x > /tmp/pkg/$1/usr/share/$1/file
  printf 'Package: %s\\nVersion: 1\\nArchitecture: all\\nMaintainer: nobody <nobody@example.com>\\nDescription: of a test\\n%s' $1 "$2" > /tmp/pkg/$1/DEBIAN/control
  dpkg-deb --build /tmp/pkg/$1 /tmp/pkg/$1.deb >/dev/null && dpkg -i /tmp/pkg/$1.deb >/dev/null
}`;

describe.skipIf(obstacle !== null)(`uninstall, on a copy of this machine${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let machine: MachineCopy;

  beforeAll(async () => {
    machine = await MachineCopy.open(REPOSITORY);
  }, 60_000);
  afterAll(() => machine?.close());

  const uninstall = (home = HOME, ...flags: string[]) => machine.run(`${UNINSTALL} uninstall ${flags.join(' ')}`, { MUSTER_HOME: home });
  const installed = (name: string): Promise<string> => machine.must(`dpkg-query -W -f '\${db:Status-Abbrev}' ${name} 2>/dev/null || true`);

  it('does nothing where nothing is, and touches no folder that is not Muster\'s', async () => {
    expect(await uninstall()).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing to do') as unknown });
    await machine.must(`mkdir -p ${HOME} && echo precious > ${HOME}/file`);
    expect((await uninstall(HOME, '--yes')).code).toBe(4);
    await machine.must('mkdir -p /var/lib/undo');
    expect((await uninstall('/var/lib', '--yes')).code).toBe(4);
    expect(await machine.must(`cat ${HOME}/file; rmdir /var/lib/undo; ls /var/lib/dpkg/status`)).toBe('precious\n/var/lib/dpkg/status');
  });

  it('takes back packages, users, settings, mounts and files that its record names, and nothing else', async () => {
    await machine.must(`${PACKAGE}
      make muster-probe-alone && make muster-probe-wanted && make muster-probe-of-others 'Depends: muster-probe-wanted\n'
      useradd --system --user-group muster-probe-user && echo muster-probe-user:900000:65536 >> /etc/subuid
      useradd --system --user-group muster-probe-other
      mkdir -p ${HOME}/undo ${HOME}/agent/pool /opt/muster-probe /opt/muster-kept
      touch /opt/muster-probe/file /opt/muster-kept/file
      mount -t tmpfs tmpfs ${HOME}/agent/pool && touch ${HOME}/agent/pool/file
      sysctl -q -w net.ipv4.ip_forward=1
      printf '%s\\n' muster-probe-alone > ${HOME}/undo/packages
      printf '%s\\n' muster-probe-user > ${HOME}/undo/users
      printf '%s\\n' net.ipv4.ip_forward=0 net.ipv4.ip_forward=1 > ${HOME}/undo/sysctls
      printf '%s\\n' /opt/muster-probe / /etc/../opt/muster-kept > ${HOME}/undo/files`);
    const { code, stdout, stderr } = await uninstall(HOME, '--yes');
    expect({ code, stderr }, stderr).toMatchObject({ code: 0 });
    expect(stdout).toContain('muster-probe-alone');
    expect(await installed('muster-probe-alone')).toBe('');
    expect(await installed('muster-probe-of-others')).toBe('ii');
    expect(await machine.must(`getent passwd muster-probe-user || echo gone; getent group muster-probe-user || echo gone; grep -c muster-probe-user /etc/subuid || true; getent passwd muster-probe-other | cut -d: -f1`)).toBe('gone\ngone\n0\nmuster-probe-other');
    expect(await machine.must('sysctl -n net.ipv4.ip_forward')).toBe('0');
    expect(await machine.must(`ls -d ${HOME} /opt/muster-probe 2>/dev/null; ls /opt/muster-kept; findmnt -rno TARGET | grep -c ${HOME} || true`)).toBe('file\n0');
  });

  it('leaves a package that something else has come to need', async () => {
    await machine.must(`mkdir -p ${HOME}/undo && echo muster-probe-wanted > ${HOME}/undo/packages`);
    const { code, stderr } = await uninstall(HOME, '--yes');
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('because muster-probe-of-others needs them') as unknown });
    expect(await installed('muster-probe-wanted')).toBe('ii');
  });

  it('asks before, and refuses while something of it runs', async () => {
    await machine.must(`mkdir -p ${HOME}/undo`);
    expect(await uninstall()).toMatchObject({ code: 4, stderr: expect.stringContaining('--yes') as unknown });
    await machine.must(`cp $(command -v sleep) ${HOME}/muster-probe && (setsid ${HOME}/muster-probe 300 </dev/null >/dev/null 2>&1 &)`);
    expect(await uninstall(HOME, '--yes')).toMatchObject({ code: 4, stderr: expect.stringContaining('still runs') as unknown });
    await machine.must(`pkill -x muster-probe; while pgrep -r R,S,D -x muster-probe; do sleep 0.1; done`);
    expect(await uninstall(HOME, '--yes')).toMatchObject({ code: 0 });
    expect(await machine.must(`ls -d ${HOME} 2>/dev/null || echo gone`)).toBe('gone');
  });
});
