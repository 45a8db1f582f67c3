import { createRequire } from 'node:module';
import { z } from 'zod';

const require = createRequire(import.meta.url);

/** Version of this program, from its package file. */
export const VERSION = z.object({ version: z.string() }).parse(require('../../package.json')).version;
