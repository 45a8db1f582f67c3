import { type ClassValue, clsx } from 'clsx';
import { extendTailwindMerge } from 'tailwind-merge';

const merge = extendTailwindMerge({ extend: { theme: { text: ['12', '13', '14', '16', '20', '28'], radius: ['control', 'panel'], 'font-weight': ['regular', 'medium', 'strong'] } } });

/** Class names, the last of two that contradict each other winning. */
export const cn = (...classes: ClassValue[]): string => merge(clsx(classes));
