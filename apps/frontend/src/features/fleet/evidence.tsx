import type { PreflightRecord } from '@muster/shared-types';
import { StateWord } from '@/components/ui/state-word';
import { plural } from '@/lib/format.rules';

const ORDER = { fail: 0, warn: 1, pass: 2, skipped: 3 } as const;
const OPERATORS = { eq: '', gte: '≥ ', lte: '≤ ', in: 'one of ', is: '', info: '' } as const;

/** What was checked, what was found, what was wanted, and what to do about it. The worst comes first. */
export function Evidence({ records, title, advice = false }: { records: readonly PreflightRecord[]; title: string; advice?: boolean }) {
  const sorted = records.toSorted((one, other) => ORDER[one.status] - ORDER[other.status]);
  const bad = records.filter(({ status }) => status === 'fail' || status === 'warn').length;
  const passed = records.filter(({ status }) => status === 'pass').length;
  return (
    <details className="rounded-panel border border-line bg-panel" open={advice}>
      <summary className="flex items-center gap-3 px-3 py-2 text-13"><span className="text-dim">{title}</span><span className="num ml-auto text-12 text-dim">{passed} of {plural(records.length, 'check')} passed{bad > 0 ? `, ${bad} to look at` : ''}</span></summary>
      <ul className="border-t border-line">
        {sorted.map((record) => (
          <li key={record.id} className="grid grid-cols-[72px_minmax(0,1fr)] gap-x-3 border-b border-line px-3 py-2 text-13 last:border-0 sm:grid-cols-[72px_minmax(0,1.1fr)_minmax(0,1fr)]">
            <StateWord state={record.status} label={record.status === 'warn' ? 'look' : record.status} />
            <span className="min-w-0">{record.title}</span>
            <span className="num min-w-0 text-12 break-words max-sm:col-start-2">
              {[record.actual, record.unit].filter(Boolean).join(' ')}
              {record.required !== '' && <span className="text-dim"> · wanted {OPERATORS[record.operator]}{record.required}{record.unit ? ` ${record.unit}` : ''}</span>}
            </span>
            {(advice || record.status === 'fail') && record.status !== 'pass' && record.remediation !== '' && <span className="col-[2/-1] mt-0.5 text-13 text-dim">{record.remediation}</span>}
          </li>
        ))}
      </ul>
    </details>
  );
}
