'use client';
import { type FormEvent, useState } from 'react';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { signOut } from '@/components/frame/sign-out';
import { Button } from '@/components/ui/button';
import { Check, Field, Input } from '@/components/ui/field';
import { Trouble, Waiting } from '@/components/ui/notice';
import { Fact, Facts, Panel } from '@/components/ui/panel';
import { When } from '@/components/ui/time';
import { askAnew, useAction, useApi } from '@/lib/api';
import { ThemeChoice } from './theme-choice';

const ROLES = { RENT: 'rents', LEASE: 'offers machines', BOTH: 'rents and offers machines' };

export function SettingsPage() {
  const account = useApi('getAccount', {});
  return (
    <>
      <TopLine title="Settings" state={account.data?.email} http={[{ name: 'getAccount', request: {} }]} />
      <PageBody wide={false}>
        <div className="flex flex-col gap-4">
          <Panel title="Account" action={<Button size="small" onClick={() => void signOut()}>Sign out</Button>}>
            {account.isPending && <Waiting rows={1} />}
            {account.error && !account.data && <Trouble error={account.error} what="The account could not be loaded" onRetry={() => void account.refetch()} />}
            {account.data && (
              <Facts>
                <Fact name="E-mail" mono={false}>{account.data.email}</Fact>
                <Fact name="It" mono={false}>{ROLES[account.data.role]}{account.data.is_operator ? ', operates this market' : ''}</Fact>
                <Fact name="Since"><When at={account.data.created_at} /></Fact>
                <Fact name="Id"><span className="text-12 break-all">{account.data.id}</span></Fact>
              </Facts>
            )}
          </Panel>
          <Panel title="Appearance"><ThemeChoice /></Panel>
          <Wall />
        </div>
      </PageBody>
    </>
  );
}

/** Whether others see who computed for them. */
function Wall() {
  const [shown, setShown] = useState(true);
  const [name, setName] = useState('');
  const save = useAction('setWall', (_, queries) => askAnew(queries, 'listContributors'));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    save.mutate({ body: { shown, ...(shown && name.trim() !== '' && { name: name.trim() }) } });
  };
  return (
    <Panel id="wall" title="Contributor wall" note="Public: who computed for others, and was agreed with">
      <form onSubmit={submit} className="flex flex-col items-start gap-4">
        <Check label="Show this account on it" checked={shown} onChange={(event) => setShown(event.target.checked)} />
        {shown && <Field label="Name on the wall" className="w-72 max-w-full" hint="Left empty, a short form of the account’s id">{(wiring) => <Input {...wiring} maxLength={60} value={name} onChange={(event) => setName(event.target.value)} />}</Field>}
        <div className="flex items-center gap-3"><Button type="submit" busy={save.isPending}>Save</Button><span role="status" className="text-13 text-dim">{save.data && (save.data.shown ? `Shown as ${save.data.name}` : 'Not shown')}</span></div>
        {save.error !== null && <Trouble error={save.error} what="It was not saved" />}
      </form>
    </Panel>
  );
}
