'use client';
import { Check } from '@/components/ui/field';
import { Trouble } from '@/components/ui/notice';
import { useApi } from '@/lib/api';
import { AddSshKey } from '../keys/add-ssh-key';

/** Whose keys are let in: all of the account's unless some are left out. */
export function SshKeyChoice({ chosen, onChange }: { chosen: readonly string[] | undefined; onChange: (ids: readonly string[] | undefined) => void }) {
  const keys = useApi('listSshKeys', {});
  if (keys.isPending) return <div className="skeleton h-16" role="status" aria-label="Loading SSH keys" />;
  if (keys.error) return <Trouble error={keys.error} what="Your SSH keys could not be loaded" onRetry={() => void keys.refetch()} />;
  const all = keys.data.items.map(({ id }) => id);
  const toggle = (id: string, on: boolean): void => {
    const next = on ? [...(chosen ?? all), id] : (chosen ?? all).filter((one) => one !== id);
    onChange(next.length === all.length ? undefined : next);
  };
  return (
    <fieldset className="rounded-panel border border-line bg-panel p-3">
      <legend className="px-1 text-13 text-dim">SSH keys that are let in</legend>
      {all.length === 0 ? <AddSshKey why="There is none yet. Paste the public half of yours; it is kept for later rentals too." /> : (
        <div className="flex flex-col gap-1.5">
          {keys.data.items.map(({ id, name, fingerprint }) => <Check key={id} label={name} hint={<span className="num break-all">{fingerprint}</span>} checked={(chosen ?? all).includes(id)} onChange={(event) => toggle(id, event.target.checked)} />)}
        </div>
      )}
    </fieldset>
  );
}
