import { testConfig } from '../testkit/src/vitest-config.js';

// The test kit is built on this package, so this package reaches its source directly and never its build.
export default testConfig();
