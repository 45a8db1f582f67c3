'use client';
import dynamic from 'next/dynamic';

/** Both are fetched when the first of them opens: no page needs them to be read. */
export const Sheet = dynamic(() => import('./floating-sheet').then((module) => module.Sheet), { ssr: false });
export const Ask = dynamic(() => import('./floating-sheet').then((module) => module.Ask), { ssr: false });
