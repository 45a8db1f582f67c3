import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from './canonical-json.js';
import { generateKeyPair, sign } from './ed25519.js';
import { type BatchHead, type BatchToVerify, rootOfJson, signBatch, verifyBatch } from './results.js';

const { publicKey, privateKey } = generateKeyPair();
const DOMAIN = 'test-results-v1\n';
const statement =
  (seq: number) =>
  ({ root, count }: BatchHead): JsonValue => ({ seq, root, count });

function signed(leaves: readonly JsonValue[]): BatchToVerify {
  const batch = signBatch({ sign: (text) => sign(privateKey, text), domain: DOMAIN, leaves, statement: statement(1) });
  return { publicKey, domain: DOMAIN, leaves, statement: statement(1), ...batch };
}

describe('a signed batch', () => {
  it('verifies, and nothing that differs from it does', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.record({ id: fc.uuid(), hash: fc.option(fc.string()) }), { minLength: 1, maxLength: 20, selector: ({ id }) => id }), fc.nat(), (leaves, at) => {
        const batch = signed(leaves);
        const bent = leaves.with(at % leaves.length, { id: 'another', hash: null });
        const [a = ''] = batch.signature;
        expect(verifyBatch(batch)).toBe('ok');
        expect(verifyBatch({ ...batch, leaves: bent })).toBe('wrong_root');
        expect(verifyBatch({ ...batch, leaves: bent, root: rootOfJson(bent) })).toBe('wrong_signature');
        expect(verifyBatch({ ...batch, count: batch.count + 1 })).toBe('wrong_count');
        expect(verifyBatch({ ...batch, leaves: leaves.slice(1) })).toBe('wrong_count');
        expect(verifyBatch({ ...batch, statement: statement(2) })).toBe('wrong_signature');
        expect(verifyBatch({ ...batch, domain: 'another\n' })).toBe('wrong_signature');
        expect(verifyBatch({ ...batch, publicKey: generateKeyPair().publicKey })).toBe('wrong_signature');
        expect(verifyBatch({ ...batch, signature: (a === 'A' ? 'B' : 'A') + batch.signature.slice(1) })).toBe('wrong_signature');
      }),
      { numRuns: 30 },
    );
  });

  it('does not depend on the order of keys in a leaf, and does on that of the leaves', () => {
    expect(rootOfJson([{ a: 1, b: 2 }])).toBe(rootOfJson([{ b: 2, a: 1 }]));
    expect(rootOfJson([1, 2])).not.toBe(rootOfJson([2, 1]));
  });
});
