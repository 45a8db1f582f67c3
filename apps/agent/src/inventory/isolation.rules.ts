/** The first release of each line without the known container escapes; lines before the first are never safe. */
export const SAFE_RUNC = ['1.3.6', '1.4.3', '1.5.0'] as const;
export const SAFE_TOOLKIT = '1.19.1';

type Version = readonly [major: number, minor: number, patch: number, release: boolean];

/** The first version in a text such as `1.1.5+ds1`, `v1.5.0-rc.2`, `runc version 1.3.6`; null without one. */
export function parseVersion(text: string): Version | null {
  const match = /(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(-(?:rc|beta|alpha|dev)\b)?/i.exec(text);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3] ?? 0), match[4] === undefined] : null;
}

/** At least `required`; a release candidate comes before its release. Unreadable = no. */
export function isAtLeast(actual: string | null, required: string): boolean {
  const have = parseVersion(actual ?? '');
  const want = parseVersion(required);
  if (have === null || want === null) return false;
  for (const i of [0, 1, 2] as const) if (have[i] !== want[i]) return have[i] > want[i];
  return have[3] || !want[3];
}

/** Each line of runc has its own first safe release; a line newer than all of them is safe. */
export function isSafeRunc(actual: string | null): boolean {
  const have = parseVersion(actual ?? '');
  if (have === null) return false;
  const line = SAFE_RUNC.find((safe) => safe.startsWith(`${have[0]}.${have[1]}.`));
  return isAtLeast(actual, line ?? SAFE_RUNC[SAFE_RUNC.length - 1] ?? '');
}

/** `full`: no known escape in runc, nor, where GPUs are handed in, in the NVIDIA Container Toolkit. */
export function isolationOf(machine: { runc: string | null; toolkit: string | null; hasGpus: boolean }): 'basic' | 'full' {
  return isSafeRunc(machine.runc) && (!machine.hasGpus || isAtLeast(machine.toolkit, SAFE_TOOLKIT)) ? 'full' : 'basic';
}
