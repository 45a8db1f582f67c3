export * from './client.js';
export * from './exec.js';
export * from './live.js';
