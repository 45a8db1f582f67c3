import { formatUsd, type JobFault } from '@muster/shared-types';
import { ratesOf, waitingFor, type Fit } from '../submit/fit.rules.js';
import type { JobFacts } from './job-book.js';
import type { Left } from './schedule.rules.js';

type Wish = Pick<JobFacts, 'distinctBy' | 'consensus' | 'redundancy' | 'rateCapMicroHour'>;

/** What a job that gets nothing waits for, in words for its submitter, with what to do. `left` undefined: nothing was free for it. */
export function waitingReason(fit: Fit, job: Wish, left: Left | undefined): JobFault {
  const rates = ratesOf(fit, job.distinctBy);
  const affordable = rates.filter((rate) => rate <= job.rateCapMicroHour);
  if (rates.length > 0 && affordable.length < job.consensus && affordable.length < rates.length) return tooDear(rates, affordable.length, job);
  const waits = waitingFor(fit, job);
  if (waits && waits.code !== 'all_busy') return waits;
  if (left && left.blockedByKeys > 0) return needsOthers(fit, job);
  return waits ?? { code: 'all_busy', message: 'Every node that fits is busy; the job goes on when one has room' };
}

function tooDear(rates: Fit['ratesByNode'], affordable: number, job: Wish): JobFault {
  const wanted = rates[Math.min(job.consensus, rates.length) - 1] ?? 0n;
  const who = job.distinctBy === 'owner' ? 'owners' : 'nodes';
  return {
    code: 'price_too_low',
    message: `Covers $${formatUsd(job.rateCapMicroHour)} per hour and copy; ${affordable} of ${rates.length} ${who} that fit ask no more, the cheapest ${job.consensus} ask up to $${formatUsd(wanted)}: cancel it and submit with a higher --max-price`,
  };
}

/** Everybody who is free has a copy of these tasks already. */
function needsOthers(fit: Fit, job: Wish): JobFault {
  const there = job.distinctBy === 'owner' ? fit.ownersOnline : fit.nodesOnline;
  const [code, one, many] = job.distinctBy === 'owner' ? ['too_few_owners', 'owner', 'owners'] as const : ['too_few_nodes', 'node', 'nodes'] as const;
  return {
    code,
    message: `Every ${one} who is free has a copy of these tasks already (${there} ${there === 1 ? one : many} there): more ${many} are needed for the other copies; add a machine, or cancel and submit with a lower --redundancy`,
  };
}
