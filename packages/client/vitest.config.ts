import { testConfig } from '../testkit/src/vitest-config.js';

export default testConfig();
