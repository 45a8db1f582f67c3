/** What jobs use of the fleet's tables. */
export { refreshStatus, statusWithCpuUsed } from './status.store.js';
