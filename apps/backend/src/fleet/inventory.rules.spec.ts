import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { simulatedGpu, simulatedInventory } from '../../test/simulated-agent.js';
import { capacityOf, planGpus, tierOf } from './inventory.rules.js';
import { failedChecks } from './preflight.rules.js';
import { DEFAULT_PRICING, pricingOf, reprice } from './pricing.rules.js';

describe('inventory', () => {
  it.each([
    ['RTX 4090', 'gpu-consumer'], ['RTX 5090', 'gpu-consumer'], ['GTX 1080 Ti', 'gpu-consumer'], ['RTX A6000', 'gpu-consumer'], ['Radeon RX 7900 XTX', 'gpu-consumer'],
    ['H100 SXM', 'gpu-datacenter'], ['H200', 'gpu-datacenter'], ['A100-SXM4-80GB', 'gpu-datacenter'], ['B200', 'gpu-datacenter'], ['L4', 'gpu-datacenter'], ['L40S', 'gpu-datacenter'],
    ['Tesla V100-SXM2-16GB', 'gpu-datacenter'], ['T4', 'gpu-datacenter'], ['GH200 480GB', 'gpu-datacenter'], ['GB200', 'gpu-datacenter'], ['Instinct MI300X', 'gpu-datacenter'],
  ])('with a %s is %s', (name, tier) => expect(tierOf({ gpus: [simulatedGpu(0, { name })] })).toBe(tier));

  it('without a GPU is cpu', () => expect(tierOf({ gpus: [] })).toBe('cpu'));

  it('never counts less than what is rented out', () => {
    const used = { cpuUsed: 20, ramMbUsed: 1, diskGbUsed: 600 };
    expect(capacityOf(simulatedInventory(), used)).toEqual({ cpuTotal: 20, ramMbTotal: 65_536, diskGbTotal: 600 });
  });

  it('never drops a claimed GPU row', () => {
    const uuid = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const rows = fc.uniqueArray(fc.record({ uuid, heldBy: fc.option(fc.uuid()) }), { selector: (row) => row.uuid });
    fc.assert(
      fc.property(rows, fc.array(uuid), (known, stated) => {
        const plan = planGpus(known, { gpus: stated.map((id, index) => simulatedGpu(index, { uuid: id })) });
        const claimed: string[] = known.filter((row) => row.heldBy !== null).map((row) => row.uuid);
        expect(plan.drop.some((id) => claimed.includes(id))).toBe(false);
        expect(plan.upsert.map((gpu) => gpu.uuid)).toEqual([...new Set(stated)]);
        const left = new Set([...plan.upsert.map((gpu) => gpu.uuid), ...plan.drop, ...plan.lose]);
        for (const row of known) expect(left.has(row.uuid)).toBe(true);
      }),
    );
  });

  it('rents out no board that is cut into slices', () => {
    expect(planGpus([], { gpus: [simulatedGpu(0, { mig: true }), simulatedGpu(1, { state: 'lost' }), simulatedGpu(2)] }).upsert.map((gpu) => gpu.state)).toEqual(['mig', 'lost', 'ok']);
  });
});

describe('required checks', () => {
  const ids = (over: Parameters<typeof simulatedInventory>[0]) => failedChecks(simulatedInventory(over)).map((check) => check.id);
  it('pass for an honest machine', () => expect(ids({})).toEqual([]));
  it('fail without an engine, memory, disk or a working GPU', () => {
    expect(ids({ docker: null })).toEqual(['market.engine']);
    expect(ids({ cpu_ram_mb: 256, disk_gb: 0 })).toEqual(['market.ram', 'market.disk']);
    expect(ids({ gpus: [simulatedGpu(0, { state: 'lost' })] })).toEqual(['market.gpus']);
  });
  it('let warnings and information pass', () => {
    const record = { id: 'x', title: '', actual: '', required: '', unit: '', remediation: '' };
    expect(ids({ preflight: [{ ...record, operator: 'gte', status: 'warn' }, { ...record, operator: 'info', status: 'fail' }, { ...record, operator: 'is', status: 'skipped' }] })).toEqual([]);
  });
});

describe('prices', () => {
  it('are the market’s where the host says nothing', () => {
    expect(pricingOf({})).toEqual(DEFAULT_PRICING);
    expect(pricingOf('garbage')).toEqual(DEFAULT_PRICING);
    expect(DEFAULT_PRICING).toMatchObject({ cpu_core_dph: '0.010000', ram_gib_dph: '0.005000', storage_cost: '0.100000', inet_up_cost: '0.000000', inet_down_cost: '0.000000' });
  });
  it('change only where the host names them', () => {
    expect(reprice(DEFAULT_PRICING, { gpu_dph: '1.5', min_chunk: 2 })).toEqual({ ...DEFAULT_PRICING, gpu_dph: '1.500000' });
  });
});
