import { COVERED_GAP_S } from '@muster/shared-types';

/** Longer than a silence that still counts as covered. */
export const isSilent = (mark: Date, now: Date): boolean => now.getTime() - mark.getTime() > COVERED_GAP_S * 1_000;
