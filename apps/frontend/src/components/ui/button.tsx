import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { Slot } from 'radix-ui';
import { cn } from '@/lib/cn';

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: 'primary' | 'plain' | 'quiet' | 'danger' | undefined;
  size?: 'small' | 'normal' | 'large' | undefined;
  /** The child (a link) is what is rendered. */
  asChild?: boolean | undefined;
  /** Something is under way: it says so, and cannot be pressed again. */
  busy?: boolean | undefined;
  children: ReactNode;
}

const LOOKS = {
  primary: 'bg-accent text-on-accent hover:bg-accent-hover font-medium',
  plain: 'bg-panel text-ink border border-line-strong hover:bg-sunken',
  quiet: 'text-dim hover:text-ink hover:bg-sunken',
  danger: 'bg-panel text-failed border border-line-strong hover:border-failed-mark',
};
const SIZES = { small: 'h-7 px-2 text-13 gap-1.5', normal: 'h-8 px-3 text-13 gap-2', large: 'h-10 px-4 text-14 gap-2' };

export function Button({ look = 'plain', size = 'normal', asChild = false, busy = false, className, disabled, type = 'button', ...rest }: ButtonProps) {
  const Element = asChild ? Slot.Root : 'button';
  const own = asChild ? {} : { type, disabled: disabled || busy, 'aria-busy': busy || undefined };
  return (
    <Element
      {...own}
      className={cn('inline-flex shrink-0 items-center justify-center rounded-control whitespace-nowrap transition-colors duration-100 disabled:cursor-not-allowed disabled:opacity-55 [&_svg]:size-4 [&_svg]:shrink-0', LOOKS[look], SIZES[size], busy && 'cursor-progress', className)}
      {...rest}
    />
  );
}
