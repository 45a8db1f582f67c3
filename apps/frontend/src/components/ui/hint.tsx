'use client';
import { cloneElement, type ReactElement, type ReactNode, useState } from 'react';

export interface HintProps {
  children: ReactElement;
  text: ReactNode;
  side?: 'top' | 'bottom' | 'left' | 'right';
}

export interface PopProps {
  trigger: ReactElement;
  children: ReactNode;
  align?: 'start' | 'center' | 'end';
  label: string;
  className?: string;
}

type Module = typeof import('./floating-hint');
const load = (): Promise<Module> => import('./floating-hint');

/** More about what is under the pointer or has the focus; the trigger must make sense without it. Its code comes with the first pointer. */
export function Hint(props: HintProps) {
  const [module, setModule] = useState<Module>();
  if (module) return <module.HintWindow {...props} />;
  const wake = (): void => void load().then(setModule);
  return cloneElement(props.children as ReactElement<Record<string, unknown>>, { onPointerEnter: wake, onFocus: wake });
}

/** Opens at a press, stays until it is left. Its code comes with the first press, or the pointer that is about to. */
export function Pop(props: PopProps) {
  const [module, setModule] = useState<Module>();
  if (module) return <module.PopWindow {...props} />;
  return cloneElement(props.trigger as ReactElement<Record<string, unknown>>, { 'aria-haspopup': 'dialog', 'aria-expanded': false, onPointerEnter: () => void load(), onClick: () => void load().then(setModule) });
}
