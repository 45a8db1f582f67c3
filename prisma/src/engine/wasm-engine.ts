import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as engineModule from '@prisma/schema-engine-wasm/schema_engine_bg';
import type { EngineAdapterFactory } from './engine-adapter.js';

/** Node has it; its types come only with those of a browser's whole DOM. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  instantiate(module: object, imports: Record<string, object>): Promise<{ exports: Record<string, unknown> }>;
};

/** The engine's methods by the names that the Prisma CLI calls them. */
export type SchemaEngine = Record<string, (params: unknown) => Promise<unknown>>;

/** Set by the engine's panic hook; a panic otherwise shows as a bare "unreachable". */
let panic: string | undefined;

export function lastPanic(): string | undefined {
  return panic;
}

/** Loads the schema engine that the npm package ships as WebAssembly. */
export async function loadEngine(datamodels: readonly [string, string][], adapters: EngineAdapterFactory): Promise<SchemaEngine> {
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const compiled = await WebAssembly.compile(await readFile(join(dirname(entry), 'schema_engine_bg.wasm')));
  const instance = await WebAssembly.instantiate(compiled, { './schema_engine_bg.js': engineModule });
  engineModule.__wbg_set_wasm(instance.exports);
  (instance.exports['__wbindgen_start'] as (() => void) | undefined)?.();
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: (message: string) => (panic = message) } });
  const models = datamodels.length > 0 ? [...datamodels] : undefined;
  const engine = await engineModule.SchemaEngine.new({ datamodels: models }, () => undefined, bindMigrationAwareSqlAdapterFactory(adapters));
  return engine as unknown as SchemaEngine;
}
