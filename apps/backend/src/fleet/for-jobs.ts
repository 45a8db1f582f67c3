/** What jobs use of the fleet's tables. */
export { refreshStatus } from './status.store.js';
