import { createHash } from 'node:crypto';

/** RFC 6962 §2.1: what tells a leaf from an inner node, so that neither can be passed off as the other. */
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

/** Hash of one leaf: SHA-256(0x00 ‖ data). */
export function leafHash(data: string | Uint8Array): Buffer {
  return createHash('sha256').update(LEAF).update(data).digest();
}

const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => createHash('sha256').update(NODE).update(left).update(right).digest();

/**
 * Merkle tree hash of RFC 6962 over leaves in their order, 32 bytes; of none it is SHA-256 of nothing.
 *
 * The RFC splits at the largest power of two below the size. Joining neighbours level by level, an odd last one going up
 * as it is, makes the same tree.
 */
export function merkleRoot(leaves: readonly (string | Uint8Array)[]): Buffer {
  if (leaves.length === 0) return createHash('sha256').digest();
  let level: Buffer[] = leaves.map(leafHash);
  while (level.length > 1) level = joined(level);
  return level[0] as Buffer;
}

function joined(level: readonly Buffer[]): Buffer[] {
  const above: Buffer[] = [];
  for (let at = 0; at < level.length; at += 2) {
    const [left, right] = [level[at] as Buffer, level[at + 1]];
    above.push(right ? nodeHash(left, right) : left);
  }
  return above;
}
