import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { expect, it } from 'vitest';
import { makeHostKey } from './rental-secrets.js';

const run = promisify(execFile);

it('makes keys that every reader takes: a thousand with the SSH library', () => {
  for (let i = 0; i < 1_000; i += 1) {
    const pair = makeHostKey();
    const parsed = ssh2.utils.parseKey(pair.privateKey);
    if (parsed instanceof Error) throw parsed;
    expect(`ssh-ed25519 ${parsed.getPublicSSH().toString('base64')}`).toBe(pair.publicKey);
  }
});

it('makes keys that OpenSSH reads, with the public half it derives itself', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'muster-host-key-'));
  try {
    for (let i = 0; i < 10; i += 1) {
      const pair = makeHostKey();
      await writeFile(join(dir, `key${i}`), pair.privateKey, { mode: 0o600 });
      const { stdout } = await run('ssh-keygen', ['-y', '-f', join(dir, `key${i}`)]);
      expect(stdout.trim()).toBe(pair.publicKey);
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
