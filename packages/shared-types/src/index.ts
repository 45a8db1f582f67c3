export * from './enums.js';
export * from './units.js';
export * from './numbers.js';
export * from './problems.js';
export * from './entities/inventory.js';
export * from './events/agent.js';
export * from './events/gate.js';
