import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * The Prisma CLI hands this URL to the engine as an argument, which every user of the machine can read: user and
 * password stay in the environment, where our engine takes them from.
 */
function withoutCredentials(url: string): string {
  const stripped = new URL(url);
  stripped.username = '';
  stripped.password = '';
  return stripped.href;
}

export default {
  schema: join(here, 'schema.prisma'),
  migrations: { path: join(here, 'migrations') },
  datasource: { url: withoutCredentials(process.env['DATABASE_URL'] ?? 'postgresql://127.0.0.1:5432/muster') },
};
