'use client';
import { useState } from 'react';

/** When this very answer arrived here, in milliseconds. */
export function useSeenAt(answer: unknown): number {
  const [seen, setSeen] = useState(() => ({ answer, at: Date.now() }));
  if (seen.answer === answer) return seen.at;
  const next = { answer, at: Date.now() };
  setSeen(next);
  return next.at;
}
