import { type InstanceSpec, makeProblem } from '@muster/shared-types';
import type { Logger } from 'pino';
import { bootId, bootSeconds } from '../boot-clock.js';
import type { Engine } from '../docker/types.js';
import type { Execs } from '../exec/execs.js';
import type { NodeIdentity } from '../identity.js';
import type { DesiredStore } from '../loop/desired-store.js';
import { type DesiredDoc, foreignOrder, type Merge, mergeDesiredState, mergeDrain, mergeStart, mergeStop, type Moment } from '../loop/desired.rules.js';
import type { Loop } from '../loop/loop.js';
import type { Tasks } from '../tasks/tasks.js';
import type { Tunnels } from '../tunnel/types.js';
import type { ServerHandlers } from './connection.js';
import { logsOf } from './log-follow.js';

export interface HandlerParts {
  identity: NodeIdentity;
  nodeId: string;
  agentVersion: string;
  store: DesiredStore;
  loop: Loop;
  engine: Engine;
  tunnels: Tunnels;
  /** Null while the agent starts. */
  tasks: () => Tasks | null;
  execs: Execs;
  log: Logger;
  /** The market that challenged the connection; null before it has. */
  challengedBy: () => string | null;
}

const moment = (): Moment => ({ bootId: bootId(), bootS: bootSeconds() });
const OK = { ok: true } as const;

/** What the agent does with each message of the market. An order is acked after it is on disk. */
export function serverHandlers(parts: HandlerParts): ServerHandlers {
  const apply = async (merge: (doc: DesiredDoc, now: Moment) => Merge) => {
    const merged = merge(parts.store.doc, moment());
    if (merged.kind === 'refused') {
      parts.log.warn({ reason: merged.reason }, 'an order of the market was refused');
      return { ok: false as const, problem: makeProblem('stale_message', { detail: merged.reason }) };
    }
    await parts.store.save(merged.doc);
    parts.loop.told();
    return OK;
  };
  const applyOrder = (merge: (doc: DesiredDoc, now: Moment) => Merge) => apply((doc, now) => foreignOrder(doc, parts.challengedBy()) ?? merge(doc, now));
  const withTasks = async (work: (tasks: Tasks) => Promise<void>) => {
    const foreign = foreignOrder(parts.store.doc, parts.challengedBy());
    if (foreign?.kind === 'refused') return { ok: false as const, problem: makeProblem('stale_message', { detail: foreign.reason }) };
    const tasks = parts.tasks();
    if (!tasks) return { ok: false as const, problem: makeProblem('unavailable') };
    await work(tasks);
    return OK;
  };
  const withPorts = async (specs: readonly InstanceSpec[], merged: () => ReturnType<typeof apply>) => {
    const errors = specs.flatMap(portErrors);
    return errors.length > 0 ? { ok: false as const, problem: makeProblem('invalid_request', { errors }) } : merged();
  };
  /** Of the token this process got last, and the market that gave it. */
  let token: { from: string | null; expiresAt: string } | undefined;
  return {
    challenge: async ({ nonce, cluster_id }) => ({
      ok: true,
      node_id: parts.nodeId,
      signature: parts.identity.signConnect(nonce, parts.nodeId),
      agent_version: parts.agentVersion,
      boot_id: bootId(),
      ...(token?.from === cluster_id ? { tunnel_token_expires_at: token.expiresAt } : {}),
    }),
    desired_state: (message) => withPorts(message.instances, () => apply((doc, now) => mergeDesiredState(doc, message, now))),
    start_instance: (message) => withPorts([message], () => applyOrder((doc, now) => mergeStart(doc, message, now))),
    stop_instance: (message) => applyOrder((doc, now) => mergeStop(doc, message, now)),
    drain_node: ({ generation }) => applyOrder((doc) => mergeDrain(doc, generation)),
    tunnel_token: async ({ token: jwt, expires_at: expiresAt }) => {
      await parts.tunnels.setToken(jwt);
      token = { from: parts.challengedBy(), expiresAt };
      return OK;
    },
    run_tasks: ({ executions }) => withTasks((tasks) => tasks.accept(executions)),
    cancel_tasks: (message) => withTasks((tasks) => tasks.cancel(message)),
    log_request: (request) => logsOf(parts.engine, request),
    ...execHandlers(parts),
  };
}

/** Commands of people; of the market that this node belongs to. */
function execHandlers(parts: HandlerParts): Pick<ServerHandlers, 'exec_open' | 'exec_data' | 'exec_resize'> {
  const { execs } = parts;
  return {
    exec_open: async (open) => {
      const foreign = foreignOrder(parts.store.doc, parts.challengedBy());
      if (foreign?.kind === 'refused') return { ok: false, problem: makeProblem('stale_message', { detail: foreign.reason }) };
      const opened = await execs.open(open);
      return opened.ok ? OK : opened;
    },
    exec_data: async (frame) => {
      execs.received(frame);
      return OK;
    },
    exec_resize: async (size) => {
      execs.resize(size);
      return OK;
    },
  };
}

/** frpc would refuse such a tunnel for ever. */
function portErrors(spec: InstanceSpec): { path: string; message: string }[] {
  const [containerPorts, publicPorts] = [Object.keys(spec.proxy_port_mapping).map(Number), Object.values(spec.proxy_port_mapping)];
  const wrong = containerPorts.filter((port) => port < 1 || port > 65_535).map((port) => `there is no port ${port}`);
  const twice = new Set(publicPorts).size < publicPorts.length ? ['two container ports share a public port'] : [];
  return [...wrong, ...twice].map((message) => ({ path: `${spec.rental_id}.proxy_port_mapping`, message }));
}
