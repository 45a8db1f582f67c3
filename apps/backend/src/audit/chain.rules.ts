import { canonicalJson, sha256Hex, sha256OfJson, verify, type JsonValue, type PublicKey } from '@muster/proof';

/** An entry with its place in the chain. */
export interface Link {
  seq: bigint;
  id: string;
  eventType: string;
  nodeId: string | null;
  jobId: string | null;
  ownerId: string | null;
  /** Decimal with three places. */
  credits: string;
  data: JsonValue;
  timestamp: Date;
}

export interface SealedLink extends Link {
  prevHash: string;
  hash: string;
  /** Of the last entry of its batch; the same on all entries of it. */
  signature: string;
}

/** What the first entry hangs on. */
export const GENESIS = sha256Hex('muster-ledger-v1');

/** SHA-256 of the canonical JSON (RFC 8785) of an entry together with the hash before it. */
export function linkHash(prev: string, link: Link): string {
  const { id, eventType, nodeId, jobId, ownerId, credits, data } = link;
  return sha256OfJson({ prev, seq: link.seq.toString(), id, eventType, nodeId, jobId, ownerId, credits, data, timestamp: link.timestamp.toISOString() });
}

/** The text that the market signs for the last entry of a batch: it fixes everything before it. */
export const headStatement = (seq: bigint, hash: string): string => `muster-ledger-v1\n${canonicalJson({ seq: seq.toString(), hash })}`;

/** Numbers and chains entries after the head so far. */
export function chain(head: { seq: bigint; hash: string }, links: readonly Omit<Link, 'seq'>[]): (Link & { prevHash: string; hash: string })[] {
  let { seq, hash } = head;
  return links.map((link) => {
    const numbered = { ...link, seq: (seq += 1n) };
    const prevHash = hash;
    hash = linkHash(prevHash, numbered);
    return { ...numbered, prevHash, hash };
  });
}

/**
 * Looks a chain through, entry by entry in the order of their numbers: `push` what is there, `end` at the last. `findings`
 * name each place that is not as it was sealed: a gap, another predecessor, other content, a signature that is not the market's.
 */
export class ChainCheck {
  readonly findings: string[] = [];
  #seq = 0n;
  #hash = GENESIS;
  #batch: SealedLink | undefined;

  constructor(private readonly keys: readonly PublicKey[]) {}

  push(link: SealedLink): void {
    if (this.#batch && this.#batch.signature !== link.signature) this.#checkHead(this.#batch);
    if (link.seq !== this.#seq + 1n) this.#find(link, `follows ${this.#seq}`);
    if (link.prevHash !== this.#hash) this.#find(link, 'hangs on another entry than the one before it');
    if (link.hash !== linkHash(link.prevHash, link)) this.#find(link, 'is not what was sealed');
    [this.#seq, this.#hash, this.#batch] = [link.seq, link.hash, link];
  }

  end(): void {
    if (this.#batch) this.#checkHead(this.#batch);
    this.#batch = undefined;
  }

  #checkHead(head: SealedLink): void {
    const statement = headStatement(head.seq, head.hash);
    if (!this.keys.some((key) => verify(key, statement, head.signature))) this.#find(head, 'has a signature that is not the market’s');
  }

  #find(link: SealedLink, what: string): void {
    this.findings.push(`entry ${link.seq} ${what}`);
  }
}
