'use client';
import { type InputHTMLAttributes, useState } from 'react';
import { Field, Input, Select, Textarea } from '@/components/ui/field';
import { Panel } from '@/components/ui/panel';
import type { Draft, DraftErrors } from './draft.rules';

interface Props {
  draft: Draft;
  errors: DraftErrors;
  onChange: (draft: Draft) => void;
}

/** Errors are told once a field was left, not while the first letter is typed. */
export function DraftForm({ draft, errors, onChange }: Props) {
  const [left, setLeft] = useState<ReadonlySet<keyof Draft>>(new Set());
  const set = <K extends keyof Draft>(name: K, value: Draft[K]): void => onChange({ ...draft, [name]: value });
  const error = (name: keyof Draft): string | undefined => (left.has(name) ? errors[name] : undefined);
  const leave = (name: keyof Draft) => (): void => setLeft((before) => new Set(before).add(name));
  const text = (name: 'name' | 'image' | 'command' | 'redundancy' | 'consensus' | 'cpu' | 'memory' | 'gpus' | 'timeout' | 'chunk' | 'maxPrice', label: string, more: InputHTMLAttributes<HTMLInputElement> & { hint?: string } = {}) => {
    const { hint, ...rest } = more;
    return <Field label={label} hint={hint} error={error(name)}>{(wiring) => <Input {...wiring} className={name === 'name' ? '' : 'num'} value={draft[name]} onChange={(event) => set(name, event.target.value)} onBlur={leave(name)} {...rest} />}</Field>;
  };
  const area = (name: 'env' | 'input' | 'axes', label: string, hint: string, placeholder: string) => (
    <Field label={label} hint={hint} error={error(name)}>{(wiring) => <Textarea {...wiring} rows={3} spellCheck={false} placeholder={placeholder} value={draft[name]} onChange={(event) => set(name, event.target.value)} onBlur={leave(name)} />}</Field>
  );
  return (
    <div className="flex flex-col gap-4">
      <Panel title="What runs">
        <div className="flex flex-col gap-4">
          {text('name', 'Name', { placeholder: 'word counts', maxLength: 200 })}
          {text('image', 'Image', { placeholder: 'muster/workspace', hint: 'By digest, every copy runs the same bytes' })}
          {text('command', 'Command', { placeholder: 'sh -c "sort /input/data | uniq -c"', hint: 'Split as a shell would; what it writes to standard output is the result' })}
          {area('input', 'Input', 'Lies in /input/data', 'text that every task sees')}
          {area('env', 'Environment', 'NAME=value, one a line', 'MODE=fast')}
        </div>
      </Panel>
      <Panel title="How it is split">
        <div className="flex flex-col gap-4">
          <Field label="Tasks">{(wiring) => (
            <Select {...wiring} value={draft.plan} onChange={(event) => set('plan', event.target.value as Draft['plan'])}>
              <option value="single">one task</option>
              <option value="matrix">one per combination of values</option>
              <option value="lines">one per so many lines of the input</option>
            </Select>
          )}</Field>
          {draft.plan === 'matrix' && area('axes', 'Values', 'NAME: a, b, c, one a line; each reaches the container as an environment variable', 'SEED: 1, 2, 3')}
          {draft.plan === 'lines' && text('chunk', 'Lines per task', { inputMode: 'numeric' })}
          {draft.plan !== 'single' && (
            <Field label="Made into one result">{(wiring) => (
              <Select {...wiring} value={draft.aggregate} onChange={(event) => set('aggregate', event.target.value as Draft['aggregate'])}>
                <option value="none">no, parts stay parts</option>
                <option value="concat">one after another</option>
                <option value="json_merge">JSON merged</option>
              </Select>
            )}</Field>
          )}
        </div>
      </Panel>
      <Panel title="How it is verified, and on what">
        <div className="grid grid-cols-2 gap-4 sm:grid-cols-4">
          {text('redundancy', 'Copies', { inputMode: 'numeric', hint: 'on different machines' })}
          {text('consensus', 'Must agree', { inputMode: 'numeric', hint: 'same SHA-256' })}
          {text('timeout', 'Time limit, s', { inputMode: 'numeric' })}
          {text('maxPrice', 'Costs at most, $', { inputMode: 'decimal', placeholder: 'cheapest fit' })}
          {text('cpu', 'vCPU', { inputMode: 'numeric' })}
          {text('memory', 'RAM, MiB', { inputMode: 'numeric' })}
          {text('gpus', 'GPUs', { inputMode: 'numeric' })}
          <Field label="Network">{(wiring) => <Select {...wiring} value={draft.network} onChange={(event) => set('network', event.target.value as Draft['network'])}><option value="none">none</option><option value="egress">outward</option></Select>}</Field>
        </div>
      </Panel>
    </div>
  );
}
