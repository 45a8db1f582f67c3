/** What the ledger does for rentals, inside their own transactions and under the locks of `lockMoneyOf`. */
export { lockUsers } from './accounts.store.js';
export { ratesOf } from './rates.rules.js';
export { isBilledOn, openRentalsOf } from './running.store.js';
export { ensureRentalAccounts, settleLocked } from './settle.store.js';
