/**
 * Rent → SSH handshake through the public port, image present, beside bare `docker run` + handshake on the same engine.
 * Needs a market that runs here (`./muster up --detach`). Arguments: rentals (default 50). Prints one JSON line.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { MarketClient, RefusedError } from '@muster/client';
import type { Offer } from '@muster/shared-types';
import { Client } from 'ssh2';
import { z } from 'zod';

const run = promisify(execFile);
const rounds = Number(process.argv[2] ?? 50);
const home = process.env['MUSTER_HOME'] ?? '/var/lib/muster';
const { url, api_key } = z.object({ url: z.string(), api_key: z.string() }).parse(JSON.parse(await readFile(join(home, 'credentials.json'), 'utf8')));
const client = new MarketClient({ url, token: api_key });

/** Often enough for a figure, and within what an account may read in a minute. */
const POLL_MS = 50;
/** Ending takes seconds, and is not measured. */
const RELEASE_POLL_MS = 250;

/** Waits as long as the market asks for, and tries again; only for what is not timed. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof RefusedError) || error.retryAfterS === undefined) throw error;
      await sleep(error.retryAfterS * 1_000);
    }
  }
}

/** Resolves when the server has proven a host key; retries while nothing answers. */
async function handshake(host: string, port: number): Promise<void> {
  for (;;) {
    const proven = await new Promise<boolean>((resolve) => {
      const ssh = new Client();
      const end = (ok: boolean) => {
        ssh.destroy();
        resolve(ok);
      };
      ssh.on('error', () => end(false));
      ssh.on('close', () => end(false));
      ssh.connect({ host, port, username: 'probe', readyTimeout: 5_000, hostVerifier: () => (end(true), false) });
    });
    if (proven) return;
    await sleep(10);
  }
}

async function rentOnce(offer: Offer, keyId: string): Promise<{ total: number; phases: Record<string, number> }> {
  const quote = await patiently(() => client.call('createQuote', { body: { offer_id: offer.id, disk_gb: 1 } }));
  const body = { offer_id: offer.id, disk_gb: 1, expected_dph_total: quote.dph_total, ssh_key_ids: [keyId] };
  const startedMs = performance.now();
  const rental = await client.call('createRental', { idempotencyKey: randomUUID(), body });
  let seen = rental;
  while (seen.status !== 'running') {
    if (seen.status !== 'pending' && seen.status !== 'starting') throw new Error(`rental ended as ${seen.status}: ${seen.fault?.message}`);
    await sleep(POLL_MS);
    seen = await client.call('getRental', { params: { rental_id: rental.id } });
  }
  if (!seen.connection?.ssh) throw new Error('no SSH in the answer');
  await handshake(seen.connection.host, seen.connection.ssh.port);
  const total = performance.now() - startedMs;
  await patiently(() => client.call('destroyRental', { params: { rental_id: rental.id } }));
  while (!(await patiently(() => client.call('getRental', { params: { rental_id: rental.id } }))).released) await sleep(RELEASE_POLL_MS);
  return { total, phases: seen.phase_ms };
}

async function dockerSocket(): Promise<string> {
  for (const name of await readdir('/run/muster')) {
    const socket = join('/run/muster', name, 'docker.sock');
    const { stdout } = await run('docker', ['-H', `unix://${socket}`, 'image', 'ls', '-q', 'muster/workspace']).catch(() => ({ stdout: '' }));
    if (stdout.trim()) return socket;
  }
  throw new Error('no engine with the workspace image was found');
}

async function bareOnce(socket: string): Promise<number> {
  const docker = (...args: string[]) => run('docker', ['-H', `unix://${socket}`, ...args]);
  const startedMs = performance.now();
  const id = (await docker('run', '-d', 'muster/workspace:latest')).stdout.trim();
  const ip = (await docker('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', id)).stdout.trim();
  await handshake(ip, 22);
  const total = performance.now() - startedMs;
  await docker('rm', '-f', id);
  return total;
}

const quantile = (values: number[], q: number): number => Math.round(values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0);

const keys = await client.call('listSshKeys', {});
const key = keys.items[0] ?? (await client.call('addSshKey', { body: { name: 'bench', public_key: (await newKey()).trim() } }));
async function newKey(): Promise<string> {
  const { utils } = (await import('ssh2')).default;
  return utils.generateKeyPairSync('ed25519').public;
}

const socket = await dockerSocket();
const rented: number[] = [];
const bare: number[] = [];
const phases: Record<string, number[]> = {};
for (let round = 0; round < rounds; round++) {
  const offer = (await patiently(() => client.call('searchOffers', { query: { limit: 1 } }))).items[0];
  if (!offer) throw new Error('nothing is for rent');
  const one = await rentOnce(offer, key.id);
  rented.push(one.total);
  for (const [name, ms] of Object.entries(one.phases)) (phases[name] ??= []).push(ms);
  bare.push(await bareOnce(socket));
}
const ratio = quantile(rented, 0.5) / quantile(bare, 0.5);
process.stdout.write(
  `${JSON.stringify({
    bench: 'rent',
    unit: 'ms',
    rounds,
    rent_to_handshake: { p50: quantile(rented, 0.5), p99: quantile(rented, 0.99) },
    bare_docker_run_to_handshake: { p50: quantile(bare, 0.5), p99: quantile(bare, 0.99) },
    ratio_p50: Math.round(ratio * 100) / 100,
    phase_p50: Object.fromEntries(Object.entries(phases).map(([name, values]) => [name, quantile(values, 0.5)])),
  })}\n`,
);
