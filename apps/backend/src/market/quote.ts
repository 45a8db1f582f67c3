import { Injectable } from '@nestjs/common';
import { fail, formatUsd, ok, parseUsd, PreflightRecord, type OperationInput, type operations, type Quote, type Result } from '@muster/shared-types';
import type { Template } from '@muster/prisma';
import { z } from 'zod';
import { reliabilityOf } from '../fleet/reliability.js';
import { fundsOf } from '../ledger/balance.js';
import { rateOf, unitPrices } from '../ledger/pricing.rules.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { defaultDiskGb, parseOfferId } from './offer.rules.js';
import { offerView, pricedOffers, type PricedOffer } from './offer.view.js';
import { earlierStartsMs, offerNodesOf } from './offers.store.js';
import { etaSeconds, forecastEnd, maxCharge, warningsFor } from './quote.rules.js';
import { templateBySlug } from './templates.js';

type Body = OperationInput<typeof operations.createQuote>['body'];

/** Everything a renter should know before paying. */
@Injectable()
export class QuoteOffer {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  async run(userId: string, body: Body): Promise<Result<Quote>> {
    const now = this.clock.now();
    const template = await templateBySlug(this.db.client, body.template, userId);
    if (!template) return fail('unknown_template', { facts: { template: body.template } });
    const offer = await this.#offer(body.offer_id);
    if (!offer) return fail('offer_gone', { hint: 'Search again: somebody may have rented it' });
    const diskGb = body.disk_gb ?? defaultDiskGb(offer.shape);
    if (diskGb > offer.shape.diskGb) return tooMuchDisk(offer.shape.diskGb);
    if (body.run_until !== undefined && new Date(body.run_until) <= now) return inThePast();
    return ok(await this.#quote(userId, body, template, offer, diskGb, now));
  }

  async #offer(offerId: string): Promise<PricedOffer | undefined> {
    const key = parseOfferId(offerId);
    const [node] = key ? await offerNodesOf(this.db.client, [key.nodeId]) : [];
    return node && pricedOffers(node).find((offer) => offer.shape.id === offerId);
  }

  async #quote(userId: string, body: Body, template: Template, offer: PricedOffer, diskGb: number, now: Date): Promise<Quote> {
    const { node } = offer;
    const rate = rateOf({ ...offer.shape, diskGb }, unitPrices(node.pricing));
    const maxSpendMicro = body.max_spend_usd === undefined ? null : parseUsd(body.max_spend_usd);
    const [funds, reliability, earlier, preflight] = await Promise.all([
      fundsOf(this.db.client, userId, now),
      reliabilityOf(this.db.client, [node.id], now),
      earlierStartsMs(this.db.client, node.id, template.slug),
      this.#preflight(node.id),
    ]);
    const end = forecastEnd({
      now,
      prepaidMicro: funds.prepaidMicro,
      running: funds.open.map((rental) => rental.line),
      rateMicroHour: rate.totalMicroHour,
      diskMicroHour: rate.totalMicroHour - rate.baseMicroHour,
      runUntil: body.run_until === undefined ? null : new Date(body.run_until),
      maxSpendMicro,
    });
    const imagePresent = node.facts.images.includes(template.image);
    return {
      offer: offerView(offer, { reliability: reliability.get(node.id)?.reliability ?? 0, viewerId: userId }),
      template: template.slug,
      disk_gb: diskGb,
      dph_total: formatUsd(rate.totalMicroHour),
      stopped_dph: formatUsd(rate.totalMicroHour - rate.baseMicroHour),
      parts: rate.parts,
      available_usd: formatUsd(maxCharge(funds.availableMicro, null)),
      max_charge_usd: formatUsd(maxCharge(funds.availableMicro, maxSpendMicro)),
      ends_at: end.endsAt.toISOString(),
      ends_by: end.endsBy,
      eta_s: etaSeconds(imagePresent, earlier),
      image_present: imagePresent,
      ssh: template.ssh,
      ports: template.ports,
      warnings: warningsFor({ ownNode: node.ownerId === userId, isolation: node.facts.isolation, endsBy: end.endsBy }),
      preflight,
    };
  }

  async #preflight(nodeId: string): Promise<z.infer<typeof PreflightRecord>[]> {
    const [row] = await this.db.client.$queryRaw<{ preflight: unknown }[]>`SELECT specs->'preflight' AS preflight FROM "HostNode" WHERE id = ${nodeId}::uuid`;
    return z.array(PreflightRecord).catch([]).parse(row?.preflight);
  }
}

export const tooMuchDisk = (most: number): ReturnType<typeof fail> =>
  fail('invalid_request', { detail: `This offer has at most ${most} GB of disk`, errors: [{ path: 'body.disk_gb', message: `must be at most ${most}` }] });

export const inThePast = (): ReturnType<typeof fail> => fail('invalid_request', { errors: [{ path: 'body.run_until', message: 'must be in the future' }] });
