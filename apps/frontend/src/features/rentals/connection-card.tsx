'use client';
import { useState } from 'react';
import type { ConnectionInfo, RentalView } from '@muster/shared-types';
import { ExternalLink } from 'lucide-react';
import { Button } from '@/components/ui/button';
import { Command } from '@/components/ui/copy';
import { Panel } from '@/components/ui/panel';
import { Tabs, type Tab } from '@/components/ui/tabs';
import { shortId } from '@/lib/format.rules';
import { waysIn } from './connection.rules';

/** The first thing of a running rental: how to get in. */
export function ConnectionCard({ rental, connection }: { rental: RentalView; connection: ConnectionInfo }) {
  const name = shortId('rental', rental.id).replace('_', '-');
  const ways = waysIn(connection, name);
  const [way, setWay] = useState('ssh');
  const tabs: Tab[] = ways.map(({ id, title, steps }) => ({
    id,
    title,
    body: (
      <div className="flex flex-col gap-3">
        {steps.map(({ say, text }) => (
          <div key={text}>
            <p className="mb-1 text-13 text-dim">{say}</p>
            <Command text={text} what={say} />
          </div>
        ))}
      </div>
    ),
  }));
  return (
    <Panel title="Connect" action={connection.jupyter && <Jupyter url={connection.jupyter.url} token={connection.jupyter.token} />}>
      {tabs.length > 0 && <Tabs label="Ways to connect" tabs={tabs} value={tabs.some(({ id }) => id === way) ? way : (tabs[0]?.id ?? '')} onChange={setWay} />}
      <Ports connection={connection} />
    </Panel>
  );
}

function Jupyter({ url, token }: { url: string; token: string }) {
  const full = url.includes('token=') ? url : `${url}${url.includes('?') ? '&' : '?'}token=${encodeURIComponent(token)}`;
  return <Button asChild size="small"><a href={full} target="_blank" rel="noreferrer noopener"><ExternalLink aria-hidden />Open Jupyter</a></Button>;
}

function Ports({ connection }: { connection: ConnectionInfo }) {
  const ports = Object.entries(connection.ports);
  if (ports.length === 0) return null;
  return (
    <dl className="mt-4 flex flex-wrap gap-x-6 gap-y-1 border-t border-line pt-3 text-13">
      {ports.map(([inside, outside]) => <div key={inside} className="flex gap-2"><dt className="text-dim">port <span className="num">{inside}</span></dt><dd className="num">{connection.host}:{outside}</dd></div>)}
    </dl>
  );
}
