import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { REPOSITORY } from '../src/market/layout.js';
import type { CliRun } from './market-home.js';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

/** The real script in a clone of nothing: what it calls says that it was called. */
describe('./muster, before the command line', () => {
  let clone: string;
  beforeEach(async () => {
    clone = await mkdtemp(join(tmpdir(), 'muster-clone-'));
    await chmod(clone, 0o755);
    for (const folder of ['infra/prepare', 'node_modules', 'apps/cli/src', 'packages', 'prisma', 'bench']) await mkdir(join(clone, folder), { recursive: true });
    for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'turbo.json', 'tsconfig.base.json', 'apps/cli/src/main.ts']) await writeFile(join(clone, file), '{}');
    for (const file of ['muster', 'infra/prepare/sources.sh']) await copyFile(join(REPOSITORY, file), join(clone, file));
    await writeFile(join(clone, 'infra/prepare/prepare.sh'), '#!/bin/sh\necho "prepared $1" >&2\n', { mode: 0o755 });
    await age(['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'turbo.json', 'tsconfig.base.json', 'apps/cli/src/main.ts', 'apps/cli/src', 'apps/cli', 'apps', 'packages', 'prisma', 'bench']);
  });
  afterEach(() => rm(clone, { recursive: true, force: true }));

  const age = async (names: readonly string[], agoS = 3_600): Promise<void> => {
    const at = Date.now() / 1000 - agoS;
    for (const name of names) await utimes(join(clone, name), at, at);
  };
  async function build(): Promise<void> {
    await mkdir(join(clone, 'apps/cli/dist'), { recursive: true });
    await age(['apps/cli', 'apps/cli/src', 'apps/cli/src/main.ts']);
    await writeFile(join(clone, 'apps/cli/dist/main.js'), "console.log(JSON.stringify({ args: process.argv.slice(2), uid: process.env['MUSTER_CALLER_UID'], gid: process.env['MUSTER_CALLER_GID'], home: process.env['MUSTER_CALLER_HOME'] }));\n");
    await writeFile(join(clone, 'node_modules/.muster-build'), 'of this build\n');
    await age(['node_modules/.muster-build'], 1_800);
  }
  const call = (args: readonly string[], { uid, env = {} }: { uid?: number; env?: NodeJS.ProcessEnv } = {}): Promise<CliRun> => {
    const [program, before] = uid === undefined ? ['bash', []] : ['setpriv', [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', 'bash']];
    return new Promise((resolve) => {
      execFile(program, [...before, join(clone, 'muster'), ...args], { env: { PATH: process.env['PATH'], HOME: clone, ...env } }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      });
    });
  };

  it('a client of a built tree is prepared by nothing', async () => {
    await build();
    expect(await call(['ls', '--json'])).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('"args":["ls","--json"]') as unknown });
  });

  it('a tree that was never built is built first, and so is one with a source that is newer or has come or gone since', async () => {
    expect((await call(['ls'])).stderr).toContain('prepared client');
    await build();
    await writeFile(join(clone, 'apps/cli/src/main.ts'), '// pulled');
    expect((await call(['ls'])).stderr).toBe('prepared client\n');
    await build();
    expect((await call(['ls'])).stderr).toBe('');
    await rm(join(clone, 'apps/cli/src/main.ts'));
    expect((await call(['ls'])).stderr).toBe('prepared client\n');
  });

  it.skipIf(!isRoot)('who may not build goes on with what there is, and hears of it (needs root, to be somebody else)', async () => {
    await build();
    await writeFile(join(clone, 'apps/cli/src/main.ts'), '// pulled');
    const { code, stdout, stderr } = await call(['ls'], { uid: NOBODY });
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('Ask its owner') as unknown });
    expect(stdout).toContain('"args":["ls"]');
  });

  it.skipIf(!isRoot)('the person behind sudo is told on, with the home of the password database (needs root)', async () => {
    await build();
    const { stdout } = await call(['down', '--yes'], { env: { SUDO_UID: String(NOBODY), SUDO_GID: String(NOBODY), HOME: '/root' } });
    expect(JSON.parse(stdout)).toEqual({ args: ['down', '--yes'], uid: String(NOBODY), gid: String(NOBODY), home: '/nonexistent' });
    expect(JSON.parse((await call(['down'])).stdout)).toMatchObject({ uid: '0', gid: '0' });
  });
});
