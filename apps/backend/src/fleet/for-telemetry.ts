/** What the judgement of a machine's health uses of the fleet. */
export { refreshStatus } from './status.store.js';
export { lifecycleAfterPreflight } from './node.rules.js';
export { failedChecks } from './preflight.rules.js';
