'use client';
import Link from 'next/link';
import type { Contributor } from '@muster/shared-types';
import { Tick } from '@/components/frame/logo';
import { useFrame } from '@/components/frame/providers';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { type Column, DataTable } from '@/components/ui/data-table';
import { Empty, Trouble, Waiting } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { useApi } from '@/lib/api';
import { count, plural } from '@/lib/format.rules';

const COLUMNS: readonly Column<Contributor>[] = [
  { id: 'owner', title: 'Who', cell: ({ owner }) => <span className="text-14">{owner}</span> },
  { id: 'valid', title: 'Verified executions', right: true, cell: ({ executions_valid }) => <span className="num inline-flex items-center gap-1.5"><Tick className="size-3 text-running" />{count(executions_valid)}</span> },
  { id: 'nodes', title: 'Machines', right: true, cell: ({ nodes }) => <span className="num">{count(nodes)}</span> },
  { id: 'credits', title: 'Credits', right: true, cell: ({ credits }) => <span className="num">{count(credits)}</span> },
  { id: 'since', title: 'Since', right: true, className: 'max-sm:hidden', cell: ({ since }) => <span className="num text-dim">{since.slice(0, 10)}</span> },
];

export function WallPage() {
  const { signedIn } = useFrame();
  const request = { query: { limit: 200 } };
  const wall = useApi('listContributors', request, { every: 60_000 });
  const items = wall.data?.items ?? [];
  return (
    <>
      <TopLine title="Contributor wall" state="Who computed for others, and was agreed with" action={signedIn && <Button asChild><Link href="/settings#wall">Be on it</Link></Button>} http={[{ name: 'listContributors', request }]} />
      <PageBody wide={false}>
        <Panel flush title="Contributors" note={wall.data && plural(items.length, 'contributor')}>
          {wall.isPending && <Waiting rows={6} />}
          {wall.error && !wall.data && <Trouble className="m-4" error={wall.error} what="The wall could not be loaded" onRetry={() => void wall.refetch()} />}
          {wall.data && (items.length > 0 ? <DataTable label="Contributors" columns={COLUMNS} rows={items} rowKey={({ owner }) => owner} /> : <Empty title="Nobody yet">Whoever’s machines came to results that others came to as well stands here, most first.</Empty>)}
        </Panel>
      </PageBody>
    </>
  );
}
