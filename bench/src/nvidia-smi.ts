/**
 * How long the report of a machine with eight GPUs takes to read. The capture of a real one where it lies beside the repository
 * (MUSTER_SHARED_DATA), else one of the same size that is made here. Prints one JSON line.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSmiXml } from '@muster/agent/inventory/nvidia-smi-parse.rules';
import { gpuXml, smiXml } from '@muster/agent/inventory/smi-fixtures';
import { conditions, numbers, percentile } from './own-postgres.js';

const sizes = numbers({ rounds: 300, warm: 50 });
const shared = process.env['MUSTER_SHARED_DATA'] ?? join(fileURLToPath(new URL('../../', import.meta.url)), '..', 'shared', 'data');
const capture = join(shared, 'nvidia-smi', 'qx-h100.xml');
const filler = `<supported_clocks>${'<graphics_clock>1980 MHz</graphics_clock>\n'.repeat(600)}</supported_clocks></gpu>`;
const made = (): string => smiXml(Array.from({ length: 8 }, (_, index) => gpuXml({ uuid: `GPU-${index}` }).replace('</gpu>', filler)));
const text = existsSync(capture) ? readFileSync(capture, 'utf8') : made();

const times: number[] = [];
let cpu = process.cpuUsage();
for (let round = -sizes.warm; round < sizes.rounds; round += 1) {
  if (round === 0) cpu = process.cpuUsage();
  const began = performance.now();
  const reading = parseSmiXml(text);
  if (round >= 0) times.push(performance.now() - began);
  if (!reading.ok || reading.report.gpus.length !== 8) throw new Error('the report of eight GPUs was not read');
}
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({
  bench: 'nvidia-smi', document: existsSync(capture) ? 'capture of 8 × H100' : 'made', bytes: text.length, ms: { p50: percentile(times, 0.5), p99: percentile(times, 0.99), max: percentile(times, 1) }, cpu_ms: Math.round((user + system) / 100 / sizes.rounds) / 10,
  conditions: { ...conditions, postgres: undefined },
}));
