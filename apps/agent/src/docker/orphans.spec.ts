import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { endOrphans } from './orphans.js';

/** Hierarchies of either version in which a process can be put into a group of its own. */
const ROOT = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup'].find((path) => existsSync(join(path, 'cgroup.procs')));
const missing = process.getuid?.() !== 0 ? 'needs root' : ROOT === undefined ? 'needs a cgroup hierarchy' : null;

describe.skipIf(missing !== null)(`processes of a container that its engine forgot${missing === null ? '' : ` (${missing})`}`, () => {
  it('end by the name of their group, and no others do', async () => {
    const [id, other] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
    const groups = [id, other].map((name) => join(ROOT ?? '', `muster-test-${name}`));
    await Promise.all(groups.map((group) => mkdir(group)));
    const sleepers = groups.map(() => spawn('sleep', ['600']));
    const ended = sleepers.map((sleeper) => once(sleeper, 'exit'));
    try {
      await Promise.all(groups.map((group, at) => writeFile(join(group, 'cgroup.procs'), String(sleepers[at]?.pid))));
      await endOrphans(id);
      expect(await ended[0]).toEqual([null, 'SIGKILL']);
      expect(sleepers[1]?.signalCode).toBeNull();
    } finally {
      sleepers.forEach((sleeper) => sleeper.kill('SIGKILL'));
      await Promise.all(ended);
      await Promise.all(groups.map((group) => rmdir(group)));
    }
  });
});
