import { testConfig } from '../packages/testkit/src/vitest-config.js';

// The test kit depends on this package, so this package reaches its source directly and never its build.
export default testConfig({ postgres: true });
