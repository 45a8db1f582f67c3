'use client';
import { useState } from 'react';
import { cn } from '@/lib/cn';
import { type Theme, THEME_COOKIE, themeOf } from '@/lib/theme.rules';

const CHOICES: readonly [Theme, string][] = [['system', 'As the system'], ['light', 'Light'], ['dark', 'Dark']];
const YEAR_S = 365 * 86_400;

export function ThemeChoice() {
  const [theme, setTheme] = useState<Theme>(() => (typeof document === 'undefined' ? 'system' : (themeOf(document.documentElement.dataset['theme']) ?? 'system')));
  const choose = (next: Theme): void => {
    setTheme(next);
    const root = document.documentElement;
    if (next === 'system') delete root.dataset['theme'];
    else root.dataset['theme'] = next;
    document.cookie = `${THEME_COOKIE}=${next}; path=/; max-age=${YEAR_S}; samesite=lax`; // for the server, so that no page flashes
  };
  return (
    <div role="radiogroup" aria-label="Theme" className="inline-flex rounded-control border border-line-strong p-0.5" suppressHydrationWarning>
      {CHOICES.map(([id, name]) => (
        <button key={id} type="button" role="radio" aria-checked={theme === id} onClick={() => choose(id)} className={cn('h-7 rounded-[4px] px-3 text-13', theme === id ? 'bg-sunken font-medium text-ink' : 'text-dim hover:text-ink')} suppressHydrationWarning>{name}</button>
      ))}
    </div>
  );
}
