'use client';

/** Tells the palette to open, wherever it is. */
export const PALETTE_EVENT = 'muster:palette';
export const openPalette = (): void => void window.dispatchEvent(new Event(PALETTE_EVENT));
