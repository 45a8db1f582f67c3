'use client';
import { useState } from 'react';
import type { ApiKeyInfo, SshKeyInfo } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { type Column, DataTable } from '@/components/ui/data-table';
import { Empty, Trouble, Waiting } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { Ask } from '@/components/ui/sheet';
import { StateWord } from '@/components/ui/state-word';
import { Ago } from '@/components/ui/time';
import { askAnew, useAction, useApi } from '@/lib/api';
import { plural } from '@/lib/format.rules';
import { AddSshKey } from './add-ssh-key';
import { MakeApiKey } from './make-api-key';

export function KeysPage() {
  const apiKeys = useApi('listApiKeys', {});
  const sshKeys = useApi('listSshKeys', {});
  const live = apiKeys.data?.items.filter(isLive) ?? [];
  return (
    <>
      <TopLine title="Keys" state={apiKeys.data && sshKeys.data && `${plural(live.length, 'API key')} good, ${plural(sshKeys.data.items.length, 'SSH key')}`} cli={['muster keys ls']} http={[{ name: 'listApiKeys', request: {} }, { name: 'listSshKeys', request: {} }]} />
      <PageBody wide={false}>
        <div className="flex flex-col gap-4">
          <SshKeys keys={sshKeys} />
          <ApiKeys keys={apiKeys} kind="user" />
          <ApiKeys keys={apiKeys} kind="host" />
        </div>
      </PageBody>
    </>
  );
}

export const isLive = (key: ApiKeyInfo): boolean => key.revoked_at === null && (key.expires_at === null || Date.parse(key.expires_at) > Date.now());

const TEXT = {
  user: { title: 'API keys', note: 'For programs and the command line', empty: 'A key lets a program do what you do, within its scopes.' },
  host: { title: 'Host API keys', note: 'What agents connect with', empty: 'Made when you add a machine.' },
};

function ApiKeys({ keys, kind }: { keys: ReturnType<typeof useApi<'listApiKeys'>>; kind: 'user' | 'host' }) {
  const [making, setMaking] = useState(false);
  const items = keys.data?.items.filter((key) => key.kind === kind).toSorted((one, other) => Number(isLive(other)) - Number(isLive(one))) ?? [];
  const columns: Column<ApiKeyInfo>[] = [
    { id: 'state', title: 'State', className: 'w-28', cell: (key) => <StateWord state={isLive(key) ? 'ok' : 'revoked'} label={isLive(key) ? 'good' : key.revoked_at ? 'revoked' : 'expired'} /> },
    { id: 'name', title: 'Name', cell: ({ name }) => <span className="text-14">{name}</span> },
    { id: 'hint', title: 'Key', cell: ({ hint }) => <span className="num text-12 text-dim">{hint}</span> },
    ...(kind === 'user' ? [{ id: 'scopes', title: 'Scopes', className: 'max-md:hidden', cell: ({ scopes }: ApiKeyInfo) => <span className="num text-12">{scopes.join(' ')}</span> }] : []),
    { id: 'used', title: 'Last used', right: true, className: 'max-sm:hidden', cell: ({ last_used_at }) => (last_used_at ? <Ago at={last_used_at} className="num text-dim" /> : <span className="text-dim">never</span>) },
    { id: 'end', title: '', right: true, cell: (key) => isLive(key) && <Revoke apiKey={key} /> },
  ];
  return (
    <Panel flush title={TEXT[kind].title} note={TEXT[kind].note} action={<Button size="small" onClick={() => setMaking(true)}>Make a key</Button>}>
      {keys.isPending && <Waiting rows={2} />}
      {keys.error && !keys.data && <Trouble className="m-4" error={keys.error} what="Your keys could not be loaded" onRetry={() => void keys.refetch()} />}
      {keys.data && (items.length > 0 ? <DataTable label={TEXT[kind].title} columns={columns} rows={items} rowKey={({ id }) => id} /> : <Empty title="None yet">{TEXT[kind].empty}</Empty>)}
      {making && <MakeApiKey kind={kind} onClose={() => setMaking(false)} />}
    </Panel>
  );
}

function Revoke({ apiKey }: { apiKey: ApiKeyInfo }) {
  const [asking, setAsking] = useState(false);
  const revoke = useAction('revokeApiKey', (_, queries) => { askAnew(queries, 'listApiKeys'); setAsking(false); });
  return (
    <>
      <Button size="small" look="quiet" className="relative" aria-label={`Revoke ${apiKey.name}`} onClick={() => setAsking(true)}>Revoke</Button>
      {asking && (
        <Ask open onClose={() => setAsking(false)} title={`Revoke ${apiKey.name}`} note={apiKey.kind === 'host' ? 'Machines that connected with it are cut off at once; their rentals end when their leases do.' : 'Whatever uses it is refused from now on.'}>
          <div className="flex flex-col gap-4 p-5">
            {revoke.error !== null && <Trouble error={revoke.error} what="It was not revoked" />}
            <div className="flex justify-end gap-2"><Button onClick={() => setAsking(false)}>Keep it</Button><Button look="danger" busy={revoke.isPending} onClick={() => revoke.mutate({ params: { api_key_id: apiKey.id } })}>Revoke it</Button></div>
          </div>
        </Ask>
      )}
    </>
  );
}

function SshKeys({ keys }: { keys: ReturnType<typeof useApi<'listSshKeys'>> }) {
  const [adding, setAdding] = useState(false);
  const remove = useAction('deleteSshKey', (_, queries) => askAnew(queries, 'listSshKeys'));
  const columns: Column<SshKeyInfo>[] = [
    { id: 'name', title: 'Name', cell: ({ name }) => <span className="text-14">{name}</span> },
    { id: 'type', title: 'Type', className: 'max-md:hidden', cell: ({ type }) => <span className="num text-12">{type}</span> },
    { id: 'print', title: 'Fingerprint', cell: ({ fingerprint }) => <span className="num text-12 text-dim">{fingerprint}</span> },
    { id: 'at', title: 'Added', right: true, className: 'max-sm:hidden', cell: ({ created_at }) => <Ago at={created_at} className="num text-dim" /> },
    { id: 'end', title: '', right: true, cell: ({ id, name }) => <Button size="small" look="quiet" aria-label={`Remove ${name}`} busy={remove.isPending && remove.variables.params.ssh_key_id === id} onClick={() => remove.mutate({ params: { ssh_key_id: id } })}>Remove</Button> },
  ];
  const isEmpty = keys.data?.items.length === 0;
  return (
    <Panel id="ssh" flush title="SSH keys" note="Let you into instances; running rentals keep those they started with" action={!isEmpty && <Button size="small" onClick={() => setAdding(!adding)}>{adding ? 'Close' : 'Add a key'}</Button>}>
      {keys.isPending && <Waiting rows={2} />}
      {keys.error && !keys.data && <Trouble className="m-4" error={keys.error} what="Your SSH keys could not be loaded" onRetry={() => void keys.refetch()} />}
      {remove.error !== null && <Trouble className="m-4" error={remove.error} what="The key was not removed" />}
      {(adding || isEmpty) && <div className="border-b border-line p-4"><AddSshKey {...(isEmpty && { why: 'There is none yet. Paste the public half of yours.' })} onAdded={() => setAdding(false)} /></div>}
      {keys.data && !isEmpty && <DataTable label="SSH keys" columns={columns} rows={keys.data.items} rowKey={({ id }) => id} />}
    </Panel>
  );
}
