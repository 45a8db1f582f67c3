import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { WaitingLast } from './waiting-last.js';

export interface TestConfigOptions {
  /** Starts (or uses) the real Postgres of the run, with the migrated template. */
  postgres?: boolean;
  /** Further global set-up files. */
  globalSetup?: string[];
}

/** The one vitest configuration: limits for two slow cores, real servers, skipped tests named at the end. */
export function testConfig(options: TestConfigOptions = {}): ViteUserConfig {
  return defineConfig({
    test: {
      include: ['src/**/*.spec.ts', 'test/**/*.spec.ts'],
      globalSetup: [...(options.postgres ? [beside('postgres-setup.js')] : []), ...(options.globalSetup ?? [])],
      reporters: ['default', beside('skip-report.js')],
      pool: 'forks',
      maxWorkers: 2,
      sequence: { sequencer: WaitingLast },
      // Real servers share ports with whatever else runs: on CI a test is red when it fails twice. The report names a retried one.
      retry: process.env['CI'] ? 1 : 0,
      testTimeout: 120_000,
      hookTimeout: 180_000,
      teardownTimeout: 30_000,
    },
  });
}

function beside(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
