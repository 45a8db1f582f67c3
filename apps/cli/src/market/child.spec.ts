import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRunning, stopProcess, waitFor } from '@muster/local-services';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChildSpec, findChildren, startChild, untilAnswers } from './child.js';

const canUnshare = spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;
const KILL = [{ signal: 'SIGKILL', graceMs: 5_000 }] as const;
let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'muster-child-'));
});
afterEach(async () => {
  await Promise.all((await findChildren(home)).map((child) => stopProcess(child.identity, KILL)));
  await rm(home, { recursive: true, force: true });
});

const spec = (over: Partial<ChildSpec> = {}): ChildSpec => ({
  name: 'gate', home, command: process.execPath, args: ['-e', 'console.log("up"); setInterval(() => 0, 1e6)'], env: {}, fingerprint: 'a', logFile: join(home, 'gate.log'), ...over,
});

describe('a child of the supervisor', () => {
  it('is found again by its mark and adopted', async () => {
    const first = await startChild(spec(), KILL);
    const again = await startChild(spec(), KILL);
    expect(again).toMatchObject({ adopted: true, identity: first.identity });
    expect(await findChildren(home)).toEqual([{ identity: first.identity, name: 'gate', fingerprint: 'a' }]);
  });

  it('is replaced when its program or settings are others', async () => {
    const first = await startChild(spec(), KILL);
    const next = await startChild(spec({ fingerprint: 'b' }), KILL);
    expect(next.adopted).toBe(false);
    expect(await isRunning(first.identity)).toBe(false);
  });

  it.skipIf(!canUnshare)('is not mistaken for a process of a container that bears the same mark', async () => {
    const imitation = await startChild(spec({ command: 'unshare', args: ['--pid', '--fork', '--kill-child', process.execPath, '-e', 'console.log("up"); setInterval(() => 0, 1e6)'] }), KILL);
    await waitFor(async () => (await readFile(join(home, 'gate.log'), 'utf8')).includes('up'), { deadlineMs: 20_000, what: 'the process inside to run' });
    expect((await findChildren(home)).map((child) => child.identity)).toEqual([imitation.identity]);
  });

  it('is not mistaken for one of another market, or of another part', async () => {
    const first = await startChild(spec(), KILL);
    const other = await startChild(spec({ name: 'backend' }), KILL);
    expect(other.identity.pid).not.toBe(first.identity.pid);
    expect(await findChildren(`${home}-other`)).toEqual([]);
  });

  it('says why it ended while starting', async () => {
    const dying = spec({ args: ['-e', 'console.error("no such port"); process.exit(3)'] });
    const child = await startChild(dying, KILL);
    await expect(untilAnswers(child, dying, () => Promise.resolve(false), 20_000)).rejects.toThrow(/exit 3[^]*no such port/);
  });

  it('appends to its log', async () => {
    const lines = async (): Promise<number> => (await readFile(join(home, 'gate.log'), 'utf8')).split('\n').length - 1;
    for (const [index, fingerprint] of ['a', 'b'].entries()) {
      await startChild(spec({ fingerprint }), KILL);
      await waitFor(async () => (await lines()) === index + 1, { deadlineMs: 20_000, what: 'its line' });
    }
  });
});
