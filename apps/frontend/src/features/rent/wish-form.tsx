'use client';
import { useState } from 'react';
import type { Offer, Quote } from '@muster/shared-types';
import { Field, Input, Select, Textarea } from '@/components/ui/field';
import { useApi } from '@/lib/api';
import { gb } from '@/lib/format.rules';
import { Evidence } from '../fleet/evidence';
import { SshKeyChoice } from './ssh-key-choice';
import type { Wish, WishErrors } from './wish.rules';

interface Props {
  wish: Wish;
  errors: WishErrors;
  offer: Offer;
  quote: Quote | undefined;
  onChange: (wish: Wish) => void;
}

export function WishForm({ wish, errors, offer, quote, onChange }: Props) {
  const templates = useApi('listTemplates', {});
  const set = <K extends keyof Wish>(name: K, value: Wish[K]): void => onChange({ ...wish, [name]: value });
  const chosen = templates.data?.items.find(({ slug }) => slug === wish.template);
  const ports = quote?.ports.length ? `Ports ${quote.ports.join(', ')} get public addresses` : undefined;
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <Field label="Template" hint={chosen ? `${chosen.image}. ${ports ?? ''}` : undefined}>
        {(wiring) => (
          <Select {...wiring} value={wish.template} onChange={(event) => set('template', event.target.value)}>
            {(templates.data?.items ?? [{ slug: wish.template, title: wish.template }]).map(({ slug, title }) => <option key={slug} value={slug}>{title}</option>)}
          </Select>
        )}
      </Field>
      <div className="grid grid-cols-2 gap-4 sm:grid-cols-3">
        <Field label="Disk, GB" error={errors.disk} hint={`up to ${gb(offer.disk_space)}`}>{(wiring) => <Input {...wiring} className="num" inputMode="numeric" placeholder={String(quote?.disk_gb ?? offer.default_disk_gb)} value={wish.disk} onChange={(event) => set('disk', event.target.value.trim())} />}</Field>
        <Field label="Spend at most, $" error={errors.spend} hint="ends there">{(wiring) => <Input {...wiring} className="num" inputMode="decimal" placeholder="balance" value={wish.spend} onChange={(event) => set('spend', event.target.value.trim())} />}</Field>
        <Field label="End after, hours" error={errors.hours} hint="or earlier, by you">{(wiring) => <Input {...wiring} className="num" inputMode="decimal" placeholder="open" value={wish.hours} onChange={(event) => set('hours', event.target.value.trim())} />}</Field>
      </div>
      {(chosen?.ssh ?? true) && <SshKeyChoice chosen={wish.keyIds} onChange={(ids) => set('keyIds', ids)} />}
      <More wish={wish} errors={errors} set={set} />
      {quote && <Evidence records={quote.preflight} title="What was measured on this machine" />}
    </div>
  );
}

function More({ wish, errors, set }: Pick<Props, 'wish' | 'errors'> & { set: (name: 'env' | 'onstart', value: string) => void }) {
  const [open, setOpen] = useState(false);
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)} className="rounded-panel border border-line bg-panel">
      <summary className="px-3 py-2 text-13 text-dim">Environment and start command</summary>
      <div className="flex flex-col gap-4 border-t border-line p-3">
        <Field label="Environment" error={errors.env} hint="NAME=value, one a line. Sealed in the market’s database">{(wiring) => <Textarea {...wiring} rows={3} spellCheck={false} placeholder="HF_HOME=/workspace/hf" value={wish.env} onChange={(event) => set('env', event.target.value)} />}</Field>
        <Field label="Start command" hint="Runs once in a shell when the instance starts">{(wiring) => <Textarea {...wiring} rows={3} spellCheck={false} placeholder="pip install -r /workspace/requirements.txt" value={wish.onstart} onChange={(event) => set('onstart', event.target.value)} />}</Field>
      </div>
    </details>
  );
}
