import type { NodeUtilisation } from '@muster/shared-types';
import { percent } from '@/lib/format.rules';

/** The last 24 hours of a machine: rented from below, down from above, idle in between. */
export function Strip({ hours }: Pick<NodeUtilisation, 'hours'>) {
  const mean = (name: 'rented' | 'down'): number => (hours.length === 0 ? 0 : hours.reduce((sum, hour) => sum + hour[name], 0) / hours.length);
  return (
    <span role="img" aria-label={`Last 24 hours: rented ${percent(mean('rented'))}, down ${percent(mean('down'))}`} className="inline-flex h-5 items-stretch gap-px align-middle">
      {hours.map(({ at, rented, down }) => (
        <span key={at} title={`${at.slice(11, 16)} UTC: rented ${percent(rented, 0)}, down ${percent(down, 0)}`} className="relative w-1 bg-line">
          <span className="absolute inset-x-0 bottom-0 bg-running-mark" style={{ height: `${rented * 100}%` }} />
          <span className="absolute inset-x-0 top-0 bg-failed-mark" style={{ height: `${down * 100}%` }} />
        </span>
      ))}
    </span>
  );
}
