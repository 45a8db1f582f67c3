export const THEME_COOKIE = 'muster_theme';
export type Theme = 'system' | 'light' | 'dark';

/** For the page's root element; undefined follows the system. */
export const themeOf = (text: string | undefined): 'light' | 'dark' | undefined => (text === 'light' || text === 'dark' ? text : undefined);
