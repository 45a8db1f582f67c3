export { loadConfig, type GateConfig } from './config.js';
export { runGate, type RunningGate } from './run-gate.js';
export { prepareFrps, type PreparedFrps } from './prepare-frps.js';
export { renderFrpsConfig, type FrpsSettings } from './frps-config.rules.js';
