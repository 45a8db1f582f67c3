'use client';
import { type FormEvent, useState } from 'react';
import { Button } from '@/components/ui/button';
import { Field, Input } from '@/components/ui/field';
import { Trouble } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { When } from '@/components/ui/time';
import { askAnew, useAction, useApi } from '@/lib/api';

const TONES = { planned: 'starting', now: 'attention', over: 'offline', cancelled: 'offline' } as const;

/** Times in which the machine takes nothing new because its host works on it. Renters are told. */
export function Maintenance({ nodeId }: { nodeId: string }) {
  const params = { node_id: nodeId };
  const planned = useApi('listMaintenance', { params }, { every: 60_000 });
  const cancel = useAction('cancelMaintenance', (_, queries) => askAnew(queries, 'listMaintenance', 'getNode'));
  const open = planned.data?.items.find(({ state }) => state === 'planned' || state === 'now');
  return (
    <Panel title="Maintenance" action={open && <Button size="small" busy={cancel.isPending} onClick={() => cancel.mutate({ params })}>{open.state === 'now' ? 'End it now' : 'Call it off'}</Button>}>
      {planned.error && !planned.data && <Trouble error={planned.error} what="It could not be loaded" onRetry={() => void planned.refetch()} />}
      {cancel.error !== null && <Trouble error={cancel.error} what="It stays planned" />}
      {planned.data && planned.data.items.length > 0 && (
        <ul className="mb-3 flex flex-col gap-1 text-13">
          {planned.data.items.slice(0, 5).map((one) => <li key={one.from} className="flex flex-wrap gap-x-3"><StateWord state={one.state} tone={TONES[one.state]} /><span className="num"><When at={one.from} /> – <When at={one.until} /></span><span className="text-dim">{one.reason}</span></li>)}
        </ul>
      )}
      {planned.data && !open && <Plan nodeId={nodeId} />}
    </Panel>
  );
}

function Plan({ nodeId }: { nodeId: string }) {
  const [from, setFrom] = useState('');
  const [until, setUntil] = useState('');
  const [reason, setReason] = useState('');
  const plan = useAction('planMaintenance', (_, queries) => askAnew(queries, 'listMaintenance', 'getNode'));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    plan.mutate({ params: { node_id: nodeId }, body: { ...(from !== '' && { from: new Date(from).toISOString() }), until: new Date(until).toISOString(), reason: reason.trim() } });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <div className="grid grid-cols-2 gap-3">
        <Field label="From" hint="now when empty">{(wiring) => <Input {...wiring} type="datetime-local" className="num" value={from} onChange={(event) => setFrom(event.target.value)} />}</Field>
        <Field label="Until" hint="then it is listed again">{(wiring) => <Input {...wiring} type="datetime-local" required className="num" value={until} onChange={(event) => setUntil(event.target.value)} />}</Field>
      </div>
      <Field label="What for">{(wiring) => <Input {...wiring} maxLength={500} placeholder="new fans" value={reason} onChange={(event) => setReason(event.target.value)} />}</Field>
      {plan.error !== null && <Trouble error={plan.error} what="Nothing was planned" />}
      <div><Button type="submit" busy={plan.isPending} disabled={until === ''}>Plan it</Button></div>
    </form>
  );
}
