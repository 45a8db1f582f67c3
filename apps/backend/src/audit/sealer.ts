import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { sign } from '@muster/proof';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Singletons } from '../platform/leases.js';
import { MasterKey } from '../platform/master-key.js';
import { withTx } from '../platform/tx.js';
import { chain, headStatement } from './chain.rules.js';
import { headOf, lockSealing, unsealed, writeSeals } from './entries.store.js';
import { ledgerKey } from './ledger-key.js';

const EVERY_MS = 1_000;
const BATCH = 2_000;

/**
 * Numbers, chains and signs what the business transactions wrote. They never wait for it: an entry that is committed has
 * its place in the chain a second later. One batch has one signature, over its last entry.
 */
@Injectable()
export class Sealer implements OnApplicationBootstrap {
  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly master: MasterKey,
    private readonly singletons: Singletons,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.config.has('settler')) return;
    this.singletons.every({ name: 'ledger-sealer', everyMs: EVERY_MS, run: (signal) => this.pass(signal) });
  }

  /** Seals everything that is committed now. */
  async pass(signal?: AbortSignal): Promise<void> {
    while (!signal?.aborted && (await this.#batch()) === BATCH);
  }

  async #batch(): Promise<number> {
    return await withTx(this.db, async (tx) => {
      await lockSealing(tx);
      const fresh = await unsealed(tx, BATCH);
      if (fresh.length === 0) return 0;
      const links = chain(await headOf(tx), fresh);
      const head = links.at(-1);
      if (!head) return 0;
      const { privateKey } = await ledgerKey(tx, this.master, this.clock.now());
      await writeSeals(tx, links, sign(privateKey, headStatement(head.seq, head.hash)));
      return links.length;
    });
  }
}
