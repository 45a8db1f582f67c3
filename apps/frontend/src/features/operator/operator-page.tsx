'use client';
import { useRouter, useSearchParams } from 'next/navigation';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Tabs } from '@/components/ui/tabs';
import { Empty } from '@/components/ui/notice';
import { useApi } from '@/lib/api';
import { Events, Jobs, Rentals } from './lists';
import { Health } from './health';
import { Ledger } from './ledger';
import { Nodes } from './nodes';
import { Users } from './users';

const TABS = [
  { id: 'health', title: 'Health', body: <Health /> },
  { id: 'users', title: 'Accounts', body: <Users /> },
  { id: 'nodes', title: 'Machines', body: <Nodes /> },
  { id: 'rentals', title: 'Rentals', body: <Rentals /> },
  { id: 'jobs', title: 'Jobs', body: <Jobs /> },
  { id: 'ledger', title: 'Ledger', body: <Ledger /> },
  { id: 'events', title: 'Audit', body: <Events /> },
] as const;

/** For who runs the market. The API asks for the right again at every call; this page only does not show what would be refused. */
export function OperatorPage() {
  const router = useRouter();
  const wanted = useSearchParams().get('tab') ?? 'health';
  const account = useApi('getAccount', {});
  const isOperator = account.data?.is_operator;
  return (
    <>
      <TopLine title="Operator" state={isOperator ? 'The whole market' : undefined} cli={['muster admin check-ledger']} http={[{ name: 'systemHealth', request: {} }, { name: 'listUsers', request: {} }]} />
      <PageBody>
        {isOperator === false && <Empty title="This account does not operate the market">Operators are made on the market’s own machine.</Empty>}
        {isOperator && <Tabs label="What of it" tabs={TABS} value={TABS.some(({ id }) => id === wanted) ? wanted : 'health'} onChange={(id) => router.replace(`/operator?tab=${id}`, { scroll: false })} />}
      </PageBody>
    </>
  );
}
