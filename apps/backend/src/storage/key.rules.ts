/** Segments start with a letter or digit, so that no key is a hidden file or climbs out of its folder. */
const KEY = /^[a-z0-9][a-z0-9._-]{0,127}(\/[a-z0-9][a-z0-9._-]{0,127}){0,5}$/;

export const isKey = (text: string): boolean => KEY.test(text);

/** A folder of objects: a key with a slash at its end. */
export const isFolder = (text: string): boolean => text.endsWith('/') && isKey(text.slice(0, -1));

/** A key as one segment of a URL path, and back. Keys hold no colon. */
export const segmentOfKey = (key: string): string => key.replaceAll('/', ':');
export const keyOfSegment = (segment: string): string => segment.replaceAll(':', '/');
