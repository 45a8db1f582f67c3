import { z } from 'zod';
import { DEFAULT_PORTS } from '@muster/shared-types';

const origin = z.url({ protocol: /^https?$/, error: 'must be an http(s) address, e.g. http://127.0.0.1:8080' }).transform((url) => new URL(url).origin);

const Environment = z.object({
  /** The API as this server reaches it. */
  MUSTER_API_URL: origin.default(`http://127.0.0.1:${DEFAULT_PORTS.api}`),
  /** The API as browsers reach it: for the live socket alone. */
  MUSTER_PUBLIC_URL: origin.optional(),
  /** This site as browsers reach it. Another name than the tunnels', because cookies know no ports. */
  MUSTER_WEB_URL: origin.default(`http://localhost:${DEFAULT_PORTS.web}`),
});

export interface WebConfig {
  apiUrl: string;
  publicApiUrl: string;
  webUrl: string;
  /** `next dev` compiles in the browser, which needs more of the script policy. */
  isDevelopment: boolean;
}

let known: WebConfig | undefined;

/** Everything this server takes from outside, read once. Throws with one line per wrong variable. */
export function config(): WebConfig {
  known ??= read(process.env);
  return known;
}

function read(env: NodeJS.ProcessEnv): WebConfig {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = Environment.safeParse(given);
  if (!parsed.success) throw new Error(parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('\n'));
  const { MUSTER_API_URL: apiUrl, MUSTER_PUBLIC_URL: publicApiUrl, MUSTER_WEB_URL: webUrl } = parsed.data;
  return { apiUrl, publicApiUrl: publicApiUrl ?? apiUrl, webUrl, isDevelopment: env.NODE_ENV === 'development' };
}
