import { testConfig } from './src/vitest-config.js';

export default testConfig({ postgres: true });
