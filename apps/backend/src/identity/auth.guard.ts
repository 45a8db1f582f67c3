import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { Request, Response } from 'express';
import { operations, unwrap, type OperationSpec, type Result } from '@muster/shared-types';
import { Config } from '../config.js';
import { operationOf } from '../platform/operation.js';
import { accountOf, mayCall, type Principal } from '../platform/principal.js';
import { RateLimit, RateLimitedError, type RateLimitState } from '../platform/rate-limit.js';
import { stateOf } from '../platform/request-state.js';
import { Authenticator } from './authenticator.js';

/** Must answer whatever else is down, and are asked by supervisors all the time. */
const PROBES: readonly OperationSpec[] = [operations.health, operations.ready];

/**
 * Reads of an account are counted apart, and five times as many are allowed: a page or a script that polls every rental of
 * its account stays below, and however much is read, a rental can still be ended. 6,000 a minute are a tenth of what one
 * core answers.
 */
const READS_PER_REQUEST = 5;

/** The one guard: who is asking, how often, and whether this operation is for them. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly config: Config,
    private readonly authenticator: Authenticator,
    private readonly limits: RateLimit,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const spec = operationOf(context.getHandler());
    if (!spec) throw new Error(`${context.getClass().name}.${context.getHandler().name} is not an operation of the catalogue`);
    // A signed link is its own credential, and nodes behind one address follow thousands: the controller checks it.
    if (PROBES.includes(spec) || spec.auth.kind === 'signed_link') return true;
    const request = context.switchToHttp().getRequest<Request>();
    const found = await this.#whoIs(spec, request);
    await this.#limit(found, request, context.switchToHttp().getResponse<Response>());
    const principal = unwrap(found);
    stateOf(request).principal = principal;
    unwrap(mayCall(spec.auth, principal));
    return true;
  }

  /** On a public operation a stale token is no reason to refuse: it is answered like everybody. */
  async #whoIs(spec: OperationSpec, request: Request): Promise<Result<Principal>> {
    const { authorization } = request.headers;
    const found: Result<Principal> = await this.authenticator.authenticate(authorization);
    return spec.auth.kind === 'public' && !found.ok ? { ok: true, value: { kind: 'public' } } : found;
  }

  /** Per account; callers without one share the limit of their address. */
  async #limit(found: Result<Principal>, request: Request, response: Response): Promise<void> {
    const { rateLimitPerMin } = this.config;
    const account = found.ok && found.value.kind !== 'public' ? accountOf(found.value) : undefined;
    const state = !account
      ? await this.limits.take(`address:${request.socket.remoteAddress ?? 'unknown'}`, rateLimitPerMin)
      : request.method === 'GET'
        ? await this.limits.take(`account:${account}:reads`, rateLimitPerMin * READS_PER_REQUEST)
        : await this.limits.take(`account:${account}`, rateLimitPerMin);
    sayLimit(response, state);
    if (!state.allowed) throw new RateLimitedError(state);
  }
}

function sayLimit(response: Response, state: RateLimitState): void {
  response.setHeader('RateLimit-Policy', `"default";q=${state.limit};w=${state.windowS}`);
  response.setHeader('RateLimit', `"default";r=${state.remaining};t=${state.resetS}`);
}

