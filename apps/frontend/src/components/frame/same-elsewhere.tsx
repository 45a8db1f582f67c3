'use client';
import { CodeXml } from 'lucide-react';
import { MarketClient } from '@muster/client';
import type { ApiCall } from '@/lib/query-key';
import { Command } from '../ui/copy';
import { Pop } from '../ui/hint';

/** What a page shows or does, for people who would rather type. */
export function SameElsewhere({ cli, http }: { cli: readonly string[]; http: readonly ApiCall[] }) {
  if (cli.length + http.length === 0) return null;
  const trigger = <button type="button" aria-label="The same in the CLI and by HTTP" title="The same in the CLI and by HTTP" className="rounded-control p-1.5 text-dim hover:bg-sunken hover:text-ink"><CodeXml aria-hidden className="size-4" /></button>;
  return (
    <Pop trigger={trigger} label="The same elsewhere" className="w-[min(560px,calc(100vw-16px))]">
      <div className="flex flex-col gap-3">
        {cli.length > 0 && <Group title="The same in the CLI">{cli.map((line) => <Command key={line} text={line} />)}</Group>}
        {http.length > 0 && <Group title="The same by HTTP">{http.map((call) => <Command key={String(call.name)} text={curlOf(call)} what="the HTTP call" />)}</Group>}
      </div>
    </Pop>
  );
}

function Group({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section className="flex flex-col gap-1.5">
      <h2 className="text-12 text-dim">{title}</h2>
      {children}
    </section>
  );
}

/** `$MUSTER_URL` and `$MUSTER_API_KEY`: what the command line reads too. */
function curlOf({ name, request }: ApiCall): string {
  const base = 'http://muster.invalid';
  const { method, url, body } = new MarketClient({ url: base }).describe(name, request as never);
  const verb = method === 'GET' ? '' : ` -X ${method}`;
  const data = body === undefined ? '' : ` -H 'content-type: application/json' -d '${body.replaceAll("'", "'\\''")}'`;
  return `curl${verb} -H "authorization: Bearer $MUSTER_API_KEY"${data} "$MUSTER_URL${url.slice(base.length)}"`;
}
