#!/usr/bin/env node
import { ProblemError } from '@muster/shared-types';
import { Command } from 'commander';
import { type Logger, pino } from 'pino';
import { Agent } from './agent.js';
import { type AgentConfig, ConfigError, readConfig } from './config.js';
import { cleanEngine } from './docker/engine.js';
import { closeMachine, joinMarket, openMachine } from './machine.js';
import { AGENT_VERSION } from './version.js';

const RETRY_JOIN_MS = 5_000;

const program = new Command('muster-agent')
  .description('Offers this machine on a Muster market')
  .version(AGENT_VERSION)
  .addHelpText('after', '\nExample:\n  MUSTER_URL=https://market.example MUSTER_HOST_API_KEY=msh_… muster-agent run');

program.command('run').description('Enrol if needed, then serve the market until stopped').action(() => guarded(run));
program.command('clean').description('Remove every instance, mount, rule and bridge an agent of this folder left behind').action(() => guarded(clean));

const logger = (config: AgentConfig) => pino({ level: config.logLevel, base: { part: 'agent' }, redact: ['hostApiKey', '*.hostApiKey', 'token', '*.host_private_key'] });

async function run(config: AgentConfig): Promise<void> {
  const log = logger(config);
  const signalled = firstSignal();
  const machine = await openMachine(config, log);
  const joining = untilJoined(() => joinMarket(machine), (message) => log.warn({ message }, 'not enrolled yet; trying again'));
  const node = await Promise.race([joining, signalled]);
  if (typeof node === 'string') return leave(log, node, () => closeMachine(machine));
  const agent = await Agent.start(machine, node);
  log.info({ node_id: node.node_id, market: config.backendUrl }, 'agent is running');
  const signal = await signalled;
  await leave(log, signal, () => agent.stop(signal));
}

const firstSignal = (): Promise<string> =>
  new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => resolve(name));
  });

async function leave(log: Logger, signal: string, stop: () => Promise<void>): Promise<void> {
  log.info({ signal }, 'stopping');
  await stop();
  process.exit(0);
}

/** The market may come up after the agent; a refusal is final. */
async function untilJoined<T>(join: () => Promise<T>, onWait: (message: string) => void): Promise<T> {
  for (;;) {
    try {
      return await join();
    } catch (error) {
      if (error instanceof ProblemError && !error.problem.retryable) throw error;
      onWait(error instanceof Error ? error.message : String(error));
      await new Promise((resolve) => setTimeout(resolve, RETRY_JOIN_MS));
    }
  }
}

async function clean(config: AgentConfig): Promise<void> {
  await cleanEngine({ musterHome: config.musterHome, stateDir: config.stateDir, bridge: config.bridge, subnet: config.subnet, poolGb: config.poolGb ?? 5 });
}

/** Expected failures are told in words; 2 = configuration, 4 = refused by the market, 5 = everything else. */
async function guarded(work: (config: AgentConfig) => Promise<void>): Promise<void> {
  try {
    await work(readConfig());
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof ConfigError ? 2 : error instanceof ProblemError ? 4 : 5);
  }
}

// Last, so that everything above it exists.
await program.parseAsync();
