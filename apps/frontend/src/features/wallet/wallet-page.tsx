'use client';
import Link from 'next/link';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { BalanceView, StatementLine } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { Command } from '@/components/ui/copy';
import { type Column, DataTable } from '@/components/ui/data-table';
import { Empty, Trouble, Waiting } from '@/components/ui/notice';
import { Figure, Panel } from '@/components/ui/panel';
import { Until, When } from '@/components/ui/time';
import { api, useApi } from '@/lib/api';
import { shortId, usd, words } from '@/lib/format.rules';
import { isZero } from '@/lib/money.rules';

const PAGE = 100;

const COLUMNS: readonly Column<StatementLine>[] = [
  { id: 'at', title: 'When', className: 'w-44', cell: ({ at }) => <When at={at} className="num text-12 text-dim" /> },
  { id: 'kind', title: 'What', className: 'max-sm:hidden', cell: ({ kind }) => words(kind) },
  { id: 'memo', title: 'For', cell: (line) => <span className="block max-w-[52ch] truncate" title={line.memo}>{line.memo}</span> },
  { id: 'ref', title: 'Of', className: 'max-md:hidden', cell: (line) => <Reference line={line} /> },
  { id: 'amount', title: 'Amount', right: true, cell: ({ type, amount_usd }) => <span className={type === 'CREDIT' ? 'num text-running' : 'num'}>{type === 'CREDIT' ? '+' : '−'}{usd(amount_usd)}</span> },
];

/** What a line belongs to, by the word that its kind begins with. */
function Reference({ line }: { line: StatementLine }) {
  if (line.reference_id === null) return <span className="text-dim">–</span>;
  const kind = /rental/.test(line.kind) ? 'rental' : /job|execution|escrow/.test(line.kind) ? 'job' : undefined;
  if (!kind) return <span className="num text-12 text-dim">{line.reference_id.slice(-8)}</span>;
  return <Link href={`/${kind}s/${line.reference_id}`} className="num text-12 text-accent-ink underline underline-offset-2">{shortId(kind, line.reference_id)}</Link>;
}

export function WalletPage() {
  const balance = useApi('getBalance', {}, { every: 10_000 });
  return (
    <>
      <TopLine title="Wallet" state={balance.data && <State balance={balance.data} />} cli={['muster balance', 'muster statement']} http={[{ name: 'getBalance', request: {} }, { name: 'listStatement', request: {} }]} />
      <PageBody wide={false}>
        <div className="flex flex-col gap-4">
          {balance.isPending && <Panel flush><Waiting rows={2} /></Panel>}
          {balance.error && !balance.data && <Trouble error={balance.error} what="The balance could not be loaded" onRetry={() => void balance.refetch()} />}
          {balance.data && <Money balance={balance.data} />}
          <Statement />
        </div>
      </PageBody>
    </>
  );
}

function State({ balance }: { balance: BalanceView }) {
  if (isZero(balance.burn_usd_per_hour)) return <>Nothing is being billed</>;
  return balance.zero_at ? <>Used up in <Until at={balance.zero_at} className="num" /> at this rate; rentals end then</> : <>Being billed {usd(balance.burn_usd_per_hour, 4)}/h</>;
}

function Money({ balance }: { balance: BalanceView }) {
  const empty = isZero(balance.balance_usd) && isZero(balance.earnings_usd);
  return (
    <>
      <div className="grid grid-cols-2 gap-4 rounded-panel border border-line bg-panel p-4 md:grid-cols-4">
        <Figure name="Left to spend" value={usd(balance.available_usd, 4)} note={`${usd(balance.balance_usd, 4)} settled`} />
        <Figure name="Per hour" value={usd(balance.burn_usd_per_hour, 4)} note="all running rentals" />
        <Figure name="Lasts until" value={balance.zero_at ? <Until at={balance.zero_at} /> : '–'} note={balance.zero_at && <When at={balance.zero_at} className="num" />} />
        <Figure name="Earned as a host" value={usd(balance.earnings_usd, 4)} note={<Link href="/fleet" className="underline underline-offset-2">your machines</Link>} />
      </div>
      {empty && (
        <Panel title="How money comes here">
          <p className="mb-3 text-14 text-dim">This market is run by its operator, who grants credit. On the market’s machine:</p>
          <Command text="./muster admin grant you@example.com 10" />
        </Panel>
      )}
    </>
  );
}

function Statement() {
  const lines = useInfiniteQuery({
    queryKey: ['listStatement', 'pages'],
    queryFn: ({ pageParam }) => api().call('listStatement', { query: { limit: PAGE, ...(pageParam !== '' && { cursor: pageParam }) } }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: 30_000,
  });
  const items = lines.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel flush title="Statement" note="Settled money, newest first; running rentals are settled every hour and when they end">
      {lines.isPending && <Waiting rows={6} />}
      {lines.error && !lines.data && <Trouble className="m-4" error={lines.error} what="The statement could not be loaded" onRetry={() => void lines.refetch()} />}
      {lines.data && (items.length > 0 ? <DataTable label="Statement" columns={COLUMNS} rows={items} rowKey={({ id }) => id} /> : <Empty title="No money has moved yet">Every line here is one transfer in a double-entry ledger that cannot be rewritten.</Empty>)}
      {lines.hasNextPage && <div className="border-t border-line p-2 text-center"><Button look="quiet" busy={lines.isFetchingNextPage} onClick={() => void lines.fetchNextPage()}>Older lines</Button></div>}
    </Panel>
  );
}
