'use client';
import { type FormEvent, useState } from 'react';
import { Button } from '@/components/ui/button';
import { Command } from '@/components/ui/copy';
import { Field, Input, Textarea } from '@/components/ui/field';
import { Trouble } from '@/components/ui/notice';
import { askAnew, useAction } from '@/lib/api';

/** `onAdded` also closes whatever it stands in. A form of its own inside another would not be HTML, so it is a group with a button. */
export function AddSshKey({ why, onAdded }: { why?: string; onAdded?: () => void }) {
  const [key, setKey] = useState('');
  const [name, setName] = useState('');
  const add = useAction('addSshKey', (_, queries) => {
    askAnew(queries, 'listSshKeys');
    setKey('');
    setName('');
    onAdded?.();
  });
  const comment = key.trim().split(/\s+/)[2] ?? '';
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    add.mutate({ body: { name: (name.trim() || comment || 'key').slice(0, 100), public_key: key.trim() } });
  };
  return (
    <div className="flex flex-col gap-3">
      {why && <p className="text-13 text-dim">{why}</p>}
      <Command text="cat ~/.ssh/id_ed25519.pub || ssh-keygen -t ed25519" what="the command that shows your key" />
      <Field label="Public key">{(wiring) => <Textarea {...wiring} rows={3} spellCheck={false} placeholder="ssh-ed25519 AAAA… you@laptop" value={key} onChange={(event) => setKey(event.target.value)} />}</Field>
      <div className="flex flex-wrap items-end gap-3">
        <Field label="Name" className="min-w-40 flex-1">{(wiring) => <Input {...wiring} maxLength={100} placeholder={comment || 'laptop'} value={name} onChange={(event) => setName(event.target.value)} />}</Field>
        <Button look="primary" busy={add.isPending} disabled={key.trim() === ''} onClick={() => submit()}>Add key</Button>
      </div>
      {add.error !== null && <Trouble error={add.error} what="The key was not added" />}
    </div>
  );
}
