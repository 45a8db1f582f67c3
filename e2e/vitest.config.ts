import { testConfig } from '@muster/testkit/vitest-config';
import { mergeConfig } from 'vitest/config';

// Two markets side by side: each brings every part of its own, and waits most of the time.
export default mergeConfig(testConfig(), { test: { maxWorkers: 2, bail: 0 } });
