'use client';
import type { ReactElement } from 'react';
import { Popover, Tooltip } from 'radix-ui';
import { cn } from '@/lib/cn';
import type { HintProps, PopProps } from './hint';

const CARD = 'arrive z-50 rounded-control border border-line bg-raised text-13 text-ink shadow-float';

export function HintWindow({ children, text, side = 'top' }: HintProps): ReactElement {
  return (
    <Tooltip.Provider delayDuration={200}>
      <Tooltip.Root defaultOpen>
        <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
        <Tooltip.Portal>
          <Tooltip.Content side={side} sideOffset={6} collisionPadding={8} className={cn(CARD, 'max-w-80 px-2.5 py-1.5')}>{text}</Tooltip.Content>
        </Tooltip.Portal>
      </Tooltip.Root>
    </Tooltip.Provider>
  );
}

export function PopWindow({ trigger, children, align = 'end', label, className }: PopProps): ReactElement {
  return (
    <Popover.Root defaultOpen>
      <Popover.Trigger asChild>{trigger}</Popover.Trigger>
      <Popover.Portal>
        <Popover.Content aria-label={label} align={align} sideOffset={6} collisionPadding={8} className={cn(CARD, 'max-h-[70vh] w-[min(420px,calc(100vw-16px))] overflow-y-auto p-3 outline-none', className)}>{children}</Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
