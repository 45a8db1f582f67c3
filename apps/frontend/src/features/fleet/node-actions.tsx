'use client';
import { useState } from 'react';
import type { NodeView, OperationName } from '@muster/shared-types';
import { Button } from '@/components/ui/button';
import { Check } from '@/components/ui/field';
import { Trouble } from '@/components/ui/notice';
import { Ask } from '@/components/ui/sheet';
import { askAnew, useAction } from '@/lib/api';
import { plural } from '@/lib/format.rules';

type Act = Exclude<NodeView['actions'][number], 'price'>;

const OPERATIONS = { list: 'listNode', unlist: 'unlistNode', drain: 'drainNode', retire: 'retireNode' } as const satisfies Record<Act, OperationName>;
const NAMES: Record<Act, string> = { list: 'Put on the market', unlist: 'Take off the market', drain: 'Drain', retire: 'Retire' };
const ORDER: readonly Act[] = ['list', 'unlist', 'drain', 'retire'];
const MEANS: Record<Act, (node: NodeView) => string> = {
  list: () => 'Its offers appear in the market at once, at the prices you set.',
  unlist: () => 'Nobody can rent it any more. Running rentals go on to their end and are paid.',
  drain: (node) => `It accepts nothing new and finishes what runs: ${plural(node.active_rentals, 'rental')} now. It may be listed again at any time.`,
  retire: () => 'It leaves the market for good and its agent ends. To offer it again it has to join anew, without its reputation.',
};

/** What the market allows in the present state; it says so itself. */
export function NodeActions({ node }: { node: NodeView }) {
  const [asking, setAsking] = useState<Act | undefined>();
  const acts = ORDER.filter((act) => node.actions.includes(act));
  return (
    <>
      {acts.map((act) => <Button key={act} look={act === 'list' ? 'primary' : act === 'retire' ? 'danger' : 'plain'} onClick={() => setAsking(act)}>{NAMES[act]}</Button>)}
      {asking && <AskFirst node={node} act={asking} onClose={() => setAsking(undefined)} />}
    </>
  );
}

function AskFirst({ node, act, onClose }: { node: NodeView; act: Act; onClose: () => void }) {
  const [force, setForce] = useState(false);
  const action = useAction(OPERATIONS[act], (_, queries) => {
    askAnew(queries, 'getNode', 'listNodes', 'searchOffers');
    onClose();
  });
  const params = { node_id: node.id };
  const run = (): void => action.mutate((act === 'retire' ? { params, body: { force } } : { params }) as never);
  return (
    <Ask open onClose={onClose} title={`${NAMES[act]}: ${node.name}`} note={MEANS[act](node)}>
      <div className="flex flex-col gap-4 p-5 text-14">
        {act === 'retire' && node.active_rentals > 0 && <Check label={`End the ${plural(node.active_rentals, 'rental')} on it`} hint="Their renters are refunded what was not served, and told why" checked={force} onChange={(event) => setForce(event.target.checked)} />}
        {action.error !== null && <Trouble error={action.error} what="Nothing was changed" />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Leave it as it is</Button>
          <Button look={act === 'retire' ? 'danger' : 'primary'} busy={action.isPending} onClick={run}>{NAMES[act]}</Button>
        </div>
      </div>
    </Ask>
  );
}
