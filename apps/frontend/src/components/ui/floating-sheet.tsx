'use client';
import type { ReactNode } from 'react';
import { Dialog } from 'radix-ui';
import { X } from 'lucide-react';
import { cn } from '@/lib/cn';

interface Props {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  /** One sentence below the title. */
  note?: ReactNode;
  children: ReactNode;
  className?: string;
}

/** Comes from the right; the page behind stays where it was. */
export function Sheet(props: Props) {
  return <Floating {...props} place="arrive-right inset-y-0 right-0 w-full max-w-[880px] border-l" />;
}

/** A question in the middle of the page. */
export function Ask(props: Props) {
  return <Floating {...props} place="arrive-up top-[12vh] left-1/2 -translate-x-1/2 w-[calc(100%-2rem)] max-w-[520px] max-h-[80vh] rounded-panel border" />;
}

function Floating({ open, onClose, title, note, children, className, place }: Props & { place: string }) {
  return (
    <Dialog.Root open={open} onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="arrive fixed inset-0 z-40 bg-veil" />
        <Dialog.Content {...(note == null && { 'aria-describedby': undefined })} className={cn('fixed z-50 flex flex-col border-line bg-ground shadow-float outline-none', place, className)}>
          <header className="flex items-start gap-3 border-b border-line bg-panel px-5 py-3">
            <div className="min-w-0 flex-1">
              <Dialog.Title className="text-16">{title}</Dialog.Title>
              {note != null && <Dialog.Description className="mt-0.5 text-13 text-dim">{note}</Dialog.Description>}
            </div>
            <Dialog.Close aria-label="Close" className="-mr-1.5 rounded-control p-1.5 text-dim hover:bg-sunken hover:text-ink"><X aria-hidden className="size-4" /></Dialog.Close>
          </header>
          <div className="min-h-0 flex-1 overflow-y-auto">{children}</div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
