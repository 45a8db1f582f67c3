import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { checkRepository } from './check-repository.js';
import { findCycles } from './cycles.rules.js';

let root: string | undefined;

afterEach(async () => {
  if (root) await rm(root, { recursive: true, force: true });
});

/** A small repository that keeps every rule. */
const CLEAN: Readonly<Record<string, string>> = {
  'apps/backend/package.json': '{"name":"@muster/backend"}',
  'apps/agent/package.json': '{"name":"@muster/agent"}',
  'packages/proof/package.json': '{"name":"@muster/proof"}',
  'packages/testkit/package.json': '{"name":"@muster/testkit"}',
  'packages/testkit/src/index.ts': 'export const kit = process.env.HOME;',
  'packages/proof/src/index.ts': 'export const proof = 1;',
  'apps/agent/src/index.ts': 'export const agent = 1;',
  'apps/backend/src/config.ts': 'export const config = process.env;',
  'apps/backend/src/main.ts': `import './rentals/rentals.module.js';`,
  'apps/backend/src/platform/tx.ts': 'export const tx = 1;',
  'apps/backend/src/ledger/accounts.store.ts': 'export const accounts = 1;',
  'apps/backend/src/ledger/settle.ts': `import { accounts } from './accounts.store.js'; export const settle = accounts;`,
  'apps/backend/src/ledger/ledger.controller.ts': `import { settle } from './settle.js'; export const controller = settle;`,
  'apps/backend/src/ledger/ledger.module.ts': `import { controller } from './ledger.controller.js'; export const ledger = controller;`,
  'apps/backend/src/rentals/rental.rules.ts': `import { createHash } from 'node:crypto'; import type { Row } from './rentals.store.js';
    export const rule = (now: Date, row: Row) => createHash('sha256').update(String(new Date(now))).update(row);`,
  'apps/backend/src/rentals/rentals.store.ts': `import { tx } from '../platform/tx.js'; export type Row = string; export const rows = tx;`,
  'apps/backend/src/rentals/rent.ts': `import { proof } from '@muster/proof'; import { rows } from './rentals.store.js'; import { settle } from '../ledger/settle.js'; export const rent = [proof, rows, settle];`,
  'apps/backend/src/rentals/rentals.module.ts': `import { ledger } from '../ledger/ledger.module.js'; import { rent } from './rent.js'; export const rentals = [ledger, rent];`,
  'apps/backend/src/rentals/rent.spec.ts': `import { kit } from '../../../../packages/testkit/src/index.js'; import { accounts } from '../ledger/accounts.store.js'; import './rent.js'; console.log(kit, accounts, process.env.CI);`,
};

async function check(planted: Readonly<Record<string, string>>) {
  root = await mkdtemp(join(tmpdir(), 'muster-imports-'));
  for (const [path, text] of Object.entries({ ...CLEAN, ...planted })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return checkRepository(root);
}

it('a clean repository has no violation, and every file is read', async () => {
  const { files, violations } = await check({});
  expect(violations).toEqual([]);
  expect(files).toBe(Object.keys(CLEAN).filter((path) => path.endsWith('.ts')).length);
});

const PLANTED: readonly [rule: string, path: string, text: string][] = [
  ['apps-apart', 'apps/agent/src/planted.ts', `import { config } from '@muster/backend/config';`],
  ['packages-below-apps', 'packages/proof/src/planted.ts', `export * from '@muster/agent';`],
  ['by-package-name', 'apps/agent/src/planted.ts', `import { proof } from '../../../packages/proof/src/index.js';`],
  ['platform-below-features', 'apps/backend/src/platform/planted.ts', `import { rent } from '../rentals/rent.js';`],
  ['features-below-boot', 'apps/backend/src/rentals/planted.ts', `import '../main.js';`],
  ['layers-downward', 'apps/backend/src/ledger/planted.store.ts', `import { settle } from './settle.js';`],
  ['layers-downward', 'apps/backend/src/ledger/planted.ts', `import { controller } from './ledger.controller.js';`],
  ['layers-downward', 'apps/backend/src/rentals/planted.rules.ts', `import { rows } from './rentals.store.js';`],
  ['layers-downward', 'apps/backend/src/rentals/planted.rules.ts', `export const late = () => import('./rentals.store.js');`],
  ['store-private', 'apps/backend/src/rentals/planted.ts', `import { accounts } from '../ledger/accounts.store.js';`],
  ['store-private', 'apps/backend/src/rentals/planted.controller.ts', `export { accounts } from '../ledger/accounts.store.js';`],
  ['edge-private', 'apps/backend/src/rentals/planted.ts', `import { controller } from '../ledger/ledger.controller.js';`],
  ['pure-rules', 'apps/backend/src/rentals/planted.rules.ts', `import { Injectable } from '@nestjs/common';`],
  ['pure-rules', 'apps/agent/src/loop/planted.rules.ts', `import { readFileSync } from 'node:fs';`],
  ['pure-rules', 'packages/proof/src/planted.rules.ts', `import { createHash, randomUUID } from 'node:crypto';`],
  ['pure-rules', 'packages/proof/src/planted.rules.ts', 'export const at = () => Date.now();'],
  ['pure-rules', 'packages/proof/src/planted.rules.ts', 'export const at = () => new Date();'],
  ['pure-rules', 'packages/proof/src/planted.rules.ts', 'export const at = () => Math.random();'],
  ['pure-rules', 'packages/proof/src/planted.rules.ts', 'export const at = () => process.pid;'],
  ['one-config', 'apps/backend/src/rentals/planted.ts', 'export const at = process.env.HOME;'],
  ['one-config', 'packages/proof/src/planted.ts', `export const at = process['env'];`],
  ['no-cycle', 'packages/proof/src/planted.ts', `import './planted.js';`],
];

describe('a planted violation is found', () => {
  it.each(PLANTED)('%s in %s: %s', async (rule, path, text) => {
    const { violations } = await check({ [path]: text });
    expect(violations.map((violation) => [violation.rule, violation.path])).toEqual([[rule, path]]);
  });

  it('a cycle over two packages', async () => {
    const { violations } = await check({ 'packages/proof/src/index.ts': `import '@muster/testkit';`, 'packages/testkit/src/index.ts': `import type { proof } from '@muster/proof';` });
    expect(violations.map((violation) => violation.message)).toEqual(['packages/proof/src/index.ts → packages/testkit/src/index.ts → packages/proof/src/index.ts']);
  });

  it('a file that cannot be parsed stops the check', async () => {
    await expect(check({ 'packages/proof/src/planted.ts': 'import {' })).rejects.toThrow(/planted\.ts cannot be parsed/);
  });
});

it('each cycle is named once', () => {
  const graph = new Map([['a', ['b', 'c']], ['b', ['a']], ['c', ['c', 'd']], ['d', []]]);
  expect(findCycles(graph)).toEqual([['a', 'b'], ['c']]);
});
