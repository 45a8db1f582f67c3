'use client';
import { type FormEvent, useState } from 'react';
import { Button } from '@/components/ui/button';
import { Field, Input } from '@/components/ui/field';
import { Trouble } from '@/components/ui/notice';
import { Ask } from '@/components/ui/sheet';

interface Props {
  verb: string;
  whom: string;
  /** What it does, in a sentence. */
  means: string;
  isPending: boolean;
  error: Error | null;
  run: (reason: string, close: () => void) => void;
}

/** A deed of an operator: asked for its reason, which stands in the audit trail and is told to whom it concerns. */
export function WithReason({ verb, whom, means, isPending, error, run }: Props) {
  const [open, setOpen] = useState(false);
  const [reason, setReason] = useState('');
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    run(reason.trim(), () => setOpen(false));
  };
  return (
    <>
      <Button size="small" look="quiet" className="relative" aria-label={`${verb} ${whom}`} onClick={() => setOpen(true)}>{verb}</Button>
      {open && (
        <Ask open onClose={() => setOpen(false)} title={`${verb} ${whom}`} note={means}>
          <form onSubmit={submit} className="flex flex-col gap-4 p-5">
            <Field label="Why" hint="Told to the account, and kept in the audit trail">{(wiring) => <Input {...wiring} required maxLength={500} autoFocus value={reason} onChange={(event) => setReason(event.target.value)} />}</Field>
            {error !== null && <Trouble error={error} what="Nothing was changed" />}
            <div className="flex justify-end gap-2"><Button onClick={() => setOpen(false)}>Leave it as it is</Button><Button type="submit" look="danger" busy={isPending} disabled={reason.trim() === ''}>{verb}</Button></div>
          </form>
        </Ask>
      )}
    </>
  );
}
