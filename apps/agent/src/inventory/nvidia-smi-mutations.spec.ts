import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GpuInventory, GpuSample } from '@muster/shared-types';
import { expect, it } from 'vitest';
import { parseSmiXml } from './nvidia-smi-parse.rules.js';
import { gpuXml, smiXml } from './smi-fixtures.js';

/** All of 100,000 take minutes: a run has this many, and another number when it is told one. */
const COUNT = Number(process.env['MUSTER_SMI_MUTATIONS'] ?? 1_500);
const SEED = Number(process.env['MUSTER_SMI_SEED'] ?? 20_261_121);

const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const folder = join(process.env['MUSTER_SHARED_DATA'] ?? join(repository, '..', 'shared', 'data'), 'nvidia-smi');
const captures = existsSync(folder) ? readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')) : [];
const documents = [...captures, smiXml([gpuXml({}), gpuXml({ uuid: 'GPU-b' })])];

/** What a driver, a tenant's program or a broken disk could put into a report. */
const POISONS = [
  'N/A', '[N/A]', 'GPU is lost', 'Unknown Error', 'ERR!', '-1', '1e999', '9'.repeat(40), '\u0000', '\ud800', ']]>', '<!--', '<![CDATA[', '&lt;', '&x;', '&#x0;', '<?xml?>',
  '<!DOCTYPE a [<!ENTITY x "y">]>', '<!ENTITY x SYSTEM "file:///etc/passwd">', '<gpu>', '</gpu>', '</nvidia_smi_log>', '<__proto__>1</__proto__>', '<constructor/>', '<toString>x</toString>', ' Active', '%', 'é'.repeat(9),
];

/** Small and fast, and the same on every machine: a failure is found again by its number. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
}

function mutated(text: string, below: (count: number) => number): string {
  const at = below(text.length);
  const length = below(200);
  switch (below(6)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(at + length);
    case 2:
      return text.slice(0, at) + (POISONS[below(POISONS.length)] ?? '') + text.slice(at);
    case 3:
      return text.slice(0, at) + text.slice(at, at + length).repeat(3) + text.slice(at);
    case 4:
      return text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
    default: {
      // A value, where the reader looks for one.
      const open = text.indexOf('>', at) + 1;
      const close = text.indexOf('</', open);
      return close < 0 ? text : text.slice(0, open) + (POISONS[below(POISONS.length)] ?? '') + text.slice(close);
    }
  }
}

it(`${COUNT} mutated reports each give a report that the contract takes, or a fault`, { timeout: 3_600_000 }, () => {
  const below = random(SEED);
  let reports = 0;
  for (let number = 0; number < COUNT; number += 1) {
    let text = documents[below(documents.length)] ?? '';
    for (let round = below(3); round >= 0; round -= 1) text = mutated(text, below);
    const reading = parseSmiXml(text);
    if (!reading.ok) continue;
    reports += 1;
    const bad = reading.report.gpus.filter(({ gpu, sample }) => !GpuInventory.safeParse(gpu).success || !GpuSample.safeParse(sample).success);
    expect(bad, `mutation ${number} of seed ${SEED}`).toEqual([]);
  }
  // The values, not only the form, were under test.
  expect(reports).toBeGreaterThan(COUNT / 20);
});
