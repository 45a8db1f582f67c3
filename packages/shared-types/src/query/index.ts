export * from './ast.js';
export * from './fields.js';
export { canonicalNumber, folded } from './literal.js';
export * from './parse.js';
export * from './order.js';
export * from './format.js';
export * from './evaluate.js';
