import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Offer } from '../entities/offer.js';
import type { Clause } from './ast.js';
import { byOrder, matchesQuery } from './evaluate.js';
import { QUERY_FIELD_NAMES, fieldOf } from './fields.js';
import { formatOrder, formatQuery, showQueryError } from './format.js';
import { canonicalNumber, folded } from './literal.js';
import { parseOrder } from './order.js';
import { parseQuery } from './parse.js';
import { anyClause, offer } from '../../../testkit/src/query-samples.js';

const query = (text: string) => {
  const parsed = parseQuery(text);
  if (!parsed.ok) throw new Error(showQueryError(text, parsed.error));
  return parsed.value;
};
const faultOf = (text: string) => {
  const parsed = parseQuery(text);
  if (parsed.ok) throw new Error(`${text} was understood`);
  return { at: text.slice(parsed.error.start, parsed.error.end), start: parsed.error.start, message: parsed.error.message, suggestion: parsed.error.suggestion };
};

describe('a query', () => {
  it('is read as people of the field write it', () => {
    expect(query('num_gpus=1 gpu_name=RTX_4090 reliability>0.98 dph_total<=0.5 geolocation in [DE,NL]').clauses).toEqual<Clause[]>([
      { field: 'num_gpus', op: '=', values: ['1'] },
      { field: 'gpu_name', op: '=', values: ['RTX 4090'] },
      { field: 'reliability', op: '>', values: ['0.98'] },
      { field: 'dph_total', op: '<=', values: ['0.5'] },
      { field: 'geolocation', op: 'in', values: ['DE', 'NL'] },
    ]);
  });

  it.each([
    ['', ''],
    ['  num_gpus == 01.0 ', 'num_gpus=1'],
    ['NUM_GPUS gte 2', 'num_gpus>=2'],
    ['gpu_name="RTX 4090"', 'gpu_name=RTX_4090'],
    ["gpu_name = 'H100 SXM'", 'gpu_name=H100_SXM'],
    [String.raw`cpu_name="a \"b\" \\ c"`, String.raw`cpu_name="a \"b\" \\ c"`],
    ['cpu_name=""', 'cpu_name=""'],
    ['cpu_name="any"', 'cpu_name="any"'],
    ['geolocation not in [ DE NL , FR ]', 'geolocation notin [DE,NL,FR]'],
    ['geolocation nin [DE]', 'geolocation notin [DE]'],
    ['geolocation=any', 'geolocation=any'],
    ['driver_version>=535.086', 'driver_version>=535.86'],
    ['verified=true own_node!=TRUE', 'verified=true own_node!=true'],
    ['reliability>.98 dph_total<1.', 'reliability>0.98 dph_total<1'],
    ['dph_total>-0', 'dph_total>0'],
    ['isolation=FULL', 'isolation=FULL'],
  ])('%s is %s', (text, formatted) => expect(formatQuery(query(text))).toBe(formatted));

  it.each([
    ['dph_totl<=0.5', 'dph_totl', 'dph_total'],
    ['num_gpus=1 gpu_ram>=24', 'gpu_ram', 'gpu_ram_mb'],
    ['relability>0.9', 'relability', 'reliability'],
    ['country=DE', 'country', 'geolocation'],
    ['zzz=1', 'zzz', undefined],
    ['num_gpus=>1', '=>', '>='],
    ['num_gpus', '', undefined],
    ['num_gpus 1', '1', undefined],
    ['num_gpus=', '', undefined],
    ['num_gpus=two', 'two', undefined],
    ['num_gpus=1e3', '1e3', undefined],
    ['num_gpus=1234567890123456', '1234567890123456', undefined],
    ['gpu_name<RTX', '<', undefined],
    ['verified>true', '>', undefined],
    ['verified=yes', 'yes', undefined],
    ['verified=constructor', 'constructor', undefined],
    ['constructor=1', 'constructor', undefined],
    ['isolation=ful', 'ful', 'full'],
    ['driver_version=new', 'new', undefined],
    ['geolocation in DE', 'DE', undefined],
    ['geolocation=[DE]', '[', undefined],
    ['geolocation in [DE', '[DE', undefined],
    ['geolocation in []', ']', undefined],
    ['geolocation in [DE,,NL]', ',', undefined],
    ['geolocation!=any', 'any', undefined],
    ['gpu_name="RTX', '"RTX', undefined],
    ['num_gpus=1 and verified=true', 'and', undefined],
    ['num_gpus=1, verified=true', ',', undefined],
    ['=1', '=', undefined],
  ])('%s: the fault is at %s', (text, at, suggestion) => expect(faultOf(text)).toMatchObject({ at, suggestion }));

  it('is shown with marks under the fault', () => {
    const text = 'num_gpus=1 dph_totl<=0.5';
    const parsed = parseQuery(text);
    expect(parsed.ok ? '' : showQueryError(text, parsed.error)).toBe('num_gpus=1 dph_totl<=0.5\n           ^^^^^^^^\nthere is no field dph_totl; did you mean dph_total?');
  });

  it('is the same after it was written and read again', () => {
    fc.assert(
      fc.property(fc.array(anyClause, { maxLength: 8 }), (clauses) => {
        expect(query(formatQuery({ clauses }))).toEqual({ clauses });
      }),
    );
  });

  it('never breaks on any text, and says where the fault is', () => {
    const pieces = fc.constantFrom('num_gpus', 'gpu_name', '=', '!=', '>', 'in', '[', ']', ',', '"', "'", '\\', ' ', 'any', '1', 'é', '😀', 'not', 'a_b');
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.array(pieces).map((all) => all.join(''))), (text) => {
        const parsed = parseQuery(text);
        if (parsed.ok) {
          expect(query(formatQuery(parsed.value))).toEqual(parsed.value);
          return;
        }
        expect(parsed.error.start).toBeGreaterThanOrEqual(0);
        expect(parsed.error.end).toBeLessThanOrEqual(text.length);
        expect(parsed.error.start).toBeLessThanOrEqual(parsed.error.end);
      }),
    );
  });
});

describe('an offer', () => {
  const gpu = offer({ num_gpus: 2, gpu_name: 'RTX 4090', gpu_ram_mb: 24_564, driver_version: '535.86.10', cuda_max_good: 1208, geolocation: 'DE', dph_total: '0.500000', reliability: 0.98, own_node: true });
  const cpu = offer({ num_gpus: 0, gpu_name: null, driver_version: null, geolocation: null });

  it.each([
    ['', true, true],
    ['gpu_name=rtx_4090', true, false],
    ['gpu_name!=RTX_4090', false, true],
    ['gpu_name notin [H100,A100]', true, true],
    ['geolocation in [DE,NL]', true, false],
    ['geolocation=any', true, true],
    ['num_gpus=1.5', false, false],
    ['num_gpus!=1.5', true, true],
    ['num_gpus>1.5', true, false],
    ['num_gpus<=1.5', false, true],
    ['num_gpus in [0,0.5]', false, true],
    ['dph_total<=0.5', true, true],
    ['dph_total<0.5', false, true],
    ['dph_total<0.5000001', true, true],
    ['reliability>0.98', false, true],
    ['reliability>=0.98', true, true],
    ['gpu_total_ram_mb>=48000', true, false],
    ['driver_version>=535.86', true, false],
    ['driver_version>535.86.9', true, false],
    ['driver_version<536', true, false],
    ['cuda_max_good<9999', true, false],
    ['own_node=true', true, false],
    ['own_node!=true', false, true],
    ['rentable=true verified=true', true, true],
  ])('%s', (text, ofGpu, ofCpu) => {
    expect([matchesQuery(query(text), gpu), matchesQuery(query(text), cpu)]).toEqual([ofGpu, ofCpu]);
  });
});

describe('an order', () => {
  const order = (text: string) => {
    const parsed = parseOrder(text);
    return parsed.ok ? parsed.value : parsed.error;
  };

  it('is a list of fields with a sign', () => {
    expect(order('dph_total,reliability-')).toEqual([{ field: 'dph_total', descending: false }, { field: 'reliability', descending: true }]);
    expect(order('-num_gpus, dph_total+')).toEqual([{ field: 'num_gpus', descending: true }, { field: 'dph_total', descending: false }]);
    expect(formatOrder([{ field: 'num_gpus', descending: true }, { field: 'dph_total', descending: false }])).toBe('num_gpus-,dph_total');
  });

  it('says what it does not know', () => {
    expect(order('dph_total,relability-')).toMatchObject({ start: 10, end: 21, suggestion: 'reliability' });
    expect(order('dph_total,')).toMatchObject({ start: 10, end: 10 });
    expect(order('own_node')).toMatchObject({ message: expect.stringContaining('true or false') });
  });

  it('puts what has no value last either way, and ties by id', () => {
    const offers: Offer[] = [offer({ id: 'c', gpu_name: null }), offer({ id: 'b', gpu_name: 'B' }), offer({ id: 'a', gpu_name: 'B' }), offer({ id: 'd', gpu_name: 'a' })];
    const ids = (descending: boolean) => offers.toSorted(byOrder([{ field: 'gpu_name', descending }])).map(({ id }) => id);
    expect(ids(false)).toEqual(['d', 'a', 'b', 'c']);
    expect(ids(true)).toEqual(['a', 'b', 'd', 'c']);
  });
});

it('numbers stay exact', () => {
  expect(['1', '0.10', '.5', '5.', '-0.0', '1e5', '.', '', '--1', '0x1', 'NaN'].map(canonicalNumber)).toEqual(['1', '0.1', '0.5', '5', '0', undefined, undefined, undefined, undefined, undefined, undefined]);
  expect(folded('RTX_4090')).toBe('rtx 4090');
  for (const name of QUERY_FIELD_NAMES) expect(fieldOf(name).about, name).not.toBe('');
});
