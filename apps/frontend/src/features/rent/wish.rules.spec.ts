import { describe, expect, it } from 'vitest';
import { operations } from '@muster/shared-types';
import { checkWish, envLines, FIRST_WISH, quoteOf, rentOf } from './wish.rules';

const OFFER = '019aa000-0000-7000-8000-0000aaaaaaaa.c2';
const NOW = Date.parse('2026-11-21T12:00:30Z');

describe('a wish to rent', () => {
  it('becomes what the contract takes', () => {
    const wish = { ...FIRST_WISH, disk: '20', spend: '2.5', hours: '8', env: '# a note\nTOKEN=a=b\n\nEMPTY=', onstart: 'echo hi', keyIds: [] };
    const quote = quoteOf(OFFER, wish, NOW);
    expect(quote.body).toMatchObject({ disk_gb: 20, max_spend_usd: '2.5', run_until: '2026-11-21T20:00:00.000Z' });
    const rent = rentOf(quote, wish, '0.042000');
    expect(operations.createRental.body.parse(rent.body)).toMatchObject({ env: { TOKEN: 'a=b', EMPTY: '' }, ssh_key_ids: [], onstart: 'echo hi' });
  });

  it('the same wish asks the same for a minute', () => expect(quoteOf(OFFER, { ...FIRST_WISH, hours: '1' }, NOW)).toEqual(quoteOf(OFFER, { ...FIRST_WISH, hours: '1' }, NOW + 20_000)));

  it('says what is wrong where it is', () => {
    expect(Object.keys(checkWish({ ...FIRST_WISH, disk: '0', spend: '-1', hours: 'x', env: '1A=b' }))).toEqual(['disk', 'spend', 'hours', 'env']);
    expect(checkWish(FIRST_WISH)).toEqual({});
    expect(envLines('A')).toEqual([{ name: 'A', value: '' }]);
  });
});
