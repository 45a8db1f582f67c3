import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ConfigError, loadConfig } from './config.js';

const NEEDED = {
  DATABASE_URL: 'postgresql://muster:secret@127.0.0.1:5432/muster',
  REDIS_URL: 'redis://127.0.0.1:6379/0',
  MUSTER_MASTER_KEY: 'ab'.repeat(32),
  MUSTER_GATE_SECRET: 'g'.repeat(40),
};
const complaint = (env: Record<string, string | undefined>): string => {
  try {
    loadConfig({ ...NEEDED, ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
};

it('has a default for everything that can have one', () => {
  const config = loadConfig(NEEDED);
  expect(config).toMatchObject({ host: '127.0.0.1', port: 8080, publicUrl: 'http://127.0.0.1:8080', allowOwnNode: true, portRestS: 86_400 });
  expect(config.roles).toEqual(['api', 'gateway', 'scheduler', 'settler']);
  expect(config.tunnel).toMatchObject({ firstPort: 20_000, lastPort: 29_999, frpsPort: 7000 });
});

it.each([
  [{ DATABASE_URL: undefined }, /DATABASE_URL: is missing \(example: postgresql:/],
  [{ DATABASE_URL: 'mysql://x/y' }, /DATABASE_URL: must be a Postgres URL/],
  [{ REDIS_URL: '' }, /REDIS_URL: is missing/],
  [{ MUSTER_MASTER_KEY: 'short' }, /MUSTER_MASTER_KEY: must be 32 bytes.*openssl rand -hex 32/],
  [{ MUSTER_GATE_SECRET: 'short' }, /MUSTER_GATE_SECRET: must have at least 32 characters/],
  [{ MUSTER_HOST: '0.0.0.0' }, /MUSTER_HOST: must be a loopback address: the API serves no TLS/],
  [{ MUSTER_HOST: 'example.com' }, /MUSTER_HOST: must be an address of this machine/],
  [{ MUSTER_PORT: '80a' }, /MUSTER_PORT: must be a port number/],
  [{ MUSTER_PORT: '70000' }, /MUSTER_PORT: .*65535/],
  [{ MUSTER_ROLES: 'api,chef' }, /MUSTER_ROLES: must be a comma-separated list of api, gateway, scheduler, settler/],
  [{ MUSTER_ALLOW_OWN_NODE: 'yes' }, /MUSTER_ALLOW_OWN_NODE: must be true or false/],
  [{ MUSTER_TUNNEL_FIRST_PORT: '300', MUSTER_TUNNEL_LAST_PORT: '200' }, /MUSTER_TUNNEL_LAST_PORT: must not be below/],
])('refuses %o with words that help', (env, words) => {
  expect(complaint(env)).toMatch(words);
});

it('names everything that is wrong at once, and never the value of a secret', () => {
  const words = complaint({ MUSTER_MASTER_KEY: 'my-secret-value', REDIS_URL: undefined });
  expect(words).toMatch(/REDIS_URL/);
  expect(words).toMatch(/MUSTER_MASTER_KEY/);
  expect(words).not.toMatch(/my-secret-value/);
});

it('listens to other machines only where its operator says that they are none of ours', () => {
  expect(loadConfig({ ...NEEDED, MUSTER_HOST: '0.0.0.0', MUSTER_CLOSED_NETWORK: 'true' }).host).toBe('0.0.0.0');
});

it('reads false as false, and keys in base64 too', () => {
  expect(loadConfig({ ...NEEDED, MUSTER_ALLOW_OWN_NODE: 'false' }).allowOwnNode).toBe(false);
  const key = Buffer.alloc(32, 7);
  expect(loadConfig({ ...NEEDED, MUSTER_MASTER_KEY: key.toString('base64') }).masterKey).toEqual(new Uint8Array(key));
});

it('is described in .env.example, line by line with its defaults', () => {
  const text = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8');
  const given = Object.fromEntries([...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]));
  const example = loadConfig({ ...given, MUSTER_MASTER_KEY: NEEDED.MUSTER_MASTER_KEY, MUSTER_GATE_SECRET: NEEDED.MUSTER_GATE_SECRET });
  expect(example).toEqual(loadConfig(NEEDED));
  const described = [...text.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name).toSorted();
  const source = readFileSync(new URL('config.ts', import.meta.url), 'utf8');
  const known = [...new Set([...source.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name))].toSorted();
  expect(described).toEqual(known);
});
