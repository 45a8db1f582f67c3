import type { Logger } from 'pino';
import { admitLogin, admitNewProxy, refusalText, type Refusal, type Verdict } from './admission.rules.js';
import { FrpRequest, type FrpAnswer, type LoginContent, type NewProxyContent } from './frp-request.js';
import { RefusalLog } from './refusal-log.js';
import { TokenChecker } from './token.js';
import type { Table } from './table.js';

/** Answers frps from memory. Nothing here waits for the network: frps has no timeout on its side. */
export class Gate {
  /** `op result` → how often, since the start. */
  readonly counts = new Map<string, number>();
  private readonly tokens: TokenChecker;
  private readonly refusals: RefusalLog;

  constructor(
    private readonly table: Table,
    issuer: () => string,
    private readonly log: Logger,
    nowMs: () => number = Date.now,
  ) {
    this.tokens = new TokenChecker(issuer);
    this.refusals = new RefusalLog(log, nowMs);
  }

  /** Total: whatever comes in, an answer goes out. `body` is parsed JSON or undefined. */
  async answer(body: unknown): Promise<FrpAnswer> {
    const request = FrpRequest.safeParse(body);
    if (!request.success) return this.refuse('unknown', { node_id: '' }, 'malformed');
    switch (request.data.op) {
      case 'Login':
        return this.login(request.data.content);
      case 'NewProxy':
        return this.newProxy(request.data.content);
      case 'CloseProxy':
        return this.allow('CloseProxy', {});
    }
  }

  /** For requests that could not even be read. */
  malformed(): FrpAnswer {
    return this.refuse('unknown', { node_id: '' }, 'malformed');
  }

  /** For a fault of our own: fail closed and say so. */
  failed(error: unknown): FrpAnswer {
    this.log.error({ err: error }, 'the gate failed to decide');
    return this.refuse('unknown', { node_id: '' }, 'gate_error');
  }

  private async login(content: LoginContent): Promise<FrpAnswer> {
    const token = await this.tokens.check(content.privilege_key, this.table.jwks);
    return this.settle('Login', { node_id: content.user }, admitLogin(this.table, content, token));
  }

  private newProxy(content: NewProxyContent): FrpAnswer {
    const about = { node_id: content.user.user, proxy: content.proxy_name, port: content.remote_port };
    return this.settle('NewProxy', about, admitNewProxy(this.table, content));
  }

  private settle(op: string, about: { node_id: string }, verdict: Verdict): FrpAnswer {
    return verdict.allow ? this.allow(op, about) : this.refuse(op, about, verdict.reason);
  }

  private allow(op: string, about: object): FrpAnswer {
    this.count(`${op} allowed`);
    this.log.debug({ op, ...about }, 'admitted');
    return { reject: false, unchange: true };
  }

  private refuse(op: string, about: { node_id: string; proxy?: string; port?: number }, reason: Refusal): FrpAnswer {
    this.count(`${op} ${reason}`);
    this.refusals.write({ op, ...about, reason });
    return { reject: true, reject_reason: refusalText[reason], unchange: true };
  }

  private count(key: string): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }
}
