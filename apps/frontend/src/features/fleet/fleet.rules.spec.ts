import { describe, expect, it } from 'vitest';
import { healthOf } from './health.rules';
import { joinCommand } from './join-command.rules';
import { changedPrices, fullRate, pricesOf, wrongPrices } from './prices.rules';

const PRICING = { gpu_dph: '0.200000', cpu_core_dph: '0.010000', ram_gib_dph: '0.005000', storage_cost: '0.100000', inet_up_cost: '0.000000', inet_down_cost: '0.000000' };

describe('prices', () => {
  it('only what differs is sent', () => {
    const typed = { ...pricesOf(PRICING), cpu_core_dph: '0.012' };
    expect(changedPrices(typed, PRICING)).toEqual({ cpu_core_dph: '0.012' });
    expect(changedPrices({ ...typed, cpu_core_dph: '0.0100' }, PRICING)).toEqual({});
  });
  it('nonsense is named', () => expect(wrongPrices({ ...pricesOf(PRICING), gpu_dph: '-1', storage_cost: '' })).toEqual(['gpu_dph', 'storage_cost']));
  it('the whole machine', () => expect(fullRate(pricesOf(PRICING), { num_gpus: 2, cpu_cores: 8, cpu_ram_mb: 16_384 })).toBe('0.560000'));
});

describe('a machine', () => {
  it('joins by a command that a shell takes as it is meant', () => {
    expect(joinCommand({ marketUrl: 'https://m.example', key: 'msh_x', name: "Bob's rack", country: 'de' })).toBe("MUSTER_URL=https://m.example MUSTER_HOST_API_KEY=msh_x ./muster node join --name 'Bob'\\''s rack' --geolocation DE");
    expect(joinCommand({ marketUrl: 'https://m.example', key: 'msh_x', name: ' ', country: '1' })).toBe('MUSTER_URL=https://m.example MUSTER_HOST_API_KEY=msh_x ./muster node join');
  });
  it('health is its worst thing', () => {
    const check = { id: 'x', title: 'Kernel', actual: '', required: '', operator: 'is' as const, unit: '', status: 'fail' as const, remediation: '' };
    expect(healthOf({ lifecycle: 'verified', presence: 'offline' }, [check])).toBe('not heard of for two minutes');
    expect(healthOf({ lifecycle: 'pending_verification', presence: 'online' }, [check])).toBe('Kernel fails');
    expect(healthOf({ lifecycle: 'verified', presence: 'online' }, [{ ...check, status: 'warn' }])).toBe('good, 1 to look at');
  });
});
