'use client';
import { type ReactNode, useState } from 'react';
import type { UseQueryResult } from '@tanstack/react-query';
import { Button } from '@/components/ui/button';
import { type Column, DataTable } from '@/components/ui/data-table';
import { Input } from '@/components/ui/field';
import { Empty, Trouble, Waiting } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { useSettled } from '../rent/use-settled';

interface Props<T> {
  title: string;
  placeholder: string;
  columns: readonly Column<T>[];
  rowKey: (row: T) => string;
  /** A hook: asks with what is looked for, from a cursor on. */
  usePage: (q: string, cursor: string | undefined) => UseQueryResult<{ items: T[]; next: string | null }, Error>;
  action?: ReactNode;
}

/** A list that is looked through by a word, page by page. */
export function FoundList<T extends object>({ title, placeholder, columns, rowKey, usePage, action }: Props<T>) {
  const [typed, setTyped] = useState('');
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const q = useSettled(typed.trim(), 300);
  const page = usePage(q, cursors.at(-1));
  return (
    <Panel flush title={title} action={<>{action}<Input aria-label={`Search ${title.toLowerCase()}`} placeholder={placeholder} value={typed} onChange={(event) => { setTyped(event.target.value); setCursors([]); }} className="h-7 w-56" /></>}>
      {page.isPending && <Waiting rows={8} />}
      {page.error && !page.data && <Trouble className="m-4" error={page.error} what="It could not be loaded" onRetry={() => void page.refetch()} />}
      {page.data && (page.data.items.length > 0 ? <DataTable label={title} columns={columns} rows={page.data.items} rowKey={rowKey} /> : <Empty title={q === '' ? 'None' : 'Nothing has this in it'} />)}
      {(cursors.length > 0 || page.data?.next) && (
        <div className="flex justify-end gap-2 border-t border-line p-2">
          <Button size="small" disabled={cursors.length === 0} onClick={() => setCursors(cursors.slice(0, -1))}>Newer</Button>
          <Button size="small" disabled={!page.data?.next} onClick={() => page.data?.next && setCursors([...cursors, page.data.next])}>Older</Button>
        </div>
      )}
    </Panel>
  );
}

/** What a page of a list is asked with. */
export const found = (q: string, cursor: string | undefined) => ({ limit: 50, ...(q !== '' && { q }), ...(cursor !== undefined && { cursor }) });
