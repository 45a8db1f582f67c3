'use client';
import type { ReactNode } from 'react';
import { Popover, Tooltip } from 'radix-ui';
import { cn } from '@/lib/cn';

const CARD = 'arrive z-50 rounded-control border border-line bg-raised text-13 text-ink shadow-float';

/** More about what is under the pointer or has the focus; the trigger must make sense without it. */
export function Hint({ children, text, side = 'top' }: { children: ReactNode; text: ReactNode; side?: 'top' | 'bottom' | 'left' | 'right' }) {
  return (
    <Tooltip.Provider delayDuration={200}>
      <Tooltip.Root>
        <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
        <Tooltip.Portal>
          <Tooltip.Content side={side} sideOffset={6} collisionPadding={8} className={cn(CARD, 'max-w-80 px-2.5 py-1.5')}>{text}</Tooltip.Content>
        </Tooltip.Portal>
      </Tooltip.Root>
    </Tooltip.Provider>
  );
}

/** Opens at a press, stays until it is left. */
export function Pop({ trigger, children, align = 'end', label, className }: { trigger: ReactNode; children: ReactNode; align?: 'start' | 'center' | 'end'; label: string; className?: string }) {
  return (
    <Popover.Root>
      <Popover.Trigger asChild>{trigger}</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content aria-label={label} align={align} sideOffset={6} collisionPadding={8} className={cn(CARD, 'max-h-[70vh] w-[min(420px,calc(100vw-16px))] overflow-y-auto p-3 outline-none', className)}>{children}</Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
