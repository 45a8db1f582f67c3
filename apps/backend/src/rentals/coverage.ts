import { Injectable } from '@nestjs/common';
import type { Heartbeat } from '@muster/shared-types';
import type { Prisma, Rental } from '@muster/prisma';
import { ControlOutage } from '../agents/control-outage.js';
import { CoveredMarks, type BeatOutcome, type InstanceKey } from '../ledger/covered-marks.js';
import { DISK_EPOCH } from '../ledger/disk-epoch.rules.js';
import { recomputeDeadlines } from '../ledger/deadlines.js';
import { lockMoneyOf } from '../ledger/lock-money.js';
import { ceilSecond, dateOfSecond } from '../ledger/whole-seconds.rules.js';
import { Db } from '../platform/db.js';
import { withTx } from '../platform/tx.js';
import { coverageBetween, coverageWithoutMark, type Coverage as Verdict } from './coverage.rules.js';
import { EndRental } from './end.js';
import { insertGap } from './gaps.js';
import { LastCovered } from './last-covered.js';
import { NodeNews } from './node-news.js';

type Beat = NonNullable<Heartbeat['instances']>[number];

/** What a heartbeat covers: a run of an instance, or a disk that is kept, and for how long it has been up without a break. */
interface Seen {
  key: InstanceKey;
  upS: number;
}

/** Which rentals are billed by a key: those whose run it is, or those that cost their disk only. */
const billedBy = (key: InstanceKey): Prisma.RentalWhereInput =>
  key.epoch === DISK_EPOCH
    ? { storedSince: { not: null }, status: { in: ['stopping', 'stopped', 'starting'] } }
    : { storedSince: null, epoch: key.epoch, status: { in: ['running', 'stopping'] } };

/** `last`: the moment up to which it counts as covered; `proven` only when its mark is lost: up to where that is certain. */
interface Facts {
  last: Date;
  proven?: Date;
}

/** Not asked again for this long about an instance that has no mark and no rental that runs: it starts, or it is a stranger. */
const UNKNOWN_FOR_MS = 2_000;
const UNKNOWN_AT_MOST = 10_000;

/**
 * Heartbeats into covered seconds. In the steady state one round trip to Redis per heartbeat and nothing else; Postgres
 * is written only when a long silence has just ended. Order: the gap is committed before the mark moves past it, so a
 * settlement that sees the new mark sees the gap too.
 */
@Injectable()
export class Coverage {
  readonly #unknown = new Map<string, number>();

  constructor(
    private readonly db: Db,
    private readonly marks: CoveredMarks,
    private readonly outage: ControlOutage,
    private readonly covered: LastCovered,
    private readonly endRental: EndRental,
    private readonly news: NodeNews,
  ) {}

  /** `at`: when the server received it. Only for heartbeats over a socket that proved the node key. */
  async onBeat(nodeId: string, heartbeat: Pick<Heartbeat, 'instances'>, at: Date): Promise<void> {
    const instances = heartbeat.instances ?? [];
    const keyOf = (beat: Beat): InstanceKey => ({ nodeId, rentalId: beat.rental_id, epoch: beat.epoch });
    for (const beat of instances) this.covered.note(keyOf(beat), at);
    const up = instances.filter((beat) => beat.state === 'running' && beat.tunnel_up).map((beat) => ({ key: keyOf(beat), upS: beat.up_s }));
    const kept = instances.flatMap((beat) => (beat.disk_s === undefined ? [] : [{ key: { ...keyOf(beat), epoch: DISK_EPOCH }, upS: beat.disk_s }]));
    const seen = [...up, ...kept];
    const outcomes = await this.marks.beat(seen.map(({ key }) => key), at);
    for (const [index, outcome] of outcomes.entries()) {
      const one = seen[index];
      if (!one) continue;
      if (outcome.kind === 'covered') this.covered.note(one.key, at, at);
      else await this.#look(one, outcome, at);
    }
  }

  async #look(seen: Seen, outcome: BeatOutcome, at: Date): Promise<void> {
    const { key } = seen;
    const name = `${key.rentalId}:${key.epoch}`;
    if (outcome.kind === 'missing' && performance.now() - (this.#unknown.get(name) ?? -Infinity) < UNKNOWN_FOR_MS) return;
    const rental = await this.db.client.rental.findFirst({ where: { id: key.rentalId, nodeId: key.nodeId, startTime: { not: null }, endTime: null, ...billedBy(key) } });
    if (!rental) return this.#remember(name);
    const facts = await this.#facts(key, rental.billedThrough, outcome);
    if (facts === null) return;
    if (this.#judge(facts, seen, at).kind === 'gap') await this.#keepGap(rental, facts, seen, at);
    await this.marks.advance(key, at);
    this.covered.note(key, at, at);
    if (rental.stopRequestedAt !== null) await this.endRental.finish(rental.id);
  }

  #remember(name: string): void {
    if (this.#unknown.size >= UNKNOWN_AT_MOST) this.#unknown.clear();
    this.#unknown.set(name, performance.now());
  }

  async #facts(key: InstanceKey, billedThrough: Date | null, outcome: BeatOutcome): Promise<Facts | null> {
    if (outcome.kind === 'silent') return { last: outcome.last };
    const mark = (await this.covered.marksOf([key])).get(key.rentalId);
    if (mark) return { last: mark };
    const last = await this.covered.of({ ...key, billedThrough });
    return last === null || billedThrough === null ? null : { last, proven: billedThrough };
  }

  #judge({ last, proven }: Facts, { upS }: Seen, at: Date): Verdict {
    const outages = this.outage.since(last);
    if (proven === undefined) return coverageBetween(last, at, upS, outages);
    return coverageWithoutMark({ proven, covered: last, beat: at, upS, outages });
  }

  /** Judges again under the lock: another beat may have ended the same silence while this one waited. */
  async #keepGap(rental: Rental, facts: Facts, seen: Seen, at: Date): Promise<void> {
    const touched = await withTx(this.db, async (tx) => {
      await lockMoneyOf(tx, rental.renterId);
      const before = await tx.rentalGap.findFirst({ where: { rentalId: rental.id, toAt: { gt: dateOfSecond(ceilSecond(facts.last)) } }, orderBy: { toAt: 'desc' }, select: { toAt: true } });
      const verdict = this.#judge(before ? { last: before.toAt } : facts, seen, at);
      if (verdict.kind !== 'gap') return [];
      await insertGap(tx, rental.id, verdict.from, verdict.to, causeOf(seen, verdict));
      return await recomputeDeadlines(tx, rental.renterId, verdict.to);
    });
    this.news.tellAll(touched);
  }
}

/** The node came back with the instance up all along: the way between was cut. Else the instance or its tunnel was. */
const causeOf = ({ upS }: Seen, gap: { from: Date; to: Date }): string => (upS * 1_000 >= gap.to.getTime() - gap.from.getTime() ? 'node_silent' : 'instance_down');
