'use client';
import { type FormEvent, useState } from 'react';
import Link from 'next/link';
import { Problem } from '@muster/shared-types';
import { RefusedError, UnreachableError } from '@muster/client';
import { Button } from '@/components/ui/button';
import { Field, Input } from '@/components/ui/field';
import { Remark, Trouble } from '@/components/ui/notice';

interface Props {
  kind: 'sign-in' | 'sign-up';
  next: string;
  /** A session ended while it was in use. */
  hasEnded: boolean;
}

const TEXTS = {
  'sign-in': { title: 'Sign in', button: 'Sign in', failed: 'You are not signed in', other: 'No account yet?', otherLink: 'Sign up', otherHref: '/sign-up' },
  'sign-up': { title: 'Create an account', button: 'Create account', failed: 'No account was made', other: 'Have an account?', otherLink: 'Sign in', otherHref: '/sign-in' },
};

export function EntryForm({ kind, next, hasEnded }: Props) {
  const text = TEXTS[kind];
  const { error, busy, submit } = useEntry(kind, next);
  return (
    <>
      <h1 className="text-20">{text.title}</h1>
      {hasEnded && <Remark>The session has ended. Sign in again to go on where you were.</Remark>}
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label="E-mail">{(wiring) => <Input {...wiring} name="email" type="email" required autoComplete="email" autoFocus className="h-10 text-14" />}</Field>
        <Field label="Password" hint={kind === 'sign-up' ? 'At least 10 characters' : undefined}>
          {(wiring) => <Input {...wiring} name="password" type="password" required minLength={kind === 'sign-up' ? 10 : 1} autoComplete={kind === 'sign-up' ? 'new-password' : 'current-password'} className="h-10 text-14" />}
        </Field>
        {error !== undefined && <Trouble error={error} what={text.failed} />}
        <Button type="submit" look="primary" size="large" busy={busy}>{text.button}</Button>
      </form>
      <p className="text-13 text-dim">
        {text.other} <Link className="text-accent-ink underline underline-offset-2" href={`${text.otherHref}?next=${encodeURIComponent(next)}`}>{text.otherLink}</Link>
      </p>
      {kind === 'sign-up' && <p className="text-13 text-dim">One account rents machines and offers them. Nothing is charged before you rent, and every rental says first what it can cost at most.</p>}
    </>
  );
}

function useEntry(kind: Props['kind'], next: string) {
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    setError(undefined);
    enter(kind, textOf(fields.get('email')), textOf(fields.get('password'))).then(
      () => window.location.assign(next), // a whole new page: everything on it is asked anew, with the session
      (reason: unknown) => { setError(reason); setBusy(false); },
    );
  };
  return { error, busy, submit };
}

const textOf = (value: FormDataEntryValue | null): string => (typeof value === 'string' ? value : '');

async function enter(kind: Props['kind'], email: string, password: string): Promise<void> {
  const response = await fetch(`/api/session/${kind}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email, password }) }).catch((cause: unknown) => {
    throw new UnreachableError('This site does not answer', false, { cause });
  });
  if (response.ok) return;
  const problem = Problem.safeParse(await response.json().catch(() => undefined));
  throw problem.success ? new RefusedError(problem.data, undefined) : new UnreachableError(`HTTP ${response.status}`, false);
}
