'use client';
import { type ReactNode } from 'react';
import { type ColumnDef, type RowData, tableFeatures, useTable } from '@tanstack/react-table';
import { cn } from '@/lib/cn';

const features = tableFeatures({});

export interface Column<T> {
  id: string;
  title: ReactNode;
  cell: (row: T) => ReactNode;
  /** Figures stand right. */
  right?: boolean;
  /** Widths and when to hide, e.g. `hidden md:table-cell`. */
  className?: string;
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  className?: string;
}

/** Rows of 36 px that people compare. Wide ones scroll by themselves, never the page. */
export function DataTable<T extends RowData>({ label, columns, rows, rowKey, className }: Props<T>) {
  const byId = new Map(columns.map((column) => [column.id, column]));
  const defs: ColumnDef<typeof features, T>[] = columns.map(({ id, title, cell }) => ({ id, header: () => (title === '' ? <span className="sr-only">Actions</span> : title), cell: ({ row }) => cell(row.original) }));
  const table = useTable({ features, columns: defs, data: rows, getRowId: (row) => rowKey(row) });
  const looks = (id: string): string => cn('px-3 first:pl-4 last:pr-4', byId.get(id)?.right && 'text-right', byId.get(id)?.className);
  return (
    <div role="region" aria-label={label} tabIndex={0} className={cn('overflow-x-auto', className)}>
      <table className="w-full border-collapse text-13">
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id} className="border-b border-line text-left text-12 text-dim">
              {group.headers.map((header) => <th key={header.id} scope="col" className={cn('h-8 whitespace-nowrap', looks(header.column.id))}><table.FlexRender header={header} /></th>)}
            </tr>
          ))}
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id} className="relative h-9 border-b border-line last:border-0 hover:bg-sunken">
              {row.getAllCells().map((cell) => <td key={cell.id} className={cn('whitespace-nowrap', looks(cell.column.id))}><table.FlexRender cell={cell} /></td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
