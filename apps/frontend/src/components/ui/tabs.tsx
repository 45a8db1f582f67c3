'use client';
import type { ReactNode } from 'react';
import { Tabs as Radix } from 'radix-ui';

export interface Tab {
  id: string;
  title: ReactNode;
  body: ReactNode;
}

export function Tabs({ tabs, value, onChange, label }: { tabs: readonly Tab[]; value: string; onChange: (id: string) => void; label: string }) {
  return (
    <Radix.Root value={value} onValueChange={onChange}>
      <Radix.List aria-label={label} className="mb-4 flex gap-1 overflow-x-auto border-b border-line">
        {tabs.map(({ id, title }) => (
          <Radix.Trigger key={id} value={id} className="-mb-px h-9 shrink-0 border-b-2 border-transparent px-3 text-13 text-dim hover:text-ink data-[state=active]:border-accent data-[state=active]:text-ink">
            {title}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map(({ id, body }) => (
        <Radix.Content key={id} value={id} className="outline-none">{body}</Radix.Content>
      ))}
    </Radix.Root>
  );
}
