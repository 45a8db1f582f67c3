import { describe, expect, it } from 'vitest';
import { chipsOf, CONTROLS, directionOf, modelOf, nextOrder, readQuery, readSearch, searchOf, valueOf, withModel, withValue, writeSearch } from './filters.rules';

const Q = 'gpu_name=RTX_4090 num_gpus=2 dph_total<=0.5';

describe('search of the market', () => {
  it('the address and the search say the same', () => {
    const search = { q: Q, order: 'reliability-' };
    expect(readSearch(new URLSearchParams(writeSearch(search)))).toEqual(search);
    expect(writeSearch({ q: ' ', order: '' })).toBe('');
    expect(searchOf(search).query).toEqual({ limit: 200, ...search });
  });

  it('controls show and change clauses, and leave the others alone', () => {
    const { query } = readQuery(Q);
    expect(valueOf(query, CONTROLS.gpu).replaceAll('_', ' ')).toBe('RTX 4090');
    expect(valueOf(query, CONTROLS.cpu)).toBe('');
    expect(withValue(query, CONTROLS.gpus, '4')).toBe('gpu_name=RTX_4090 dph_total<=0.5 num_gpus=4');
    expect(withValue(query, CONTROLS.price, '')).toBe('gpu_name=RTX_4090 num_gpus=2');
    expect(withValue(query, CONTROLS.price, 'cheap')).toBeUndefined();
  });

  it('chips are the query, one clause each', () => {
    const chips = chipsOf(readQuery(Q).query);
    expect(chips.map(({ text }) => text).join(' ')).toBe(Q);
    expect(chips[1]?.without).toBe('gpu_name=RTX_4090 dph_total<=0.5');
  });

  it('the model that prices are shown of', () => {
    expect([modelOf(Q), modelOf('num_gpus=0'), modelOf('')]).toEqual(['RTX_4090', 'cpu', '']);
    expect(withModel(Q, 'H100 SXM')).toBe('dph_total<=0.5 gpu_name=H100_SXM');
    expect(withModel(Q, null)).toBe('dph_total<=0.5 num_gpus=0');
  });

  it('says where a query is wrong', () => expect(readQuery('num_gpus=1 gpu=x').error).toMatchObject({ start: 11 }));

  it('columns order, best first, then the other way', () => {
    expect(directionOf('', 'dph_total')).toBe('ascending');
    expect(nextOrder('', 'reliability', 'descending')).toBe('reliability-');
    expect(nextOrder('reliability-', 'reliability', 'descending')).toBe('reliability');
    expect(nextOrder('reliability-', 'dph_total', 'ascending')).toBe('');
  });
});
