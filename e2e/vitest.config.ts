import { testConfig } from '@muster/testkit/vitest-config';
import { mergeConfig } from 'vitest/config';

// One market at a time: each brings every part of its own, and two cores carry no more.
export default mergeConfig(testConfig(), { test: { maxWorkers: 1, fileParallelism: false, bail: 0 } });
