'use client';
import { useState } from 'react';
import Link from 'next/link';
import type { NodeSummary } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { Command } from '@/components/ui/copy';
import { Field, Input } from '@/components/ui/field';
import { Remark, Trouble } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { Mark, StateWord } from '@/components/ui/state-word';
import { askAnew, useAction, useApi } from '@/lib/api';
import { sizeOf } from './fleet-page';
import { joinCommand } from './join-command.rules';

const WATCH_MS = 2_000;

/** One command with a key made for it, and below it what the market sees of the machine, as it happens. */
export function AddMachinePage({ marketUrl }: { marketUrl: string }) {
  const [name, setName] = useState('');
  const [country, setCountry] = useState('');
  const made = useAction('createApiKey', (_, queries) => askAnew(queries, 'listApiKeys'));
  const key = made.data?.key;
  const make = (): void => made.mutate({ body: { name: name.trim() === '' ? 'a machine' : name.trim(), kind: 'host' } });
  return (
    <>
      <TopLine title="Add a machine" state={key ? 'Run the command on the machine' : 'One command, and nothing of it is opened to the outside'} cli={['muster keys create --host', 'muster node join']} http={[{ name: 'createApiKey', request: { body: { name: 'a machine', kind: 'host' } } }]} />
      <PageBody wide={false}>
        <div className="flex flex-col gap-4">
          <Panel title="1. A key for it">
            <div className="flex flex-wrap items-start gap-4">
              <Field label="Name of the machine" hint="As renters see it; its host name when empty" className="min-w-52 flex-1">{(wiring) => <Input {...wiring} value={name} maxLength={100} placeholder="rack-3" onChange={(event) => setName(event.target.value)} />}</Field>
              <Field label="Country" hint="Two letters, for renters who care" className="w-44" error={country !== '' && !/^[A-Za-z]{2}$/.test(country) ? 'Two letters, e.g. DE' : undefined}>{(wiring) => <Input {...wiring} className="num uppercase" value={country} maxLength={2} placeholder="DE" onChange={(event) => setCountry(event.target.value)} />}</Field>
              <Button look={key ? 'plain' : 'primary'} className="mt-6" busy={made.isPending} onClick={make}>{key ? 'Make another key' : 'Make a host API key'}</Button>
            </div>
            {made.error !== null && <Trouble className="mt-4" error={made.error} what="No key was made" />}
          </Panel>
          {key && (
            <>
              <Panel title="2. On the machine, as root, in a clone of Muster">
                <Command secret text={joinCommand({ marketUrl, key, name, country })} what="the join command" />
                <Remark className="mt-3" tone="attention">The key is shown this once. It lets machines join as yours, nothing else; revoke it under Keys.</Remark>
              </Panel>
              <Joining />
            </>
          )}
          <Panel title="What it does there">
            <ul className="list-disc space-y-1 pl-5 text-14 text-dim">
              <li>It runs an engine, a network and a firewall of its own. Your Docker, your files and your ports stay as they are.</li>
              <li>It dials out; no port of the machine has to be open.</li>
              <li>It checks itself, and shows renters what it found. When the required checks pass it is on the market, at default prices that you can change.</li>
              <li>It leaves when you retire it here, or when you stop it there: rentals on it end with a refund of what was not served.</li>
            </ul>
          </Panel>
        </div>
      </PageBody>
    </>
  );
}

/** Machines that were not there when the page was opened. */
function Joining() {
  const nodes = useApi('listNodes', { query: { of: 'mine', limit: 200 } }, { every: WATCH_MS });
  const [before, setBefore] = useState<ReadonlySet<string>>();
  if (!before && nodes.data) setBefore(new Set(nodes.data.items.map(({ id }) => id)));
  const joined = nodes.data?.items.filter(({ id }) => before && !before.has(id)) ?? [];
  return (
    <Panel title="3. What the market sees">
      <div aria-live="polite">
        {joined.length === 0 ? <p className="flex items-center gap-2 text-14 text-starting"><Mark tone="starting" />Waiting for the agent</p> : joined.map((node) => <Joined key={node.id} node={node} />)}
      </div>
    </Panel>
  );
}

function Joined({ node }: { node: NodeSummary }) {
  const words = node.lifecycle === 'verified' ? (node.listing === 'listed' ? 'It is verified and on the market.' : 'It is verified; list it when you like.') : 'It has joined and is being checked.';
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 py-1 text-14">
      <StateWord state={node.lifecycle === 'verified' ? node.status : 'pending_verification'} label={node.lifecycle === 'verified' ? 'connected' : 'being checked'} />
      <strong>{node.name}</strong>
      <span className="text-dim">{sizeOf(node)}. {words}</span>
      <Button asChild size="small" className="ml-auto"><Link href={`/fleet/${node.id}`}>Open it</Link></Button>
    </div>
  );
}
