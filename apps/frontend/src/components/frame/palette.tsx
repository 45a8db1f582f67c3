'use client';
import { useEffect, useState } from 'react';
import dynamic from 'next/dynamic';
import { PALETTE_EVENT } from './palette-state';

const PaletteWindow = dynamic(() => import('./palette-window').then((module) => module.PaletteWindow), { ssr: false });

/** Waits for Ctrl K or ⌘K; what it opens is fetched then. */
export function Palette() {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== 'k' || !(event.metaKey || event.ctrlKey)) return;
      event.preventDefault();
      setOpen(true);
    };
    const onOpen = (): void => setOpen(true);
    window.addEventListener('keydown', onKey);
    window.addEventListener(PALETTE_EVENT, onOpen);
    return () => {
      window.removeEventListener('keydown', onKey);
      window.removeEventListener(PALETTE_EVENT, onOpen);
    };
  }, []);
  return open ? <PaletteWindow onClose={() => setOpen(false)} /> : null;
}
