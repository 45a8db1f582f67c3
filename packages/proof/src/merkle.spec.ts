import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leafHash, merkleRoot } from './merkle.js';

/** The reference tree of Certificate Transparency: its first n leaves and their tree hash. */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map((hex) => Buffer.from(hex, 'hex'));
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** The definition of RFC 6962 §2.1, word for word. */
function definition(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return createHash('sha256').digest();
  if (leaves.length === 1) return leafHash(leaves[0] as Uint8Array);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return createHash('sha256').update(Buffer.of(1)).update(definition(leaves.slice(0, split))).update(definition(leaves.slice(split))).digest();
}

describe('Merkle tree hash', () => {
  it.each(ROOTS.map((root, size) => [size, root] as const))('of the first %i reference leaves', (size, root) => {
    expect(merkleRoot(LEAVES.slice(0, size)).toString('hex')).toBe(root);
  });

  it('is that of the definition, for any leaves', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 70 }), (leaves) => merkleRoot(leaves).equals(definition(leaves))));
  });

  it('changes with any leaf, with their order and with their number', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 40 }), fc.nat(), (leaves, at) => {
        const root = merkleRoot(leaves).toString('hex');
        const bent = leaves.with(at % leaves.length, `${leaves[at % leaves.length]}!`);
        for (const other of [bent, leaves.toReversed(), leaves.slice(1), [...leaves, leaves.at(-1) ?? '']]) expect(merkleRoot(other).toString('hex')).not.toBe(root);
      }),
    );
  });

  it('does not take an inner node for a leaf', () => {
    const [a, b] = ['a', 'b'].map((text) => leafHash(text)) as [Buffer, Buffer];
    expect(merkleRoot([Buffer.concat([a, b])]).equals(merkleRoot(['a', 'b']))).toBe(false);
  });
});
