import { generateKeyPair, sign } from '@muster/proof';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chain, ChainCheck, GENESIS, headStatement, type SealedLink } from './chain.rules.js';

const market = generateKeyPair();
const text = fc.string({ maxLength: 12, unit: 'grapheme-ascii' });
const entry = fc.record({
  id: fc.uuid(), eventType: text, nodeId: fc.option(fc.uuid()), jobId: fc.option(fc.uuid()), ownerId: fc.option(fc.uuid()),
  credits: fc.nat(10_000_000).map((micro) => (micro / 1_000).toFixed(3)), data: fc.dictionary(text, fc.oneof(text, fc.nat())), timestamp: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') }),
});

/** Entries sealed in batches of these lengths. */
function seal(entries: Parameters<typeof chain>[1], batch: number): SealedLink[] {
  const sealed: SealedLink[] = [];
  for (let from = 0; from < entries.length; from += batch) {
    const last = sealed.at(-1);
    const links = chain(last ?? { seq: 0n, hash: GENESIS }, entries.slice(from, from + batch));
    const head = links.at(-1);
    if (head) sealed.push(...links.map((link) => ({ ...link, signature: sign(market.privateKey, headStatement(head.seq, head.hash)) })));
  }
  return sealed;
}

function findings(links: readonly SealedLink[], keys = [market.publicKey]): string[] {
  const check = new ChainCheck(keys);
  for (const link of links) check.push(link);
  check.end();
  return check.findings;
}

const chains = fc.tuple(fc.array(entry, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 4 })).map(([entries, batch]) => seal(entries, batch));
/** Turns one bit of one character. */
const flipped = (value: string, at: number): string => {
  const index = at % value.length;
  return value.slice(0, index) + String.fromCharCode(value.charCodeAt(index) ^ 1) + value.slice(index + 1);
};

describe('a sealed chain', () => {
  it('is found whole as it was sealed, in batches of any length', () => {
    fc.assert(
      fc.property(chains, (links) => {
        expect(findings(links)).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('shows any change of any field of any entry', () => {
    const fields = ['id', 'eventType', 'credits', 'prevHash', 'hash', 'signature'] as const;
    fc.assert(
      fc.property(chains, fc.nat(), fc.constantFrom(...fields), fc.nat(), (links, which, field, at) => {
        const index = which % links.length;
        const link = links[index];
        if (!link || link[field] === '') return;
        expect(findings(links.with(index, { ...link, [field]: flipped(link[field], at) }))).not.toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('shows another time, other data, another owner, another number', () => {
    fc.assert(
      fc.property(chains, fc.nat(), (links, which) => {
        const index = which % links.length;
        const link = links[index];
        if (!link) return;
        const others: Partial<SealedLink>[] = [
          { timestamp: new Date(link.timestamp.getTime() + 1) }, { data: { other: true } }, { ownerId: link.ownerId === null ? link.id : null }, { nodeId: 'x' }, { jobId: 'x' }, { seq: link.seq + 1n },
        ];
        for (const other of others) expect(findings(links.with(index, { ...link, ...other }))).not.toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('shows an entry that is gone from within, two that changed places, and a chain that somebody else signed', () => {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 3, maxLength: 6 }), (entries) => {
        const links = seal(entries, 2);
        const [first, second, ...rest] = links;
        if (!first || !second) return;
        expect(findings([first, ...rest])).not.toEqual([]);
        expect(findings([second, first, ...rest])).not.toEqual([]);
        expect(findings(links, [generateKeyPair().publicKey])).not.toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('shows a batch cut short: its signature is over an entry that is no longer there', () => {
    const links = seal(fc.sample(entry, { numRuns: 4, seed: 7 }), 4);
    expect(findings(links.slice(0, 3))).toEqual(['entry 3 has a signature that is not the market’s']);
  });
});
