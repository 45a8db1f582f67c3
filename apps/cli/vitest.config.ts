import { testConfig } from '@muster/testkit/vitest-config';

export default testConfig();
