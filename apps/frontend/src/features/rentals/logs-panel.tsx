'use client';
import { useEffect, useRef, useState } from 'react';
import { CopyButton } from '@/components/ui/copy';
import { Input } from '@/components/ui/field';
import { Trouble } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { useApi } from '@/lib/api';
import { plural } from '@/lib/format.rules';

const LINES = 1000;

/** What the instance printed. It follows the end until the reader scrolls away from it. */
export function LogsPanel({ rentalId, isLive }: { rentalId: string; isLive: boolean }) {
  const logs = useApi('getRentalLogs', { params: { rental_id: rentalId }, query: { tail_lines: LINES } }, { every: isLive ? 3_000 : false });
  const [wanted, setWanted] = useState('');
  const box = useRef<HTMLPreElement>(null);
  const follows = useRef(true);
  const text = logs.data?.text ?? '';
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  const shown = wanted === '' ? lines : lines.filter((line) => line.toLowerCase().includes(wanted.toLowerCase()));
  useEffect(() => {
    if (follows.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text, wanted]);
  const onScroll = (): void => {
    const pre = box.current;
    if (pre) follows.current = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 24;
  };
  return (
    <Panel title="Logs" note={logs.data && (wanted === '' ? plural(lines.length, 'line') : `${shown.length} of ${plural(lines.length, 'line')}`)} flush action={<><Input aria-label="Search in the logs" placeholder="Search" value={wanted} onChange={(event) => setWanted(event.target.value)} className="h-7 w-36" /><CopyButton text={shown.join('\n')} what="the logs" /></>}>
      {logs.error && !logs.data && <Trouble className="m-4" error={logs.error} what="The logs cannot be read now" onRetry={() => void logs.refetch()} />}
      <pre ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-label="Logs" className="num max-h-96 min-h-24 overflow-auto bg-sunken px-4 py-3 text-12 whitespace-pre-wrap">
        {logs.isPending ? 'Reading…' : shown.length > 0 ? shown.join('\n') : wanted === '' ? 'It has printed nothing so far.' : 'No line has these words.'}
      </pre>
    </Panel>
  );
}
