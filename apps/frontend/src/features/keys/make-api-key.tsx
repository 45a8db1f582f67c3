'use client';
import { type FormEvent, useState } from 'react';
import { ApiKeyScope } from '@muster/shared-types';
import { Button } from '@/components/ui/button';
import { Command } from '@/components/ui/copy';
import { Check, Field, Input, Select } from '@/components/ui/field';
import { Remark, Trouble } from '@/components/ui/notice';
import { Ask } from '@/components/ui/sheet';
import { askAnew, useAction } from '@/lib/api';

const MEANS: Record<ApiKeyScope, string> = {
  read: 'see everything of this account',
  rent: 'rent and end rentals, submit and cancel jobs, SSH keys',
  host: 'prices and listing of your machines',
  account: 'make and revoke keys',
};
const DAY_S = 86_400;

export function MakeApiKey({ kind, onClose }: { kind: 'user' | 'host'; onClose: () => void }) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<readonly ApiKeyScope[]>(['read', 'rent', 'host']);
  const [days, setDays] = useState('');
  const make = useAction('createApiKey', (_, queries) => askAnew(queries, 'listApiKeys'));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    make.mutate({ body: { name: name.trim(), kind, ...(kind === 'user' && { scopes: [...scopes] }), ...(days !== '' && { expires_in_s: Number(days) * DAY_S }) } });
  };
  return (
    <Ask open onClose={onClose} title={kind === 'host' ? 'Make a host API key' : 'Make an API key'} note={kind === 'host' ? 'Agents join with it, as machines of yours.' : 'For a program, or for the command line of another machine.'}>
      {make.data ? (
        <div className="flex flex-col gap-4 p-5">
          <Command secret text={make.data.key} what="the key" />
          <Remark tone="attention">It is shown this once. The market keeps only its hash.</Remark>
          <div className="flex justify-end"><Button look="primary" onClick={onClose}>I have it</Button></div>
        </div>
      ) : (
        <form onSubmit={submit} className="flex flex-col gap-4 p-5">
          <Field label="Name">{(wiring) => <Input {...wiring} required maxLength={100} autoFocus placeholder="laptop" value={name} onChange={(event) => setName(event.target.value)} />}</Field>
          {kind === 'user' && (
            <fieldset className="flex flex-col gap-2">
              <legend className="mb-1 text-13 text-dim">It may</legend>
              {ApiKeyScope.options.map((scope) => <Check key={scope} label={<code className="num">{scope}</code>} hint={MEANS[scope]} checked={scopes.includes(scope)} onChange={(event) => setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))} />)}
            </fieldset>
          )}
          <Field label="Good for">{(wiring) => <Select {...wiring} value={days} onChange={(event) => setDays(event.target.value)}><option value="">until it is revoked</option><option value="7">a week</option><option value="30">30 days</option><option value="365">a year</option></Select>}</Field>
          {make.error !== null && <Trouble error={make.error} what="No key was made" />}
          <div className="flex justify-end gap-2"><Button onClick={onClose}>Leave</Button><Button type="submit" look="primary" busy={make.isPending} disabled={name.trim() === '' || (kind === 'user' && scopes.length === 0)}>Make it</Button></div>
        </form>
      )}
    </Ask>
  );
}
