export { delay, freePort, isPortFree, waitFor, type WaitOptions } from '@muster/local-services';
export { fakeClock, type FakeClock } from './clock.js';
export { createDatabaseAt, createEmptyDatabase, createTestDatabase, type TestDatabase } from './postgres.js';
export { startTestRedis, type TestRedis } from './redis.js';
export { findInfluxd, startTestInflux, type TestInflux } from './influx.js';
export { findVersitygw, startTestS3, type TestS3 } from './s3.js';
export { claimServerDir, reapOrphans, removeServerDir } from './test-servers.js';
export { testCacheDir } from './test-postgres-server.js';
