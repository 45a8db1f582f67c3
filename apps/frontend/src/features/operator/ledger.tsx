'use client';
import { Button } from '@/components/ui/button';
import { Trouble } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { useApi } from '@/lib/api';
import { plural } from '@/lib/format.rules';

/** Every invariant of money as one query over the whole ledger; run when it is asked for. */
export function Ledger() {
  const check = useApi('checkLedger', {}, { enabled: false });
  return (
    <Panel title="Ledger check" note={check.data && (check.data.ok ? 'every invariant holds' : 'something is wrong')} flush action={<Button size="small" look="primary" busy={check.isFetching} onClick={() => void check.refetch()}>Run it</Button>}>
      {!check.data && !check.error && <p className="p-4 text-13 text-dim">Runs every invariant of money over the whole ledger: that every transfer balances, that nothing is negative, that what was billed is what was used.</p>}
      {check.error && <Trouble className="m-4" error={check.error} what="The check could not be run" />}
      <ul>
        {check.data?.checks.map(({ id, title, ok, violations, sample }) => (
          <li key={id} className="border-b border-line px-4 py-2 text-13 last:border-0">
            <p className="flex items-center gap-4"><StateWord state={ok ? 'pass' : 'fail'} label={ok ? 'holds' : plural(violations, 'violation')} className="w-28" /><code className="num w-12 text-12 text-dim">{id}</code><span>{title}</span></p>
            {sample.length > 0 && <pre tabIndex={0} role="region" aria-label={`Sample of ${id}`} className="num mt-1 overflow-x-auto text-12 text-failed">{sample.join('\n')}</pre>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
