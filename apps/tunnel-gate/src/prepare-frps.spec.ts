import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TUNNEL_TLS_NAME } from '@muster/shared-types';
import { findFrp } from '@muster/testkit/frp/binaries';
import { prepareFrps } from './prepare-frps.js';

const run = promisify(execFile);
const NOW = new Date('2026-11-21T12:00:00Z');
const later = (days: number): Date => new Date(NOW.getTime() + days * 86_400_000);
const BUILD_FRP_MS = 15 * 60_000;
const goIsHere = await run('go', ['version']).then(() => true, () => false);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-frps-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const certificate = async (name = 'server.crt'): Promise<X509Certificate> => new X509Certificate(await readFile(join(folder, name)));

describe('prepareFrps', () => {
  it('writes what frps accepts, secrets for the owner only', async () => {
    const prepared = await prepareFrps(['--state', folder, '--bind-port', '17000', '--log-level', 'warn'], NOW);
    const { frps } = await findFrp();
    await run(frps, ['verify', '--strict_config', '-c', prepared.config_path]);
    for (const name of ['frps.toml', 'admin-password', 'ca.key', 'server.key']) {
      expect((await stat(join(folder, name))).mode & 0o777, name).toBe(0o600);
    }
    const config = await readFile(prepared.config_path, 'utf8');
    expect(config).toContain('ops = ["Login", "NewProxy", "CloseProxy"]');
    expect(config).toContain('allowPorts = [{ start = 20000, end = 29999 }]');
    expect(config).toContain(await readFile(prepared.admin_password_path, 'utf8'));
    expect(JSON.stringify(prepared)).not.toContain(await readFile(prepared.admin_password_path, 'utf8'));
  }, BUILD_FRP_MS);

  it('makes a chain that a TLS client accepts for our name and nothing else', async () => {
    await prepareFrps(['--state', folder], NOW);
    const [server, ca] = [await certificate(), await certificate('ca.crt')];
    expect(server.checkIssued(ca) && server.verify(ca.publicKey) && ca.ca && !server.ca).toBe(true);
    expect(server.checkHost(TUNNEL_TLS_NAME)).toBe(TUNNEL_TLS_NAME);
    expect(server.checkHost('localhost')).toBeUndefined();
  });

  it('keeps the CA for ever, the server certificate until it is old, the password for one start', async () => {
    const first = await prepareFrps(['--state', folder], NOW);
    const [server, password] = [await certificate(), await readFile(first.admin_password_path, 'utf8')];
    const second = await prepareFrps(['--state', folder], later(600));
    expect((await certificate()).fingerprint256).toBe(server.fingerprint256);
    expect(await readFile(second.admin_password_path, 'utf8')).not.toBe(password);
    const third = await prepareFrps(['--state', folder], later(700));
    expect((await certificate()).fingerprint256).not.toBe(server.fingerprint256);
    expect(third.ca_pem).toBe(first.ca_pem);
  });

  it('replaces a server certificate whose key is not its own', async () => {
    await prepareFrps(['--state', folder], NOW);
    const server = await certificate();
    await rm(join(folder, 'server.key'));
    await prepareFrps(['--state', folder], NOW);
    expect((await certificate()).fingerprint256).not.toBe(server.fingerprint256);
  });

  it('never makes a second CA over half of the first', async () => {
    await prepareFrps(['--state', folder], NOW);
    await rm(join(folder, 'ca.key'));
    await expect(prepareFrps(['--state', folder], NOW)).rejects.toThrow(/one half of the CA/);
  });

  it.each([
    [[], /--state/],
    [['--state', 'x', '--bind-port', '70000'], /bind-port/],
    [['--state', 'x', '--bind-addr', 'example.org'], /bind-addr/],
    [['--state', 'x', '--first-port', '5', '--last-port', '4'], /first-port/],
    [['--state', 'x', '--nonsense', '1'], /nonsense/],
  ])('refuses %j', async (argv, expected) => {
    await expect(prepareFrps(argv, NOW)).rejects.toThrow(expected);
  });
});

describe('the frp binaries', () => {
  it.skipIf(!goIsHere)('say which version they are (needs go on PATH)', async () => {
    const { frps, frpc } = await findFrp();
    for (const binary of [frps, frpc]) {
      expect((await run('go', ['version', '-m', binary])).stdout).toMatch(/mod\s+github\.com\/fatedier\/frp\s+v0\.70\.1/);
    }
  }, BUILD_FRP_MS);
});
