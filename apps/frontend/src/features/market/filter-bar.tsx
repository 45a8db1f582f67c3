'use client';
import { type FormEvent, useState } from 'react';
import { X } from 'lucide-react';
import type { Offer } from '@muster/shared-types';
import { Input, Select } from '@/components/ui/field';
import { Button } from '@/components/ui/button';
import { cn } from '@/lib/cn';
import { chipsOf, cleaned, type Filters, isValid, NO_FILTERS } from './filters.rules';

interface Props {
  filters: Filters;
  /** To know which models there are. */
  offers: readonly Offer[];
  onChange: (filters: Filters) => void;
}

/** Conditions people use, and below them the same as chips: what they say is the query. */
export function FilterBar({ filters, offers, onChange }: Props) {
  const [typed, setTyped] = useState(filters);
  const set = (name: keyof Filters, value: string): void => setTyped((before) => ({ ...before, [name]: value }));
  const apply = (next: Filters): void => onChange(cleaned(next));
  const submit = (event: FormEvent): void => { event.preventDefault(); apply(typed); };
  const models = [...new Set([filters.gpu, ...offers.map(({ gpu_name }) => gpu_name ?? '')])].filter((name) => name !== '' && name !== 'none').toSorted();
  const number = (name: keyof Filters, label: string, unit: string, wide = 'w-16') => (
    <label className="flex items-center gap-1.5 text-13 text-dim">
      {label}
      <Input inputMode="decimal" value={typed[name]} placeholder="any" aria-invalid={!isValid(name, typed[name].trim()) || undefined} onChange={(event) => set(name, event.target.value)} onBlur={() => typed[name] !== filters[name] && apply(typed)} className={cn('num h-7', wide)} />
      {unit}
    </label>
  );
  return (
    <form onSubmit={submit} className="border-b border-line px-4 py-2.5" role="search" aria-label="Filter offers">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <label className="flex items-center gap-1.5 text-13 text-dim">
          GPU
          <Select value={typed.gpu} onChange={(event) => { set('gpu', event.target.value); apply({ ...typed, gpu: event.target.value, ...(event.target.value === 'none' && { gpus: '' }) }); }} className="h-7 w-36">
            <option value="">any</option>
            <option value="none">without GPU</option>
            {models.map((model) => <option key={model} value={model}>{model}</option>)}
          </Select>
        </label>
        {typed.gpu !== 'none' && number('gpus', 'GPUs', '', 'w-14')}
        {number('cpu', 'vCPU ≥', '', 'w-14')}
        {number('ram', 'RAM ≥', 'GiB', 'w-14')}
        {number('price', 'Price ≤', '$/h')}
        {number('reliability', 'Reliability ≥', '', 'w-16')}
        <button type="submit" className="sr-only">Apply filters</button>
      </div>
      <Chips filters={filters} onChange={onChange} />
    </form>
  );
}

function Chips({ filters, onChange }: Pick<Props, 'filters' | 'onChange'>) {
  const chips = chipsOf(filters);
  if (chips.length === 0) return null;
  return (
    <div className="mt-2 flex flex-wrap items-center gap-1.5">
      {chips.map(({ name, text }) => (
        <span key={name} className="num flex h-7 items-center rounded-control border border-line bg-sunken pl-2 text-12">
          {text}
          <button type="button" aria-label={`Remove ${text}`} onClick={() => onChange({ ...filters, [name]: '' })} className="flex h-full items-center px-1.5 text-dim hover:text-ink"><X aria-hidden className="size-3.5" /></button>
        </span>
      ))}
      {chips.length > 1 && <Button look="quiet" size="small" onClick={() => onChange(NO_FILTERS)}>Clear all</Button>}
    </div>
  );
}
