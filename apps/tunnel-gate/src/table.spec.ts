import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GateTable } from '@muster/shared-types';
import { Table } from './table.js';

const NODE = '0199a1b2-0000-7000-8000-000000000001';
const OTHER = '0199a1b2-0000-7000-8000-000000000002';
const proxies = [{ name: 'p20001', port: 20_001 }];
const start = (version = 5): Table => {
  const table = new Table();
  table.replace({ version, jwks: { keys: [] }, nodes: [{ node_id: NODE, proxies }] });
  return table;
};

describe('Table', () => {
  it('takes a newer change and ignores an older one', () => {
    const table = start(5);
    expect(table.apply({ version: 6, node_id: OTHER, proxies: [] })).toBe(true);
    expect(table.apply({ version: 6, node_id: OTHER, proxies: null })).toBe(false);
    expect(table.apply({ version: 4, node_id: NODE, proxies: null })).toBe(false);
    expect([table.version, table.size]).toEqual([6, 2]);
  });

  it('knows a node without ports from one that may not log in', () => {
    const table = start();
    table.apply({ version: 6, node_id: NODE, proxies: [] });
    expect(table.proxiesOf(NODE)?.size).toBe(0);
    table.apply({ version: 7, node_id: NODE, proxies: null });
    expect(table.proxiesOf(NODE)).toBeUndefined();
  });

  it('takes a whole table with a lower version: the market was restored', () => {
    const table = start(50);
    table.replace({ version: 2, jwks: { keys: [] }, nodes: [] });
    expect(table.apply({ version: 3, node_id: OTHER, proxies })).toBe(true);
    expect(table.proxiesOf(NODE)).toBeUndefined();
  });

  it('has nothing to change before the first table', () => {
    expect(new Table().apply({ version: 1, node_id: NODE, proxies })).toBe(false);
  });

  it('is the same after a way over the disk', () => {
    const change = fc.record({
      node_id: fc.constantFrom(NODE, OTHER),
      proxies: fc.option(fc.array(fc.integer({ min: 20_000, max: 29_999 }).map((port) => ({ name: `p${port}`, port })), { maxLength: 5 })),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 10 }), (changes) => {
        const table = start(0);
        changes.forEach((one, index) => table.apply({ version: index + 1, ...one }));
        const copy = new Table();
        copy.replace(GateTable.parse(JSON.parse(JSON.stringify(table.snapshot()))));
        expect(copy.snapshot()).toEqual(table.snapshot());
      }),
    );
  });
});
