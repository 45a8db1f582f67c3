'use client';
import { type FormEvent, useState } from 'react';
import { X } from 'lucide-react';
import type { Offer, QueryError } from '@muster/shared-types';
import { Button } from '@/components/ui/button';
import { Input, Select } from '@/components/ui/field';
import { cn } from '@/lib/cn';
import { chipsOf, type ControlName, CONTROLS, readQuery, valueOf, withValue } from './filters.rules';

interface Props {
  q: string;
  /** To know which models there are. */
  offers: readonly Offer[];
  onChange: (q: string) => void;
}

/** Conditions people use, the query they make, and its chips: three views of one text. */
export function FilterBar({ q, offers, onChange }: Props) {
  const { query } = readQuery(q);
  const gpu = valueOf(query, CONTROLS.gpu).replaceAll('_', ' ');
  const models = [...new Set([gpu, ...offers.map(({ gpu_name }) => gpu_name ?? '')])].filter((name) => name !== '').toSorted();
  const without = valueOf(query, CONTROLS.gpus) === '0';
  const chooseGpu = (value: string): void => {
    const base = readQuery(withValue(query, CONTROLS.gpus, without ? '' : valueOf(query, CONTROLS.gpus)) ?? q).query;
    onChange((value === 'none' ? withValue(readQuery(withValue(base, CONTROLS.gpu, '') ?? '').query, CONTROLS.gpus, '0') : withValue(base, CONTROLS.gpu, value)) ?? q);
  };
  const number = (name: ControlName, label: string, unit = '', factor = 1) => (
    <NumberFilter key={`${name}${q}`} label={label} unit={unit} value={scaled(valueOf(query, CONTROLS[name]), 1 / factor)} onApply={(value) => {
      const next = withValue(query, CONTROLS[name], scaled(value, factor));
      if (next !== undefined) onChange(next);
      return next !== undefined;
    }} />
  );
  return (
    <div className="border-b border-line px-4 py-2.5" role="search" aria-label="Filter offers">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <label className="flex items-center gap-1.5 text-13 text-dim">
          GPU
          <Select value={without ? 'none' : gpu} onChange={(event) => chooseGpu(event.target.value)} className="h-7 w-36">
            <option value="">any</option>
            <option value="none">without GPU</option>
            {models.map((model) => <option key={model} value={model}>{model}</option>)}
          </Select>
        </label>
        {!without && number('gpus', 'GPUs')}
        {number('cpu', 'vCPU ≥')}
        {number('ram', 'RAM ≥', 'GiB', 1024)}
        {number('price', 'Price ≤', '$/h')}
        {number('reliability', 'Reliability ≥')}
      </div>
      <QueryBox key={q} q={q} onChange={onChange} />
      <Chips q={q} onChange={onChange} />
    </div>
  );
}

/** Of a number as typed; what is none stays as it is, for the parser to refuse. */
const scaled = (value: string, factor: number): string => (factor === 1 || value.trim() === '' || !Number.isFinite(Number(value)) ? value : String(Math.round(Number(value) * factor * 10) / 10));

function NumberFilter({ label, unit, value, onApply }: { label: string; unit: string; value: string; onApply: (value: string) => boolean }) {
  const [typed, setTyped] = useState(value);
  const [wrong, setWrong] = useState(false);
  const apply = (): void => { if (typed.trim() !== value) setWrong(!onApply(typed.trim())); };
  return (
    <label className="flex items-center gap-1.5 text-13 text-dim">
      {label}
      <Input inputMode="decimal" value={typed} placeholder="any" aria-invalid={wrong || undefined} onChange={(event) => setTyped(event.target.value)} onBlur={apply} onKeyDown={(event) => { if (event.key === 'Enter') apply(); }} className="num h-7 w-16" />
      {unit}
    </label>
  );
}

/** The same as text, with what is wrong under it. */
function QueryBox({ q, onChange }: { q: string; onChange: (q: string) => void }) {
  const [typed, setTyped] = useState(q);
  const { error } = readQuery(typed);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (!error) onChange(typed);
  };
  return (
    <form onSubmit={submit} className="mt-2">
      <Input aria-label="Query" aria-invalid={error !== undefined || undefined} aria-describedby={error && 'query-error'} spellCheck={false} autoCapitalize="off" placeholder="num_gpus=1 gpu_name=RTX_4090 reliability>0.98 dph_total<=0.5 geolocation in [DE,NL]" value={typed} onChange={(event) => setTyped(event.target.value)} onBlur={() => { if (!error && typed.trim() !== q) onChange(typed); }} className="num h-8" />
      {error && <Wrong text={typed} error={error} onTake={(text) => setTyped(text)} />}
    </form>
  );
}

function Wrong({ text, error, onTake }: { text: string; error: QueryError; onTake: (text: string) => void }) {
  const { start, end, message, suggestion } = error;
  return (
    <div id="query-error" className="mt-1 text-13 text-failed" aria-live="polite">
      <code className="num text-12 text-dim">{text.slice(Math.max(0, start - 24), start)}<mark className="bg-transparent text-failed underline decoration-wavy underline-offset-4">{text.slice(start, end) || '\u00a0'}</mark>{text.slice(end, end + 24)}</code>{' '}
      {message}
      {suggestion !== undefined && <Button look="quiet" size="small" className="ml-2" onClick={() => onTake(text.slice(0, start) + suggestion + text.slice(end))}>Use {suggestion}</Button>}
    </div>
  );
}

function Chips({ q, onChange }: Pick<Props, 'q' | 'onChange'>) {
  const chips = chipsOf(readQuery(q).query);
  if (chips.length === 0) return null;
  return (
    <ul aria-label="Conditions" className="mt-2 flex flex-wrap items-center gap-1.5">
      {chips.map(({ text, without }) => (
        <li key={text} className={cn('num flex h-7 items-center rounded-control border border-line bg-sunken pl-2 text-12')}>
          {text}
          <button type="button" aria-label={`Remove ${text}`} onClick={() => onChange(without)} className="flex h-full items-center px-1.5 text-dim hover:text-ink"><X aria-hidden className="size-3.5" /></button>
        </li>
      ))}
      {chips.length > 1 && <li><Button look="quiet" size="small" onClick={() => onChange('')}>Clear all</Button></li>}
    </ul>
  );
}
