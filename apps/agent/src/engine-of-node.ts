import type { Logger } from 'pino';
import type { AgentConfig } from './config.js';
import { startEngine } from './docker/engine.js';
import { LateEngine } from './docker/late-engine.js';
import type { Engine, EngineConfig } from './docker/types.js';
import { NodeFile, readJson, type StateDir } from './state-dir.js';

const engineConfig = (config: AgentConfig, poolGb: number): EngineConfig => ({
  musterHome: config.musterHome,
  stateDir: config.stateDir,
  bridge: config.bridge,
  subnet: config.subnet,
  poolGb,
  proxyEnv: config.proxyEnv,
  ...(config.externalDocker && { externalHost: config.externalDocker }),
  ...(config.dockerd && { dockerdPath: config.dockerd }),
  ...(config.path && { path: config.path }),
});

/** Who enrols needs an engine. A node may have tenants, so it goes on without one and keeps trying. */
export async function engineOfNode(dir: StateDir, agent: AgentConfig, poolGb: number, log: Logger): Promise<Engine> {
  const config = engineConfig(agent, poolGb);
  if ((await readJson(dir.node, NodeFile)).kind !== 'ok') return startEngine(config);
  let told = '';
  const engine = new LateEngine(config, () => startEngine(config), (error) => {
    const message = error instanceof Error ? error.message : String(error);
    if (message !== told) log.error({ message }, 'the engine cannot be brought up; trying again');
    told = message;
  });
  await engine.open();
  return engine;
}
