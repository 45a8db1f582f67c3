export { createClient, type ClientOptions } from './client.js';
export * from './generated/client.js';
export { migrateDeploy, migrationChecksums, type DeployOptions } from './migrate.js';
